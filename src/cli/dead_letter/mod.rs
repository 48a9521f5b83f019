//! `dead-letter`: what was set aside. Lists, shows and exports are read from the data directory
//! without its lock; what changes something is asked of the running appliance.

mod arguments;
mod delete;
mod replay;
mod show;
mod summary;

pub(super) use arguments::{Arguments, run};
