//! `dead-letter`: the messages and points that were set aside. Lists, shows and exports read the
//! data directory without its lock; changes are requests to the running appliance.

mod arguments;
mod delete;
mod replay;
mod show;
mod summary;

pub(super) use arguments::{Arguments, run};
