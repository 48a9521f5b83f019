//! All keys in one table, which is used for parsing, overrides, bounds and the reference.
//!
//! A key is declared once, in a file of this folder, with its kind, default, bounds and
//! documentation, and is read by its path where it is lowered into a stage's options. A new key
//! needs these two lines. Bounds have a reason, because the message about a refused value prints
//! it.

mod auth;
mod downlink;
mod edge;
mod lookup;
mod sessions;
mod stages;
mod uplink;

pub(super) use lookup::{all, find, is_table, lookup, nearest};
