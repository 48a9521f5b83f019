//! What every vehicle will publish.
//!
//! A [`Script`] answers one question cheaply and as often as asked: the bytes of the n-th message
//! of a vehicle. So a message that has to be sent again after a lost connection needs not be kept.
//!
//! - A *load's* script ([`Tracks`]) holds some drives as payloads, encoded before the first
//!   connection is made, so that the source pays a copy a message while it measures. Vehicles share
//!   them at different starting points and go round ([`mod@drives`]); only the time of each payload
//!   is rewritten in place, so that all points of a vehicle are distinct.
//! - A *replay's* script ([`Tracks`]) holds the recorded rows, one track a vehicle, once
//!   (`simulate --replay`).
//! - A *live* script ([`Live`]) lets every vehicle drive on as it is asked for its next message: it
//!   never goes round, can be told to charge less, and costs some microseconds a message (`demo`,
//!   and `simulate` where it is slow and small).

mod drives;
mod live;
mod part;
mod patch;
mod track;

pub(crate) use drives::{DriveOptions, drives, topic_of};
pub(crate) use live::{KEPT_MAX, Live, LiveOptions};
pub(crate) use part::{Part, Script};
pub(crate) use track::{Track, Tracks};
