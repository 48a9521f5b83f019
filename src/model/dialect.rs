//! The two dialects of line protocol.

/// Whether unsigned integers have a suffix of their own.
///
/// A spool segment is written in one dialect and says so in its header: text without `u` can be
/// shipped to any store, text with it only to a store that knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LineDialect {
    /// Every integer ends in `i`; a `uint64` past `i64::MAX` cannot be written.
    Signed,
    /// A `uint64` ends in `u` (InfluxDB 2 and 3, TDengine).
    Unsigned,
}
