//! Which names a store cannot have, and which it cannot tell apart.
//!
//! Known here because two rooms need it: `mapping`, which refuses at load what the configured store
//! would refuse point by point, and `store`, which says it of what only a payload brings.

use std::borrow::Cow;

/// How the configured store takes the names of measurements, tags and fields.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StoreNames {
    /// As any store does: only `time` is the timestamp's.
    #[default]
    Any,
    /// InfluxDB 1 and 2, which keep names for their own columns.
    Influx,
    /// TDengine, which writes `_` for a `.` in the name of a table.
    TdEngine,
    /// The embedded store: SQLite takes names without regard to case, and some are its own.
    Embedded,
}

/// What a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Named {
    /// A tag.
    Tag,
    /// A field.
    Field,
}

impl StoreNames {
    /// Why no tag or field can have a name; `None` if one can.
    #[must_use]
    pub fn refuses(self, named: Named, name: &str) -> Option<&'static str> {
        let is = |known: &[&str]| known.contains(&name);
        let is_small = |known: &[&str]| known.iter().any(|k| k.eq_ignore_ascii_case(name));
        match self {
            _ if is(&["time"]) => Some("which stores keep for the timestamp"),
            Self::Embedded if is_small(&["time"]) => Some(
                "which the embedded store, as it takes names without case, keeps for the timestamp",
            ),
            Self::Embedded if is_small(&["_series", "_id", "_key"]) => {
                Some("which the embedded store keeps for itself")
            }
            Self::Influx if named == Named::Tag && is(&["_field", "_measurement"]) => {
                Some("which InfluxDB keeps for itself")
            }
            Self::TdEngine if is(&["_ts"]) => Some("which TDengine keeps for the timestamp"),
            _ => None,
        }
    }

    /// Why no measurement can have a name; `None` if one can.
    #[must_use]
    pub fn refuses_measurement(self, name: &str) -> Option<&'static str> {
        let small = name.to_ascii_lowercase();
        match self {
            Self::Embedded if small.starts_with("sqlite_") => {
                Some("names that begin with `sqlite_` are SQLite's own")
            }
            Self::Embedded if small == "_series" || small == "_points" => {
                Some("the embedded store keeps that name for itself")
            }
            _ => None,
        }
    }

    /// What two names of tags or fields share if the store takes them for one.
    #[must_use]
    pub fn column_key(self, name: &str) -> Cow<'_, str> {
        match self {
            Self::Embedded => Cow::Owned(name.to_ascii_lowercase()),
            Self::Any | Self::Influx | Self::TdEngine => Cow::Borrowed(name),
        }
    }

    /// What two names of measurements share if the store takes them for one.
    #[must_use]
    pub fn measurement_key(self, name: &str) -> Cow<'_, str> {
        match self {
            Self::Embedded => Cow::Owned(name.to_ascii_lowercase()),
            Self::TdEngine => Cow::Owned(name.replace('.', "_")),
            Self::Any | Self::Influx => Cow::Borrowed(name),
        }
    }

    /// Why two names that are written differently are one, for the operator.
    #[must_use]
    pub const fn alike(self) -> &'static str {
        match self {
            Self::Embedded => "the embedded store takes names without regard to case",
            Self::TdEngine => "TDengine writes `_` for `.` in a table's name",
            Self::Any | Self::Influx => "they are equal",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `s4-embedded-names`: one list, held against every kind.
    #[test]
    fn each_store_refuses_what_it_cannot_have() {
        let names = ["time", "Time", "_id", "_series", "_field", "_ts", "rowid", "Speed"];
        let refused = |store: StoreNames, named| {
            let refused = names.iter().filter(|name| store.refuses(named, name).is_some());
            refused.copied().collect::<Vec<_>>()
        };
        assert_eq!(refused(StoreNames::Any, Named::Field), ["time"]);
        assert_eq!(refused(StoreNames::Influx, Named::Field), ["time"]);
        assert_eq!(refused(StoreNames::Influx, Named::Tag), ["time", "_field"]);
        assert_eq!(refused(StoreNames::TdEngine, Named::Tag), ["time", "_ts"]);
        let embedded = ["time", "Time", "_id", "_series"];
        assert_eq!(refused(StoreNames::Embedded, Named::Field), embedded);
        let measurements = ["sqlite_x", "SQLITE_", "_points", "a.b"];
        for name in measurements {
            let is_refused = StoreNames::Embedded.refuses_measurement(name).is_some();
            assert_eq!(is_refused, name != "a.b", "{name}");
            assert_eq!(StoreNames::TdEngine.refuses_measurement(name), None);
        }
        let keys = |store: StoreNames| (store.measurement_key("a.B"), store.column_key("a.B"));
        assert_eq!(keys(StoreNames::Any), ("a.B".into(), "a.B".into()));
        assert_eq!(keys(StoreNames::TdEngine), ("a_B".into(), "a.B".into()));
        assert_eq!(keys(StoreNames::Embedded), ("a.b".into(), "a.b".into()));
    }
}
