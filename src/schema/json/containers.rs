//! Containers: objects, maps, arrays, and the records that represent them.

use std::collections::HashMap;

use super::{
    says::{is_alike, too_many_required},
    schemas::Rules,
    shaper::{Shaper, Value},
};
use crate::schema::{
    Form, INNER_NAME, Kind, Member, Presence, Record, RecordIdx, Scalar, Unsupported,
    tree::{Node, Value as Json},
};

/// How deep arrays and maps may nest without an object between them.
const NESTING_MAX: usize = 32;

impl<'a> Shaper<'a> {
    /// Adds a record that is not an object with properties.
    pub(super) fn add(
        &mut self,
        members: Vec<Member>,
        nullable: Vec<bool>,
        form: Form,
    ) -> RecordIdx {
        let at = RecordIdx(self.records.len());
        self.members_count += members.len();
        self.records.push(Record { name: String::new(), members, form });
        self.rules.push(Rules { required: Vec::new(), nullable });
        at
    }

    /// Adds a record for a list or map of records that is itself an element of one.
    fn inner(&mut self, kind: Kind) -> RecordIdx {
        let member = Member { name: INNER_NAME.to_owned(), kind, presence: Presence::Explicit };
        self.add(vec![member], vec![true], Form::Inner)
    }

    /// An array with a type for each index; elements after these have no type.
    fn places(&mut self, holder: &'a Node, places: &'a Node) -> Kind {
        let mut members = Vec::with_capacity(places.items().len());
        let mut nullable = Vec::with_capacity(places.items().len());
        for (place, item) in places.items().iter().enumerate() {
            let value = match self.nested(holder, item) {
                Ok(value) => value,
                Err(kind) => return kind,
            };
            let (name, presence) = (place.to_string(), Presence::Explicit);
            members.push(Member { name, kind: value.kind, presence });
            nullable.push(value.nullable);
        }
        Kind::Record(self.add(members, nullable, Form::Places))
    }

    /// What an array holds.
    pub(super) fn array(&mut self, parts: &[&'a Node]) -> Kind {
        let of = |key| parts.iter().find_map(|part| part.get(key));
        if let Some(places) = of("prefixItems") {
            return self.places(parts[0], places);
        }
        let Some(items) = of("items") else {
            return self.unsupported(parts[0], "is an array that does not say its `items`");
        };
        if matches!(items.value, Json::Array(_)) {
            return self.places(parts[0], items);
        }
        let kind = match self.nested(parts[0], items) {
            Ok(value) => value.kind,
            Err(kind) => return kind,
        };
        match kind {
            Kind::Scalar(scalar) => Kind::List(scalar),
            Kind::Record(record) => Kind::Records(record),
            Kind::Unsupported(held) => Kind::Unsupported(Unsupported {
                what: format!("is an array whose item {}", held.what),
                ..held
            }),
            Kind::Records(_) | Kind::RecordMap { .. } => Kind::Records(self.inner(kind)),
            Kind::List(_) => self.unsupported(items, "is an array of arrays"),
            Kind::Map { .. } => self.unsupported(items, "is an array of maps"),
        }
    }

    /// An object: a record, or a map.
    pub(super) fn object(&mut self, parts: &[&'a Node]) -> Kind {
        let first = parts[0];
        if !parts.iter().any(|part| part.get("properties").is_some()) {
            let values = match self.values_of_map(parts) {
                Ok(values) => values,
                Err(kind) => return kind,
            };
            return match self.nested(first, values) {
                Ok(Value { kind: Kind::Scalar(value), .. }) => {
                    Kind::Map { key: Scalar::String, value }
                }
                Ok(Value { kind: Kind::Record(record), .. }) => {
                    Kind::RecordMap { key: Scalar::String, record }
                }
                Ok(Value { kind: Kind::Unsupported(held), .. }) => Kind::Unsupported(Unsupported {
                    what: format!("is a map whose value {}", held.what),
                    ..held
                }),
                Ok(Value { kind: kind @ (Kind::Records(_) | Kind::RecordMap { .. }), .. }) => {
                    Kind::RecordMap { key: Scalar::String, record: self.inner(kind) }
                }
                Ok(_) => self.unsupported(values, "is a map of arrays or maps"),
                Err(kind) => kind,
            };
        }
        let declared = parts.iter().filter_map(|part| part.get("properties"));
        let mut odd = declared.filter(|node| !matches!(node.value, Json::Object(_)));
        if let Some(declared) = odd.next() {
            let what = format!("has `properties` that are {}, not an object", declared.is_a());
            return self.unsupported(declared, what);
        }
        let key: Vec<_> = parts.iter().map(|part| std::ptr::from_ref(*part)).collect();
        if let Some(made) = self.made.get(&key) {
            return Kind::Record(*made);
        }
        if let Some(what) = too_many_required(parts) {
            return self.unsupported(first, what);
        }
        let at = RecordIdx(self.records.len());
        self.made.insert(key, at);
        let form = Form::Members;
        self.records.push(Record { name: String::new(), members: Vec::new(), form });
        self.rules.push(Rules::default());
        self.waiting.push((at, parts.to_vec()));
        Kind::Record(at)
    }

    /// The schema of all values of an object without declared properties; if its names follow a
    /// pattern, the schema of that pattern.
    fn values_of_map(&mut self, parts: &[&'a Node]) -> Result<&'a Node, Kind> {
        let of = |key| parts.iter().find_map(|part| part.get(key));
        let values = of("additionalProperties");
        if let Some(values) = values.filter(|node| matches!(node.value, Json::Object(_))) {
            return Ok(values);
        }
        match of("patternProperties").map(Node::members) {
            Some([only]) => Ok(&only.node),
            Some([_, _, ..]) => {
                let what = "is an object with several `patternProperties`";
                Err(self.unsupported(parts[0], what))
            }
            _ => {
                let what = "is an object that does not say its `properties`";
                Err(self.unsupported(parts[0], what))
            }
        }
    }

    /// What an array or a map holds, unless that is itself.
    pub(super) fn nested(&mut self, holder: &'a Node, held: &'a Node) -> Result<Value, Kind> {
        let key = std::ptr::from_ref(holder);
        if self.inside.contains(&key) {
            return Err(self.unsupported(holder, "contains itself"));
        }
        if self.inside.len() == NESTING_MAX {
            let what = format!("holds more than {NESTING_MAX} arrays or maps in each other");
            return Err(self.unsupported(holder, what));
        }
        self.inside.push(key);
        let value = self.value(held);
        self.inside.pop();
        Ok(value)
    }

    /// Fills a record with the members that its schemas declare.
    pub(super) fn members(&mut self, at: RecordIdx, parts: &[&'a Node]) {
        let mut members: Vec<Member> = Vec::new();
        let mut rules = Rules::default();
        let mut places: HashMap<&str, usize> = HashMap::new();
        for part in parts {
            let required = part.get("required").into_iter().flat_map(Node::items);
            rules.required.extend(required.filter_map(Node::text).map(str::to_owned));
            for property in part.get("properties").into_iter().flat_map(Node::members) {
                let Value { kind, nullable } = self.value(&property.node);
                let name = property.name.to_string();
                match places.get(&*property.name) {
                    // Two declarations of the same type are one, for example if `allOf` repeats a
                    // name.
                    Some(place) if is_alike(&members[*place].kind, &kind) => {
                        rules.nullable[*place] &= nullable;
                        continue;
                    }
                    Some(place) => {
                        let kind = self.unsupported(&property.node, "is declared twice");
                        members[*place].kind = kind;
                        continue;
                    }
                    None => places.insert(&property.name, members.len()),
                };
                self.call(&kind, &name);
                members.push(Member { name, kind, presence: Presence::Explicit });
                rules.nullable.push(nullable);
            }
        }
        self.members_count += members.len();
        self.records[at.0].members = members;
        self.rules[at.0] = rules;
    }

    /// Names a record after the first property that contains it.
    fn call(&mut self, kind: &Kind, property: &str) {
        let mut next = held(kind);
        while let Some(record) = next {
            let Record { name, members, form } = &mut self.records[record.0];
            if name.is_empty() {
                property.clone_into(name);
            }
            let inner = members.first().filter(|_| *form == Form::Inner);
            next = inner.and_then(|inner| held(&inner.kind));
        }
    }
}

/// The record that a member is or holds.
fn held(kind: &Kind) -> Option<RecordIdx> {
    match kind {
        Kind::Record(record) | Kind::Records(record) | Kind::RecordMap { record, .. } => {
            Some(*record)
        }
        _ => None,
    }
}
