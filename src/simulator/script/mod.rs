//! What every vehicle publishes.
//!
//! A [`Script`] answers one question cheaply and repeatably: the bytes of a vehicle's n-th message.
//! So a message need not be kept for sending it again after a lost connection.
//!
//! - A *load's* script ([`Tracks`]) holds some drives as payloads, encoded before the first
//!   connection is made, so that the source only copies a message during the measurement. Vehicles
//!   share them at different starting points and repeat them endlessly ([`mod@drives`]); only the
//!   time of each payload is rewritten in place, so that all points of a vehicle are distinct.
//! - A *replay's* script ([`Tracks`]) holds the recorded rows, one track a vehicle, once
//!   (`simulate --replay`).
//! - A *live* script ([`Live`]) advances a vehicle when its next message is requested: it never
//!   repeats, supports a charge limit, and costs some microseconds a message (`demo`, and
//!   `simulate` with a slow and small fleet).

mod drives;
mod live;
mod part;
mod patch;
mod track;

pub(crate) use drives::{DriveOptions, drives, topic_of};
pub(crate) use live::{KEPT_MAX, Live, LiveOptions};
pub(crate) use part::{Part, Script};
pub(crate) use track::{Track, Tracks};
