//! The bounds of new names.

/// How many new names payloads may introduce on one day in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NameOptions {
    /// Fields of a measurement. Default: 250, a quarter of what the embedded store has room for.
    pub fields_a_day: usize,
    /// Tags of a measurement; stores have room for some 100. Default: 20.
    pub tags_a_day: usize,
    /// Measurements of line-protocol payloads. Default: 1,000.
    pub measurements_a_day: usize,
    /// Bytes of one new name. Default: 256.
    pub name_bytes_max: usize,
    /// Bytes of memory for all names. Default: 64 MiB, a million names of usual length.
    pub memory_max: usize,
}

impl Default for NameOptions {
    fn default() -> Self {
        Self {
            fields_a_day: 250,
            tags_a_day: 20,
            measurements_a_day: 1000,
            name_bytes_max: 256,
            memory_max: 64 << 20,
        }
    }
}
