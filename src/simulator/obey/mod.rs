//! What vehicles do with commands: the other end of the commands in the mapping files.
//!
//! A vehicle subscribes to the topic of every declared command. It knows two by name:
//! - `identify` (`seconds`, 1 to 60, default 5): a receipt that it has started, and one that it is
//!   done after these seconds;
//! - `limit-charge` (`limit_percent`, 20 to 100): charging stops there from now on, if the vehicle
//!   is simulated live; one that plays recorded or encoded messages cannot, and reports that.
//!
//! Any other command, and a value out of bounds, is rejected with the reason. A repeated command is
//! answered again but not executed again (OB-1); receipts are sent one after the other, each after
//! the acknowledgement of the previous one, and again after a lost connection (OB-2).
//!
//! [`Repertoire`] is common to all vehicles of a fleet, [`Agenda`] belongs to one; both are pure.

mod agenda;
mod repertoire;
#[cfg(test)]
mod tests;

pub(crate) use agenda::CommandCounts;
pub(super) use agenda::{Agenda, Moment, Told};
pub(super) use repertoire::Receipt;
pub(crate) use repertoire::Repertoire;
