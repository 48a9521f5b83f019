//! What the mappings declare about each measurement. Filled by `mapping`, read where types are
//! needed.

use std::collections::BTreeMap;

use crate::model::line;

/// The type of a field in a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FieldType {
    /// 64-bit float.
    Float,
    /// 64-bit signed integer.
    Integer,
    /// 64-bit unsigned integer.
    Unsigned,
    /// UTF-8 text.
    String,
    /// True or false.
    Boolean,
}

/// One measurement, as declared by all its mappings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Measurement {
    /// The tag that holds the vehicle's identity, if a mapping names one.
    pub vehicle_tag: Option<String>,
    /// Tag keys, in the mapping's order.
    pub tags: Vec<String>,
    /// Field keys with their types, in the mapping's order.
    pub fields: Vec<(String, FieldType)>,
}

impl Measurement {
    /// The measurement of connects and disconnects: `event` says which of the two; `reason` and
    /// `seconds` (the duration of the connection) belong to a disconnect.
    #[must_use]
    pub fn of_connectivity() -> Self {
        let field = |name: &str, field_type| (name.to_owned(), field_type);
        Self {
            vehicle_tag: Some("vehicle".to_owned()),
            tags: vec!["vehicle".to_owned(), "event".to_owned()],
            fields: vec![
                field("client", FieldType::String),
                field("reason", FieldType::String),
                field("seconds", FieldType::Float),
            ],
        }
    }
}

/// Measurement name → its declaration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Catalog {
    /// By name.
    pub measurements: BTreeMap<String, Measurement>,
    /// Vehicle tags of line-protocol mappings, whose measurements are named only in payloads.
    pub line_vehicle_tags: Vec<String>,
}

impl Catalog {
    /// The vehicle in a line that we wrote: the value of its measurement's vehicle tag or, if no
    /// mapping declares the measurement, of a vehicle tag of the line-protocol mappings.
    #[must_use]
    pub fn vehicle(&self, line: &[u8]) -> Option<String> {
        match self.measurements.get(&line::measurement(line)) {
            Some(known) => line::tag(line, known.vehicle_tag.as_deref()?),
            None => self.line_vehicle_tags.iter().find_map(|key| line::tag(line, key)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_names_its_vehicle_by_the_tag_of_its_mapping() {
        let known = |tag: Option<&str>| Measurement {
            vehicle_tag: tag.map(str::to_owned),
            tags: Vec::new(),
            fields: Vec::new(),
        };
        let measurements = [("m", Some("vin")), ("weather", None)];
        let catalog = Catalog {
            measurements: measurements.map(|(name, tag)| (name.to_owned(), known(tag))).into(),
            line_vehicle_tags: vec!["bus".to_owned(), "vin".to_owned()],
        };
        for (line, expect) in [
            ("m,vin=A x=1i 5", Some("A")),
            ("m,bus=A x=1i 5", None),
            ("weather,vin=A x=1i 5", None),
            ("any,vin=A\\ 1 x=1i 5", Some("A 1")),
            ("any,bus=7,vin=A x=1i 5", Some("7")),
            ("any x=1i 5", None),
        ] {
            assert_eq!(catalog.vehicle(line.as_bytes()).as_deref(), expect, "{line}");
        }
    }
}
