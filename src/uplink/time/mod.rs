//! The point's time: read out of its field, or fields, and told where it is wrong.
//!
//! A time is a count of a unit, a number with a fraction, or text as ISO 8601 writes it; it may be
//! relative to another field; and a clock that is not set may mean the time of receipt. Fractions
//! are read from their digits, so no time is rounded by a double on its way.

mod detail;
mod iso;
mod read;

pub(crate) use detail::detail;
pub(crate) use read::{is_out_of_bounds, of_point};
