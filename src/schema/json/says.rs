//! Properties of single parts of a JSON Schema.

use crate::schema::{Kind, tree::Node};

/// How many names one object may require: each is one bit of a u128.
const REQUIRED_MAX: usize = 128;

/// The error if an object requires too many names.
pub(super) fn too_many_required(parts: &[&Node]) -> Option<String> {
    let required = parts.iter().filter_map(|part| part.get("required"));
    let count: usize = required.map(|names| names.items().len()).sum();
    (count > REQUIRED_MAX).then(|| {
        format!("requires {count} properties; at most {REQUIRED_MAX} of one object can be checked")
    })
}

/// Whether a schema decides the type of a value.
pub(super) fn says_something(node: &Node) -> bool {
    const WORDS: [&str; 5] = ["type", "properties", "items", "prefixItems", "patternProperties"];
    WORDS.iter().any(|key| node.get(key).is_some())
}

/// Whether an integer of these schemas is an unsigned 64-bit integer, by its `format` or its
/// bounds.
pub(super) fn is_unsigned(parts: &[&Node]) -> bool {
    /// 2^63.
    const SIGNED_END: f64 = 9_223_372_036_854_775_808.0;
    let of = |key: &'static str| parts.iter().filter_map(move |part| part.get(key));
    let at_least = |key, least: f64| of(key).filter_map(Node::number).any(|bound| bound >= least);
    let is_positive = at_least("minimum", 0.0) || at_least("exclusiveMinimum", -1.0);
    let is_large = ["maximum", "exclusiveMaximum"].iter().any(|key| at_least(key, SIGNED_END));
    of("format").any(|format| format.text() == Some("uint64")) || (is_positive && is_large)
}

/// Whether two declarations of one name are equal.
pub(super) fn is_alike(one: &Kind, other: &Kind) -> bool {
    match (one, other) {
        (Kind::Scalar(one), Kind::Scalar(other)) | (Kind::List(one), Kind::List(other)) => {
            one.word() == other.word()
        }
        (Kind::Record(one), Kind::Record(other)) | (Kind::Records(one), Kind::Records(other)) => {
            one == other
        }
        _ => false,
    }
}

/// Whether a schema allows only null.
pub(super) fn is_null(node: &Node) -> bool {
    let Some(types) = node.get("type") else { return false };
    types.text() == Some("null") || matches!(types.items(), [only] if only.text() == Some("null"))
}
