//! One mapping and its schema → one plan: paths are resolved, values get slots, names are escaped.
//!
//! - `paths`: a path of the mapping → a member of the shape, looked up in the element, then in the
//!   message;
//! - `points`: the lists whose elements are points;
//! - `lay`: the walk that gives each wanted value its slot and each field its name;
//! - `slots`: the slot table that results from the walk;
//! - `unique`: no two names of a line are equal;
//! - `when`: the filter's expression, parsed and typed; `condition`: the same over named values;
//! - `alarm`: the conditions and values of alarms;
//! - `build`: builds the plan from all of these.

mod alarm;
mod build;
mod condition;
mod constant;
mod convert;
mod lay;
mod list;
mod paths;
mod patterns;
mod points;
mod slots;
mod time;
mod unique;
mod warnings;
mod when;

pub use condition::Condition;

pub(crate) use alarm::AlarmDraft;
pub(crate) use build::{Compiled, CompiledProbe, Refused, compile};
