//! An Avro record and a layout → the operation for each value, in the order of the bytes.
//!
//! Avro's bytes have no tags, so every value must be walked; a value that the layout does not need
//! is skipped by its type.

use std::sync::Arc;

use crate::{
    mapping::{Layout, Place, RecordLayout, SlotIdx},
    schema::{
        Form, Kind, Record, RecordIdx, Shape,
        avro::{AvroRecord, Leaf, Type, TypeIdx, Types},
    },
};

/// The compiled program that stores a payload's values in slots.
#[derive(Clone, Debug)]
pub struct Program {
    /// All types of the schema, to skip values that are not needed.
    pub types: Arc<Types>,
    /// The payload's record.
    pub message: Fields,
    /// One element of each list of `points`, outermost first; its key and its value are treated as
    /// fields.
    pub levels: Box<[Fields]>,
}

/// What to do with the fields of a record, in order.
#[derive(Clone, Debug, Default)]
pub struct Fields {
    /// One per field.
    pub ops: Box<[Op]>,
    /// Their names, for error texts.
    pub names: Box<[Box<str>]>,
}

/// What to do with one value.
#[derive(Clone, Debug)]
pub enum Op {
    /// Null: no bytes, nothing to do.
    Nothing,
    /// Skip it.
    Skip(TypeIdx),
    /// Store it.
    Leaf(SlotIdx, Leaf),
    /// Set the presence slot, then apply these to its fields in order.
    Record(SlotIdx, Fields),
    /// Read a branch's index, then apply the op of that branch.
    Union(Box<[Op]>),
    /// The same, if each branch is an element of `points`.
    Element(Box<[Fields]>),
    /// Push each item.
    List(SlotIdx, Item),
    /// Push each key and value.
    Map(SlotIdx, Item),
    /// Note the range of each item.
    Points(TypeIdx),
    /// Note the range of each entry, including its key.
    PointsMap(TypeIdx),
}

/// A scalar of a list or map.
#[derive(Clone, Debug)]
pub struct Item {
    /// How it is read.
    pub leaf: Leaf,
    /// For a union with null: the index of the scalar's branch, and the number of branches.
    pub branch: Option<(usize, usize)>,
}

impl Program {
    /// Compiles a record for a layout made from its shape.
    #[must_use]
    pub fn compile(record: &AvroRecord, layout: &Layout) -> Self {
        let levels = vec![Fields::default(); layout.levels.len()];
        let mut compiler =
            Compiler { types: &record.types, shape: &record.shape, layout, begun: 0, levels };
        let message = compiler.fields(record.root, record.shape.root, &layout.message);
        Self { types: Arc::clone(&record.types), message, levels: compiler.levels.into() }
    }
}

/// The state of one compilation.
struct Compiler<'a> {
    types: &'a Types,
    shape: &'a Shape,
    layout: &'a Layout,
    /// Lists of `points` that have been reached.
    begun: usize,
    levels: Vec<Fields>,
}

impl Compiler<'_> {
    /// The ops for the fields of a record, whose shape is `record`.
    fn fields(&mut self, index: TypeIdx, record: RecordIdx, layout: &RecordLayout) -> Fields {
        let Type::Record(fields) = self.types.get(index) else {
            unreachable!("the shape says record")
        };
        let members = &self.shape.records[record.0].members;
        let mut names = Vec::with_capacity(members.len());
        let mut ops = Vec::with_capacity(members.len());
        for (at, (one, member)) in fields.iter().zip(members).enumerate() {
            ops.push(match layout.place(at) {
                Some(place) => self.planned(*one, &member.kind, place),
                // A field without bytes and without a place gets no op: an element of one byte may
                // have a thousand such fields.
                None if self.types.is_empty(*one) => continue,
                None => Op::Skip(*one),
            });
            names.push(member.name.as_str().into());
        }
        Fields { ops: ops.into(), names: names.into() }
    }

    /// The op for a value that has a place.
    fn planned(&mut self, index: TypeIdx, kind: &Kind, place: &Place) -> Op {
        match (self.types.get(index), kind, place) {
            (Type::Union(branches), ..) => self.union(branches, kind, place),
            (Type::Leaf(leaf), _, Place::Slot(slot, _)) => Op::Leaf(*slot, leaf.clone()),
            (Type::Record(_), Kind::Record(record), Place::Record(layout)) => {
                let fields = self.fields(index, *record, layout);
                Op::Record(presence_of(layout), fields)
            }
            (Type::Array(items), _, Place::List(slot, _)) => Op::List(*slot, self.item(*items)),
            (Type::Map(values), _, Place::Map { slot, .. }) => Op::Map(*slot, self.item(*values)),
            (Type::Array(items), Kind::Records(record), Place::Points) => {
                self.element(*items, *record);
                Op::Points(*items)
            }
            (Type::Map(values), Kind::RecordMap { record, .. }, Place::Points) => {
                self.element(*values, *record);
                Op::PointsMap(*values)
            }
            _ => unreachable!("a place is made from the shape of its type"),
        }
    }

    /// Compiles one element of the next list of `points`: a record or what stands for one, after
    /// its key in a map.
    fn element(&mut self, index: TypeIdx, record: RecordIdx) {
        let (at, layout) = (self.begun, self.layout);
        self.begun += 1;
        let level = &layout.levels[at];
        let mut fields = self.body(index, record, &level.record);
        if let Some((slot, _)) = level.key {
            let key = Op::Leaf(slot, Leaf::String);
            fields.ops = [key].into_iter().chain(fields.ops).collect();
            fields.names = [Box::from("key")].into_iter().chain(fields.names).collect();
        }
        self.levels[at] = fields;
    }

    /// The ops for an element's value.
    fn body(&mut self, index: TypeIdx, record: RecordIdx, layout: &RecordLayout) -> Fields {
        let one = |op, name: &str| Fields { ops: Box::from([op]), names: Box::from([name.into()]) };
        let Record { members, form, .. } = &self.shape.records[record.0];
        match (self.types.get(index), form) {
            (Type::Record(_), _) => self.fields(index, record, layout),
            (Type::Union(branches), Form::Branches) => {
                let place = Place::Record(layout.clone());
                one(self.union(branches, &Kind::Record(record), &place), "")
            }
            // There is one branch other than null.
            (Type::Union(branches), _) => {
                let ops = branches.iter().map(|branch| match self.is_null(*branch) {
                    true => Fields::default(),
                    false => self.body(*branch, record, layout),
                });
                one(Op::Element(ops.collect()), "")
            }
            _ => match members.first().zip(layout.place(0)) {
                Some((inner, place)) => one(self.planned(index, &inner.kind, place), ""),
                None => one(Op::Skip(index), ""),
            },
        }
    }

    /// A union: if there is one branch other than null, it has the place itself; if there are
    /// several, each has a member.
    fn union(&mut self, branches: &[TypeIdx], kind: &Kind, place: &Place) -> Op {
        let others = branches.iter().filter(|branch| !self.is_null(**branch)).count();
        let mut member = 0;
        let mut ops = Vec::with_capacity(branches.len());
        for branch in branches {
            ops.push(match (kind, place) {
                _ if self.is_null(*branch) => Op::Nothing,
                (Kind::Record(record), Place::Record(layout)) if others > 1 => {
                    let named = &self.shape.records[record.0].members[member];
                    let op = match layout.place(member) {
                        Some(place) => self.planned(*branch, &named.kind, place),
                        None => Op::Skip(*branch),
                    };
                    member += 1;
                    let names = Box::from([named.name.as_str().into()]);
                    Op::Record(presence_of(layout), Fields { ops: Box::from([op]), names })
                }
                _ => self.planned(*branch, kind, place),
            });
        }
        Op::Union(ops.into_boxed_slice())
    }

    /// Whether a type is null.
    fn is_null(&self, index: TypeIdx) -> bool {
        matches!(self.types.get(index), Type::Null)
    }

    /// The scalar that a list or map holds.
    fn item(&self, index: TypeIdx) -> Item {
        let (one, branch) = match self.types.get(index) {
            Type::Union(branches) => {
                let at = branches.iter().position(|branch| !self.is_null(*branch));
                let at = at.expect("the shape says scalar");
                (branches[at], Some((at, branches.len())))
            }
            _ => (index, None),
        };
        let Type::Leaf(leaf) = self.types.get(one) else { unreachable!("the shape says scalar") };
        Item { leaf: leaf.clone(), branch }
    }
}

/// The slot that marks a nested record as present.
fn presence_of(layout: &RecordLayout) -> SlotIdx {
    layout.presence.expect("a nested record has a presence slot")
}
