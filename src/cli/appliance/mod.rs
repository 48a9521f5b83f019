//! The running appliance: how commands find it and send requests to it.
//!
//! `--url` names it. Without this option, the `lock` file in the data directory holds the addresses
//! of the last appliance that ran on it. The file stays when that appliance ends, so it does not
//! prove that one is running. For a listener on every address (`0.0.0.0`, `[::]`), loopback is
//! used.

mod address;
mod client;
mod reach;

use address::{Place, url};
pub(super) use client::{Answer, Appliance, ApplianceError, Patience};
pub(super) use reach::Reach;
