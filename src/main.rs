//! Arguments → command → exit code.

use std::process::ExitCode;

/// Buffers of sockets and messages are made and freed some 100,000 times a second: the C library's
/// allocator gives a thread's free memory back to the kernel each time, and pays for page faults.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    fleetline::cli::run()
}
