//! The running appliance, as commands find and ask it.
//!
//! `--url` names it; without one its data directory does, whose `lock` file holds the addresses of
//! whoever ran on it last. The file stays when that one ends, so it says where to look and not that
//! somebody is there. A listener on every address (`0.0.0.0`, `[::]`) is asked over loopback.

mod address;
mod client;
mod reach;

use address::{Place, url};
pub(super) use client::{Answer, Appliance, ApplianceError, Patience};
pub(super) use reach::Reach;
