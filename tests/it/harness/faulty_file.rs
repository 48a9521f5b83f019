//! Makes system calls on one file of an appliance fail or take long, with strace.

use std::{
    fs,
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use super::{Appliance, until};

const MINUTE: Duration = Duration::from_mins(1);

/// A file on which calls fail until this is dropped.
pub(crate) struct FaultyFile(Child);

impl FaultyFile {
    /// Makes `calls` (`fsync,fdatasync`) on a file behave as `fault` says, in strace's syntax:
    /// `error=EIO`, `error=EINTR:when=1+2`, `delay_exit=200000` (microseconds).
    pub(crate) fn attach(
        strace: &Path,
        appliance: &Appliance,
        file: &Path,
        calls: &str,
        fault: &str,
    ) -> Self {
        let log = appliance.setup().data().with_file_name("strace.log");
        let child = Command::new(strace)
            .args(["-f", "-p", &appliance.pid().to_string(), "-P"])
            .arg(file)
            .args(["-e", &format!("trace={calls}"), "-e", &format!("inject={calls}:{fault}")])
            .stdin(Stdio::null())
            .stderr(fs::File::create(log).unwrap())
            .spawn()
            .unwrap();
        let is_traced = |status: &Path| {
            // A thread may have ended meanwhile.
            let text = fs::read_to_string(status).unwrap_or_default();
            text.is_empty()
                || text.lines().any(|line| line.starts_with("TracerPid:") && !line.ends_with("\t0"))
        };
        until("strace to hold every thread", MINUTE, || {
            let tasks = fs::read_dir(format!("/proc/{}/task", appliance.pid())).unwrap();
            tasks.into_iter().all(|task| is_traced(&task.unwrap().path().join("status")))
        });
        Self(child)
    }
}

impl Drop for FaultyFile {
    fn drop(&mut self) {
        // SIGTERM makes it detach, so that the appliance continues untraced.
        drop(Command::new("kill").arg(self.0.id().to_string()).status());
        drop(self.0.wait());
    }
}
