//! What we ask of the machine, as seams with a real and a simulated version.
//!
//! Only this room touches the clocks, and the disk for anything that must survive a crash.

mod clock;
mod cpu;
pub mod disk;
mod memory;
mod names;
#[cfg(any(test, feature = "sim"))]
pub mod sim;
mod supervisor;

pub use clock::{Clock, SystemClock};
pub use cpu::{process_cpu, thread_cpu};
pub use memory::control_group_memory;
pub(crate) use names::{http_client, lookup};
pub use supervisor::{Guard, Supervisor};
