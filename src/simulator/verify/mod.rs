//! Verifies with the appliance and its store that all acknowledged messages are stored.
//!
//! The appliance's ledger is read before the run and after it. Afterwards, within a bounded wait,
//! nothing may be pending, the spool must be empty, both equations of the promise must hold, and
//! the difference of received and spooled messages must cover the acknowledged ones. The store,
//! queried through the appliance or directly, counts the points of the run's vehicles over the
//! run's times; the count must cover the acknowledged messages too. The ledger may count more than
//! that (other vehicles publish as well), never less.

mod error;
mod ledger;
mod store;
#[cfg(test)]
mod tests;
mod verification;
mod verifier;

pub(crate) use error::VerifyError;
pub(crate) use ledger::{Ledger, Stats};
use store::StoreQuestion;
pub(crate) use store::{Asked, Vehicles};
pub(crate) use verification::{Claim, Verification};
pub(crate) use verifier::{Verifier, VerifyOptions};
