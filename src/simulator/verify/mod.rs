//! Whether all that was acknowledged is stored: asked of the appliance and of its store.
//!
//! The appliance's ledger is asked before the run and after it. Afterwards, within a bounded wait,
//! nothing may be pending, nothing may lie in the spool, both equations of the promise must hold,
//! and what was received and spooled in between must cover what was acknowledged. The store, behind
//! the appliance or by itself, is asked for a count of the run's vehicles over the run's times; it
//! must cover what was acknowledged too. The ledger may count more than that (other vehicles
//! publish as well), never less.

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
