//! Reads the message of InfluxDB 1 and 2 about a field that has another type already: the only
//! refusal that names more than a count.

use crate::model::FieldType;

/// The beginning of the message; there may be other text before it.
const BEGIN: &str = "field type conflict: input field \"";

/// A field and its type in the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TypeConflict {
    pub(super) measurement: String,
    pub(super) field: String,
    pub(super) kind: FieldType,
}

/// Reads the first conflict in an answer.
pub(super) fn read(answer: &str) -> Option<TypeConflict> {
    let (_, rest) = answer.split_once(BEGIN)?;
    let (field, rest) = rest.split_once("\" on measurement \"")?;
    let (measurement, rest) = rest.split_once("\" is type ")?;
    let (_, kind) = rest.split_once(", already exists as type ")?;
    let end = kind.find(|c: char| !c.is_ascii_lowercase()).unwrap_or(kind.len());
    let kind = match &kind[..end] {
        "float" => FieldType::Float,
        "integer" => FieldType::Integer,
        "unsigned" => FieldType::Unsigned,
        "string" => FieldType::String,
        "boolean" => FieldType::Boolean,
        _ => return None,
    };
    Some(TypeConflict { measurement: measurement.to_owned(), field: field.to_owned(), kind })
}

/// Whether a line was refused because of the type of a field, in a message of any store.
pub(super) fn is_type_conflict(answer: &str) -> bool {
    const WORDS: [&str; 5] = [
        BEGIN,
        // TDengine 3.3, with the table and within one request.
        "point type and db type mismatch",
        "the type is not the same like before",
        // InfluxDB 3.
        "invalid column type for column",
        // The embedded store.
        " in the store",
    ];
    WORDS.iter().any(|words| answer.contains(words))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_type_in_the_store_is_read_from_its_message() {
        let one = "HTTP 400: partial write: field type conflict: input field \"x y\" on measurement \
                   \"m\" is type float, already exists as type integer dropped=11";
        let two = "HTTP 422: failure writing points to database: partial write: field type \
                   conflict: input field \"x y\" on measurement \"m\" is type string, already \
                   exists as type integer dropped=1";
        for answer in [one, two] {
            let found = read(answer).expect("a conflict");
            assert_eq!((found.measurement.as_str(), found.field.as_str()), ("m", "x y"));
            assert_eq!(found.kind, FieldType::Integer);
            assert!(is_type_conflict(answer));
        }
        for other in ["", "HTTP 400: unable to parse 'm x=': missing field value", &one[..90]] {
            assert_eq!(read(other), None, "{other}");
        }
    }
}
