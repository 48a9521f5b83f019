//! What the mappings say about each measurement; filled by `mapping`, read by whoever needs types.

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

/// One measurement as all its mappings agree on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Measurement {
    /// The tag that holds the vehicle's identity, where a mapping names one.
    pub vehicle_tag: Option<String>,
    /// Tag keys, in the mapping's order.
    pub tags: Vec<String>,
    /// Field keys with their types, in the mapping's order.
    pub fields: Vec<(String, FieldType)>,
}

impl Measurement {
    /// That of connects and disconnects: `event` says which, `reason` and `seconds` (how long the
    /// connection lasted) are those of a disconnect.
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

/// Measurement name → what is known of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Catalog {
    /// By name.
    pub measurements: BTreeMap<String, Measurement>,
    /// Tags that mappings of lines add for the vehicle, whose measurements only payloads name.
    pub line_vehicle_tags: Vec<String>,
}

impl Catalog {
    /// The vehicle that a line of ours names, where its measurement says which tag does; one that
    /// only payloads name has a tag of the mappings of lines.
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
