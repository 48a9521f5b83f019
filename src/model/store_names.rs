//! Which names a store does not allow, and which it treats as equal.
//!
//! Two modules need it: `mapping` refuses at load what the configured store would refuse point by
//! point, and `store` checks names that are only in payloads.

use std::borrow::Cow;

/// The rules of the configured store for the names of measurements, tags and fields.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StoreNames {
    /// The rule of every store: only `time` is reserved, for the timestamp.
    #[default]
    Any,
    /// InfluxDB 1 and 2, which reserve names for their own columns.
    Influx,
    /// TDengine, which writes `_` for a `.` in a table name.
    TdEngine,
    /// The embedded store: SQLite ignores case in names, and reserves some.
    Embedded,
}

/// What has the name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Named {
    /// A tag.
    Tag,
    /// A field.
    Field,
}

impl StoreNames {
    /// Why a tag or field cannot have this name; `None` if it can.
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

    /// Why a measurement cannot have this name; `None` if it can.
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

    /// A key that is equal for two names of tags or fields if the store treats them as one.
    #[must_use]
    pub fn column_key(self, name: &str) -> Cow<'_, str> {
        match self {
            Self::Embedded => Cow::Owned(name.to_ascii_lowercase()),
            Self::Any | Self::Influx | Self::TdEngine => Cow::Borrowed(name),
        }
    }

    /// A key that is equal for two names of measurements if the store treats them as one.
    #[must_use]
    pub fn measurement_key(self, name: &str) -> Cow<'_, str> {
        match self {
            Self::Embedded => Cow::Owned(name.to_ascii_lowercase()),
            Self::TdEngine => Cow::Owned(name.replace('.', "_")),
            Self::Any | Self::Influx => Cow::Borrowed(name),
        }
    }

    /// Why two different names are treated as one, for the operator.
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

    /// `s4-embedded-names`: one list of names, checked against every kind of store.
    #[test]
    fn each_store_refuses_the_names_that_it_does_not_allow() {
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
