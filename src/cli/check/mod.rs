//! `check`: is everything that was written right, and does what it names answer?

mod online;
mod rules;
mod run;
mod types;

pub(super) use run::{Arguments, no_key, run};
