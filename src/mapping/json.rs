//! A JSON Schema and a layout → the operation for each property, by name.

use std::{collections::HashMap, ops::Range};

use crate::{
    mapping::{Layout, Place, RecordLayout, SlotIdx},
    schema::{Form, Kind, Record, RecordIdx, Scalar, Top, json::JsonSchema},
};

/// The compiled program that stores a payload's properties in slots.
#[derive(Clone, Debug)]
pub struct Program {
    /// What the payload is.
    pub message: Body,
    /// One element of each list of `points`, outermost first.
    pub levels: Box<[Element]>,
    /// Whether a value of another type counts as absent, and nothing is required.
    pub is_lenient: bool,
}

/// What a payload is, or an element of `points`.
#[derive(Clone, Debug)]
pub enum Body {
    /// An object.
    Object(Object),
    /// A value of one of several types.
    Union(Box<Union>),
    /// A list of `points`.
    Points(List),
}

/// How the elements of `points` are listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum List {
    /// In an array.
    Array,
    /// By name in an object.
    ByName,
}

/// One element of `points`.
#[derive(Clone, Debug)]
pub struct Element {
    /// Where its name in the object is stored, if it is listed by name.
    pub key: Option<SlotIdx>,
    /// What it is.
    pub body: Body,
}

/// The declared properties of one object at one place.
#[derive(Clone, Debug)]
pub struct Object {
    /// Whether it is a list, and its properties are the elements of that list by index.
    pub is_list: bool,
    /// In declaration order: if a sender keeps this order, each lookup finds its property first.
    pub properties: Box<[Property]>,
    by_name: HashMap<Box<[u8]>, usize>,
    /// The bits of all required properties.
    pub required: u128,
}

/// One property.
#[derive(Clone, Debug)]
pub struct Property {
    /// Its name.
    pub name: Box<str>,
    /// Its bit in [`Object::required`]; 0 if it may be absent.
    pub required: u128,
    /// Whether null is allowed if the property is required.
    pub nullable: bool,
    /// What to do with its value.
    pub op: Op,
}

/// What to do with one value.
#[derive(Clone, Debug)]
pub enum Op {
    /// Walk over it.
    Skip,
    /// Store it.
    Scalar(SlotIdx, Scalar),
    /// Store it as a number, and its digits in the slot after it.
    Digits(SlotIdx),
    /// Apply the ops of the object's properties.
    Object(Box<Nested>),
    /// Apply the op of the value's type.
    Union(Box<Union>),
    /// Push each item.
    List(SlotIdx, Scalar),
    /// Push each name and value.
    Map(SlotIdx, Scalar),
    /// Note the range of each item.
    Points(List),
}

/// A value of one of several types, each with a place of its own; `None` if the schema does not
/// allow the type.
#[derive(Clone, Debug)]
pub struct Union {
    /// Set when there is a value.
    pub presence: SlotIdx,
    /// Cleared before the value is read.
    pub slots: Range<u16>,
    /// Whether it contains the elements of `points`.
    pub holds_points: bool,
    /// A number.
    pub number: Option<Op>,
    /// A text.
    pub string: Option<Op>,
    /// A boolean.
    pub boolean: Option<Op>,
    /// An object.
    pub object: Option<Op>,
    /// An array.
    pub array: Option<Op>,
    /// The types, for error texts.
    pub expected: Box<str>,
}

/// A nested object's place.
#[derive(Clone, Debug)]
pub struct Nested {
    /// Set when the object is seen.
    pub presence: SlotIdx,
    /// Cleared before the object is read, because the last of two objects of one name counts.
    pub slots: Range<u16>,
    /// Whether it contains the elements of `points`.
    pub holds_points: bool,
    /// What to do inside.
    pub object: Object,
}

impl Program {
    /// Compiles a schema for a layout made from its shape.
    #[must_use]
    pub fn compile(schema: &JsonSchema, layout: &Layout, is_lenient: bool) -> Self {
        let mut compiler = Compiler { schema, layout, is_lenient, begun: 0, levels: Vec::new() };
        let root = schema.shape.root;
        let message = match schema.shape.top {
            Top::Record => Body::Object(compiler.object(root, &layout.message)),
            Top::Records => Body::Points(compiler.element(root, List::Array)),
            Top::RecordMap => Body::Points(compiler.element(root, List::ByName)),
        };
        let levels = compiler.levels.into_iter().flatten().collect();
        Self { message, levels, is_lenient }
    }
}

impl List {
    /// The bracket that it begins with.
    #[must_use]
    pub const fn open(self) -> u8 {
        match self {
            Self::Array => b'[',
            Self::ByName => b'{',
        }
    }
}

impl Object {
    /// The bracket that it begins with.
    #[must_use]
    #[inline]
    pub const fn open(&self) -> u8 {
        if self.is_list { b'[' } else { b'{' }
    }

    /// The index of a property; `next` is the index to try first.
    #[must_use]
    #[inline]
    pub fn find(&self, name: &[u8], next: usize) -> Option<usize> {
        match self.properties.get(next) {
            Some(property) if *property.name.as_bytes() == *name => Some(next),
            _ => self.by_name.get(name).copied(),
        }
    }

    /// The first property that is required and not among those seen.
    #[must_use]
    pub fn missing(&self, seen: u128) -> Option<&Property> {
        // Usually none is missing; then an element of two bytes costs no check of each property.
        if self.required & !seen == 0 {
            return None;
        }
        self.properties.iter().find(|property| property.required & !seen != 0)
    }
}

/// The state of one compilation.
struct Compiler<'a> {
    schema: &'a JsonSchema,
    layout: &'a Layout,
    is_lenient: bool,
    /// Lists of `points` that have been reached.
    begun: usize,
    levels: Vec<Option<Element>>,
}

impl Compiler<'_> {
    /// The properties of an object, declared ones first, then those that are only required.
    fn object(&mut self, record: RecordIdx, layout: &RecordLayout) -> Object {
        let members = &self.schema.shape.records[record.0].members;
        let rules = self.schema.rules(record);
        let required: &[String] = if self.is_lenient { &[] } else { &rules.required };
        let required_bit = |name: &str| match required.iter().position(|one| one == name) {
            Some(bit) => 1_u128 << bit,
            None => 0,
        };
        let mut properties = Vec::with_capacity(members.len());
        for (index, member) in members.iter().enumerate() {
            let op = match layout.place(index) {
                Some(place) => self.op(&member.kind, place),
                None => Op::Skip,
            };
            properties.push(Property {
                name: member.name.as_str().into(),
                required: required_bit(&member.name),
                nullable: rules.nullable[index],
                op,
            });
        }
        for name in required {
            if !members.iter().any(|member| member.name == *name) {
                properties.push(Property {
                    name: name.as_str().into(),
                    required: required_bit(name),
                    nullable: true,
                    op: Op::Skip,
                });
            }
        }
        let named = properties.iter().enumerate();
        Object {
            is_list: self.schema.shape.records[record.0].form == Form::Places,
            by_name: named
                .map(|(index, property)| (property.name.as_bytes().into(), index))
                .collect(),
            required: properties.iter().fold(0, |all, property| all | property.required),
            properties: properties.into_boxed_slice(),
        }
    }

    /// The ops for each type of a union.
    fn union(&mut self, record: RecordIdx, layout: &RecordLayout) -> Union {
        let members = &self.schema.shape.records[record.0].members;
        let mut branch = |names: &[&str]| {
            let at = members.iter().position(|member| names.contains(&member.name.as_str()))?;
            Some(match layout.place(at) {
                Some(place) => self.op(&members[at].kind, place),
                None => Op::Skip,
            })
        };
        let [number, string, boolean, object, array] = [
            branch(&["integer", "number"]),
            branch(&["string"]),
            branch(&["boolean"]),
            branch(&["object"]),
            branch(&["array"]),
        ];
        let words: Vec<&str> = members.iter().map(|member| member.name.as_str()).collect();
        Union {
            presence: layout.presence.expect("a nested record has a presence slot"),
            slots: layout.slots.clone(),
            holds_points: holds_points(layout),
            number,
            string,
            boolean,
            object,
            array,
            expected: words.join(" or ").into(),
        }
    }

    /// Compiles one element of the next list of `points`; returns how the elements are listed.
    fn element(&mut self, record: RecordIdx, list: List) -> List {
        let (at, layout) = (self.begun, self.layout);
        self.begun += 1;
        self.levels.push(None);
        let level = &layout.levels[at];
        let key = level.key.as_ref().map(|(slot, _)| *slot);
        let Record { members, form, .. } = &self.schema.shape.records[record.0];
        let body = match (form, members.first().zip(level.record.place(0))) {
            (Form::Branches, _) => Body::Union(Box::new(self.union(record, &level.record))),
            (Form::Inner, Some((inner, place))) => match self.op(&inner.kind, place) {
                Op::Points(list) => Body::Points(list),
                _ => unreachable!("an inner record has one list or map of records"),
            },
            _ => Body::Object(self.object(record, &level.record)),
        };
        self.levels[at] = Some(Element { key, body });
        list
    }

    /// The op for a value that has a place.
    fn op(&mut self, kind: &Kind, place: &Place) -> Op {
        match (kind, place) {
            (Kind::Record(record), Place::Record(layout))
                if self.schema.shape.records[record.0].form == Form::Branches =>
            {
                Op::Union(Box::new(self.union(*record, layout)))
            }
            (Kind::Record(record), Place::Record(layout)) => Op::Object(Box::new(Nested {
                presence: layout.presence.expect("a nested record has a presence slot"),
                slots: layout.slots.clone(),
                holds_points: holds_points(layout),
                object: self.object(*record, layout),
            })),
            (Kind::Records(record), Place::Points) => {
                Op::Points(self.element(*record, List::Array))
            }
            (Kind::RecordMap { record, .. }, Place::Points) => {
                Op::Points(self.element(*record, List::ByName))
            }
            (_, Place::Slot(slot, Scalar::Digits)) => Op::Digits(*slot),
            (_, Place::Slot(slot, scalar)) => Op::Scalar(*slot, scalar.clone()),
            (_, Place::List(slot, scalar)) => Op::List(*slot, scalar.clone()),
            (_, Place::Map { slot, value, .. }) => Op::Map(*slot, value.clone()),
            _ => unreachable!("a place is made from the shape of its type"),
        }
    }
}

/// Whether a record contains the elements of `points`.
fn holds_points(layout: &RecordLayout) -> bool {
    layout.members.iter().any(|(_, place)| match place {
        Place::Points => true,
        Place::Record(inner) => holds_points(inner),
        Place::Slot(..) | Place::List(..) | Place::Map { .. } => false,
    })
}
