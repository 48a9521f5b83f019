//! What the mappings say about each measurement; filled by `mapping`, read by whoever needs types.

use std::collections::BTreeMap;

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
