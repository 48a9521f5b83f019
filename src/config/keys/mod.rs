//! Every key there is: one table, from which parsing, overrides, bounds and the reference come.
//!
//! A key is declared once, in a file beside this one, with its kind, default, bounds and
//! documentation, and asked for by its path where it is lowered into a stage's options. Adding one
//! is those two lines. Bounds carry the reason they are there, because a refused value prints it.

mod auth;
mod downlink;
mod edge;
mod lookup;
mod sessions;
mod stages;
mod uplink;

pub(super) use lookup::{all, find, is_table, lookup, nearest};
