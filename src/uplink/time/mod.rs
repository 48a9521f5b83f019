//! The point's time: read from its field or fields, with an error text if it is wrong.
//!
//! A time is a count of a unit, a number with a fraction, or text in ISO 8601. It may be relative
//! to another field, and the value of a clock that is not set may be replaced by the time of
//! receipt. Fractions are read from their digits, so no time is rounded by a double.

mod detail;
mod iso;
mod read;

pub(crate) use detail::detail;
pub(crate) use read::{is_out_of_bounds, of_point};
