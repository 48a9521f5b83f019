//! Builds every stage from its options, connects the handles, runs, drains in order.
//!
//! # Start
//! Lock of the data directory → schemas and mappings → spools (recovery) and dead-letter log, each
//! with its commit thread → sink → operator edge → vehicle edge. The vehicle edge comes last, so
//! that everything else runs when the first message arrives.
//!
//! # Stop, in the direction of the data
//! 1. the MQTT server accepts nothing more, commits, acknowledges, disconnects its clients;
//! 2. the lanes sync their queues and end;
//! 3. the sink ships what the store accepts within the limit, and makes its cursors durable;
//! 4. the dead-letter log syncs and ends; the HTTP server closes; the lock is released.
//!
//! # What ends the process
//! SIGTERM or SIGINT (drained, exit 0; a second one stops at once), a signal inside the process if
//! the appliance is only a part of it ([`Until`]), or a thread of Fleetline that ended by itself: a
//! lane that has died must be noticed, and recovery at the next start is the tested path. A failed
//! fsync does not end the process: that shard is halted, the rest continues, `readyz` is red.
//! SIGHUP reloads schemas, mappings, certificates and the files of `[auth]`; if one is wrong, the
//! old one stays in force.

mod certificates;
mod check;
mod commands;
mod fleet;
mod lanes;
mod layout;
mod machine;
mod mappings;
mod names;
mod problem;
mod replay;
mod reshard;
mod run;
mod types;
mod watch;

pub use check::check_data_dir;
pub use mappings::no_mappings;
pub use problem::RunError;
pub use replay::{ReplayFailure, replay};
pub use reshard::{ReshardError, Resharded, reshard};
pub use run::{Ready, Stopped, run};
pub use watch::Until;
