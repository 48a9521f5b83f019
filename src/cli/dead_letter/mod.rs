//! `dead-letter`: what was set aside. Lists and shows are read from the data directory without its
//! lock; what changes something is asked of the running appliance.

mod arguments;
mod delete;
mod show;

pub(super) use arguments::{Arguments, run};
