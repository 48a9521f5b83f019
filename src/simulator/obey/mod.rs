//! What vehicles do when they are told to: the commands of the mapping files from the other end.
//!
//! A vehicle subscribes to the topic of every declared command. It knows two by name:
//! - `identify` (`seconds`, 1 to 60, 5 if it is left out): a receipt that it is at it, and one that
//!   it is done when the seconds are over;
//! - `limit-charge` (`limit_percent`, 20 to 100): charging stops there from now on, if the vehicle
//!   senses as it drives; one that plays what was recorded or encoded before cannot, and says so.
//!
//! Any other command, and a value out of bounds, is rejected with the reason. A command that comes
//! again is answered again and not done again (OB-1); receipts leave one after the other, each once
//! the one before it is acknowledged, and again after a connection was lost (OB-2).
//!
//! [`Repertoire`] is what all of a fleet know, [`Agenda`] what one vehicle was told; both are pure.

mod agenda;
mod repertoire;
#[cfg(test)]
mod tests;

pub(crate) use agenda::CommandCounts;
pub(super) use agenda::{Agenda, Moment, Told};
pub(super) use repertoire::Receipt;
pub(crate) use repertoire::Repertoire;
