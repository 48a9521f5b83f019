//! Builds every stage from its options, connects the handles, runs, drains in order.
//!
//! # Start
//! Lock of the data directory → schemas and mappings → spools (recovery) and dead-letter log, each
//! with its commit thread → sink → operator edge → vehicle edge. The vehicle edge comes last, so
//! that the first message finds everything behind it.
//!
//! # Stop, in the direction of the data
//! 1. the vehicle edge takes nothing more in, commits, acknowledges, says goodbye;
//! 2. the lanes sync what is queued and end;
//! 3. the sink ships what the store takes within the limit, and makes its cursors durable;
//! 4. the dead-letter log syncs and ends; the operator edge closes; the lock is released.
//!
//! # What ends the process
//! SIGTERM or SIGINT (drained, exit 0; a second one stops at once) or, where the appliance is one
//! part of a process, a word of the others ([`Until`]); or a thread of ours that ended by itself: a
//! dead lane must not be a silent one, and recovery at the next start is the tested path. A failed
//! fsync does not end it: that shard is halted, the rest goes on, `readyz` is red.
//! SIGHUP loads schemas, mappings, certificates and the files of `[auth]` anew; of what is wrong,
//! the old stays in force.

mod certificates;
mod commands;
mod fleet;
mod lanes;
mod layout;
mod look;
mod machine;
mod mappings;
mod names;
mod problem;
mod replay;
mod reshard;
mod run;
mod types;
mod watch;

pub use look::look_into;
pub use mappings::no_mappings;
pub use problem::RunError;
pub use replay::{ReplayFailure, replay};
pub use reshard::{ReshardError, Resharded, reshard};
pub use run::{Ready, Stopped, run};
pub use watch::Until;
