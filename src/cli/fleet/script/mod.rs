//! What every vehicle will publish, encoded before the first connection is made.
//!
//! A [`Script`] answers one question cheaply and as often as asked: the bytes of the n-th message
//! of a vehicle. So a message that has to be sent again after a lost connection needs not be kept,
//! and the load source pays a copy a message while it measures.
//!
//! - A *fleet's* script holds some drives as payloads ([`mod@drives`]); vehicles share them at
//!   different starting points and go round. Only the time of each payload is rewritten in place,
//!   so that all points of a vehicle are distinct.
//! - A *replay's* script holds the recorded rows, one track a vehicle, once
//!   (`simulate --replay`).

mod drives;
mod patch;
mod track;

pub(in crate::cli) use drives::{DriveOptions, drives, topic_of};
pub(in crate::cli) use track::{Part, Script, Track};
