//! What the process uses: CPU time, as the kernel counts it, and descriptors.

use std::{io, time::Duration};

use rustix::{
    io::Errno,
    time::{ClockId, Timespec, clock_gettime},
};

/// CPU time of this process, user and system, of all its threads.
#[must_use]
pub fn process_cpu() -> Duration {
    duration(clock_gettime(ClockId::ProcessCPUTime))
}

/// CPU time of the calling thread.
#[must_use]
pub fn thread_cpu() -> Duration {
    duration(clock_gettime(ClockId::ThreadCPUTime))
}

/// These clocks are never negative.
fn duration(time: Timespec) -> Duration {
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// Whether the process may open one more file or socket. It is tried, because counting up to a
/// million open ones takes long.
#[must_use]
pub fn is_descriptor_left() -> bool {
    let tried = rustix::io::dup(std::io::stderr());
    !tried.is_err_and(|error| is_out_of_descriptors(&error.into()))
}

/// Whether something failed because the process, or the machine, has no descriptor left.
#[must_use]
pub fn is_out_of_descriptors(error: &io::Error) -> bool {
    let code = error.raw_os_error();
    [Errno::MFILE, Errno::NFILE].iter().any(|out| code == Some(out.raw_os_error()))
}
