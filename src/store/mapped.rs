//! Compares what mappings write with what a store has.

use crate::{
    model::Measurement,
    store::{
        Stored,
        ledger::{casts, words},
    },
};

/// The conflicts of a measurement's mappings with the store, each as one sentence. An integer for a
/// float field is not a conflict: it is written as a float if that is exact.
#[must_use]
pub fn conflicts(name: &str, mapped: &Measurement, stored: &Stored) -> Vec<String> {
    let mut conflicts = Vec::new();
    for (field, kind) in &mapped.fields {
        let other = stored.fields.iter().find(|(known, _)| known == field);
        if let Some((_, other)) = other.filter(|(_, other)| other != kind && !casts(*kind, *other))
        {
            let (kind, other) = (words(*kind), words(*other));
            conflicts.push(format!(
                "measurement `{name}`: field `{field}` is {kind} by the mappings and {other} in the \
                 store, which will refuse its points; give it another name (`fields.rename`) or \
                 the store's type (`convert`)"
            ));
        }
        if stored.tags.contains(field) {
            conflicts.push(format!(
                "measurement `{name}`: `{field}` is a field by the mappings and a tag in the \
                 store; give it another name (`fields.rename`)"
            ));
        }
    }
    for tag in &mapped.tags {
        if stored.fields.iter().any(|(field, _)| field == tag) {
            conflicts.push(format!(
                "measurement `{name}`: `{tag}` is a tag by the mappings and a field in the store; \
                 give it another name"
            ));
        }
    }
    conflicts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::FieldType::{self, Boolean, Float, Integer, String as Text, Unsigned};

    #[track_caller]
    fn check(mapped: FieldType, stored: FieldType, is_conflict: bool) {
        let mapped = Measurement {
            vehicle_tag: Some("vin".to_owned()),
            tags: vec!["vin".to_owned()],
            fields: vec![("x".to_owned(), mapped)],
        };
        let stored =
            Stored { fields: vec![("x".to_owned(), stored)], tags: vec!["vin".to_owned()] };
        let found = conflicts("m", &mapped, &stored);
        assert_eq!(found.len(), usize::from(is_conflict), "{found:?}");
    }

    #[test]
    fn a_type_conflicts_unless_it_is_the_same_or_is_written_in_the_stores_without_loss() {
        for kind in [Boolean, Float, Integer, Text, Unsigned] {
            check(kind, kind, false);
        }
        for (from, to) in
            [(Integer, Float), (Unsigned, Float), (Unsigned, Integer), (Integer, Unsigned)]
        {
            check(from, to, false);
        }
        for (from, to) in [(Float, Integer), (Text, Float), (Boolean, Integer), (Integer, Text)] {
            check(from, to, true);
        }
    }

    #[test]
    fn a_tag_and_a_field_of_one_name_conflict_either_way() {
        let mapped = Measurement {
            vehicle_tag: None,
            tags: vec!["a".to_owned()],
            fields: vec![("b".to_owned(), Float)],
        };
        let stored = Stored { fields: vec![("a".to_owned(), Float)], tags: vec!["b".to_owned()] };
        let found = conflicts("m", &mapped, &stored);
        assert!(found[0].contains("`b` is a field by the mappings and a tag"), "{found:?}");
        assert!(found[1].contains("`a` is a tag by the mappings and a field"), "{found:?}");
    }
}
