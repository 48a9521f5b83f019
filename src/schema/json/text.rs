//! A JSON Schema as it is written, its properties in their order.

use std::{fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, SeqAccess, Visitor, value::MapAccessDeserializer},
};
use serde_json::Value;

/// A schema: an object, or `true` or `false`.
#[derive(Debug)]
pub(super) enum Text {
    /// Says nothing about a value.
    Bool,
    /// Says something.
    Node(Box<Node>),
}

/// The keywords that matter here; all others are passed over.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Node {
    #[serde(rename = "type")]
    pub(super) types: Words,
    pub(super) properties: Option<Ordered<Text>>,
    pub(super) required: Vec<String>,
    pub(super) items: Option<Text>,
    #[serde(rename = "prefixItems")]
    pub(super) prefix_items: Option<Vec<Text>>,
    #[serde(rename = "additionalProperties")]
    pub(super) additional: Option<Text>,
    #[serde(rename = "anyOf")]
    pub(super) any_of: Option<Vec<Text>>,
    #[serde(rename = "oneOf")]
    pub(super) one_of: Option<Vec<Text>>,
    #[serde(rename = "allOf")]
    pub(super) all_of: Option<Vec<Text>>,
    #[serde(rename = "$ref")]
    pub(super) reference: Option<String>,
    #[serde(rename = "$defs")]
    pub(super) defs: Option<Ordered<Text>>,
    pub(super) definitions: Option<Ordered<Text>>,
    pub(super) format: Value,
    pub(super) minimum: Value,
    #[serde(rename = "exclusiveMinimum")]
    pub(super) above: Value,
    pub(super) maximum: Value,
    #[serde(rename = "exclusiveMaximum")]
    pub(super) below: Value,
}

impl Node {
    /// Whether an integer of this schema needs 64 bits without a sign: its `format` says so, or its
    /// bounds do.
    pub(super) fn is_unsigned(&self) -> bool {
        /// 2^63.
        const SIGNED_END: f64 = 9_223_372_036_854_775_808.0;
        let at_least = |bound: &Value, least: f64| bound.as_f64().is_some_and(|b| b >= least);
        let is_positive = at_least(&self.minimum, 0.0) || at_least(&self.above, -1.0);
        let is_large = at_least(&self.maximum, SIGNED_END) || at_least(&self.below, SIGNED_END);
        self.format.as_str() == Some("uint64") || (is_positive && is_large)
    }
}

/// One word or a list of words.
#[derive(Debug, Default)]
pub(super) struct Words(pub(super) Vec<String>);

/// An object's members in their order; a name comes once.
#[derive(Debug)]
pub(super) struct Ordered<T>(pub(super) Vec<(String, T)>);

impl<T> Ordered<T> {
    /// The member of a name.
    pub(super) fn find(&self, name: &str) -> Option<&T> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, member)| member)
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visit;
        impl<'de> Visitor<'de> for Visit {
            type Value = Text;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a schema (an object, true or false)")
            }

            fn visit_bool<E>(self, _: bool) -> Result<Text, E> {
                Ok(Text::Bool)
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Text, A::Error> {
                let node = Node::deserialize(MapAccessDeserializer::new(map))?;
                Ok(Text::Node(Box::new(node)))
            }
        }
        deserializer.deserialize_any(Visit)
    }
}

impl<'de> Deserialize<'de> for Words {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visit;
        impl<'de> Visitor<'de> for Visit {
            type Value = Words;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a type or a list of types")
            }

            fn visit_str<E>(self, word: &str) -> Result<Words, E> {
                Ok(Words(vec![word.to_owned()]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Words, A::Error> {
                let mut words = Vec::new();
                while let Some(word) = seq.next_element()? {
                    words.push(word);
                }
                Ok(Words(words))
            }
        }
        deserializer.deserialize_any(Visit)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Ordered<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visit<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Visit<T> {
            type Value = Ordered<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Ordered<T>, A::Error> {
                let mut members = Ordered(Vec::new());
                while let Some(name) = map.next_key::<String>()? {
                    if members.find(&name).is_some() {
                        return Err(A::Error::custom(format!("`{name}` is declared twice")));
                    }
                    members.0.push((name, map.next_value()?));
                }
                Ok(members)
            }
        }
        deserializer.deserialize_map(Visit(PhantomData))
    }
}
