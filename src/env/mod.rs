//! What Fleetline needs from the machine, as seams with a real and a simulated implementation.
//!
//! Only this module touches the clocks, and the disk for data that must survive a crash.

mod blocking;
mod clock;
pub mod disk;
mod memory;
mod names;
#[cfg(any(test, feature = "sim"))]
pub mod sim;
mod supervisor;
mod usage;

pub(crate) use blocking::{blocking, joined};
pub use clock::{Clock, RELEASED, SystemClock};
pub use memory::control_group_memory;
pub(crate) use names::{http_client, lookup};
pub use supervisor::{Guard, Supervisor};
pub use usage::{is_descriptor_left, is_out_of_descriptors, process_cpu, thread_cpu};
