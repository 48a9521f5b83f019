//! The shape of a payload, common to all formats: records of named members, down to scalars.
//!
//! A format turns its schema into one [`Shape`]; `mapping` lays the leaves out in slots by walking
//! it; the format then compiles its own decode program from that layout. So mapping rules (paths,
//! names, tags, filters) exist once and know no wire format.
//!
//! Records are in an arena and are identified by index, so that a recursive schema, or one that
//! reaches a record by many paths, costs nothing until a mapping walks it.

use std::{collections::HashMap, sync::Arc};

use crate::model::FieldType;

/// An index into [`Shape::records`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RecordIdx(pub usize);

/// All records that a payload's root record can reach.
#[derive(Clone, Debug)]
pub struct Shape {
    /// The arena. [`RecordIdx`] counts into it.
    pub records: Vec<Record>,
    /// The record that a payload is, or holds many of.
    pub root: RecordIdx,
    /// Whether a payload is one such record or many.
    pub top: Top,
}

/// What a payload is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Top {
    /// One record.
    Record,
    /// Any number of them: JSON may begin with a list.
    Records,
    /// Any number of them by key: JSON may be an object whose names are the keys.
    RecordMap,
}

impl Shape {
    /// One record without members: for payloads that are not decoded.
    #[must_use]
    pub fn of_nothing() -> Self {
        let record =
            Record { name: "the payload".to_owned(), members: Vec::new(), form: Form::Members };
        Self { records: vec![record], root: RecordIdx(0), top: Top::Record }
    }
}

/// A protobuf message, an Avro record, a JSON object with declared properties, or something that is
/// treated as one.
#[derive(Clone, Debug)]
pub struct Record {
    /// Its full name, for messages to the operator.
    pub name: String,
    /// Members in declaration order; a layout names them by their index here.
    pub members: Vec<Member>,
    /// What its members are.
    pub form: Form,
}

/// What the members of a record are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Each of them may be present, by name.
    Members,
    /// One of them is present: a value of one of several types.
    Branches,
    /// The elements of a list that has a type for each index, called 0, 1….
    Places,
    /// Its one member is a list or map of records, which is itself an element of a list or map.
    Inner,
}

/// The name of the member of a record that is [`Form::Inner`]; paths do not use it.
pub(crate) const INNER_NAME: &str = "*";

/// One named member of a record.
#[derive(Clone, Debug)]
pub struct Member {
    /// The name as declared; a path joins such names with dots.
    pub name: String,
    /// What it holds.
    pub kind: Kind,
    /// What its absence means.
    pub presence: Presence,
}

/// What the absence of a member on the wire means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// It has its default value (0, "", false, the enum's number 0): a proto3 scalar without
    /// `optional`. Only scalars may say this.
    Implicit,
    /// It has no value: nothing is written. Everything else.
    Explicit,
}

/// What a member holds.
#[derive(Clone, Debug)]
pub enum Kind {
    /// One value.
    Scalar(Scalar),
    /// A nested record, flattened into its parent by name.
    Record(RecordIdx),
    /// Any number of scalars.
    List(Scalar),
    /// Any number of scalars by key.
    Map {
        /// The key: [`Scalar::String`], [`Scalar::Integer`], [`Scalar::Unsigned`] or
        /// [`Scalar::Boolean`].
        key: Scalar,
        /// The value.
        value: Scalar,
    },
    /// Any number of records: `points` may name it; otherwise it must be excluded.
    Records(RecordIdx),
    /// Any number of records by key: as for [`Self::Records`].
    RecordMap {
        /// The key, as for [`Self::Map`].
        key: Scalar,
        /// The value.
        record: RecordIdx,
    },
    /// Something that a line cannot hold. A mapping must exclude it; otherwise it is refused with
    /// this reason ("is a map of messages", "is a union of string and int").
    Unsupported(Unsupported),
}

impl Kind {
    /// A value that is never present, and whose line in the schema is not known.
    #[must_use]
    pub fn always_null() -> Self {
        let what = "is always null".to_owned();
        Self::Unsupported(Unsupported { is_always_null: true, what, line: None })
    }

    /// Something that a line cannot hold, whose line in the schema is not known.
    #[must_use]
    pub fn unsupported(what: impl Into<String>) -> Self {
        let what = what.into();
        Self::Unsupported(Unsupported { is_always_null: false, what, line: None })
    }
}

/// Why a line cannot hold a member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsupported {
    /// Whether it never has a value: then a mapping need not exclude it.
    pub is_always_null: bool,
    /// "is a map of messages", "has no `type`; say which": text that follows the member's path.
    pub what: String,
    /// The line in the schema file, if known.
    pub line: Option<u32>,
}

/// How one value is stored in its slot, and how it is written in a line.
///
/// The bits below are what a decoder stores (`Slot::bits`) and what the line writer reads.
#[derive(Clone, Debug)]
pub enum Scalar {
    /// `f64::to_bits`. A float.
    Float64,
    /// Two slots: a JSON number as [`Self::Float64`], then the range of its digits. A float.
    Digits,
    /// `f32::to_bits`, zero-extended. A float, printed as a 32-bit float.
    Float32,
    /// An `i64`, two's complement. An integer.
    Integer,
    /// A `u64`. An unsigned integer, if the dialect has them.
    Unsigned,
    /// 0 or 1. A boolean.
    Boolean,
    /// A range of text that the decoder has checked to be UTF-8. A string.
    String,
    /// A range of bytes. A base64 string, or left out.
    Bytes,
    /// The symbol's number as an `i64`. A string: the symbol's name, or the number's digits.
    Enum(Arc<Symbols>),
    /// An `i64` counted in a unit since the epoch, or of duration. An integer: nanoseconds.
    Ticks(Unit),
    /// Two slots: seconds as an `i64`, then nanoseconds as an `i64` (protobuf's `Timestamp`). An
    /// integer: nanoseconds. The second slot is the first's index plus one.
    Timestamp,
    /// As [`Self::Timestamp`], but a duration (protobuf's `Duration`): not a moment.
    Duration,
}

impl Scalar {
    /// How many slots one value takes.
    #[must_use]
    pub const fn slots(&self) -> u16 {
        match self {
            Self::Timestamp | Self::Duration | Self::Digits => 2,
            _ => 1,
        }
    }

    /// The type of its field.
    #[must_use]
    pub const fn field_type(&self) -> FieldType {
        match self {
            Self::Float64 | Self::Float32 | Self::Digits => FieldType::Float,
            Self::Integer | Self::Ticks(_) | Self::Timestamp | Self::Duration => FieldType::Integer,
            Self::Unsigned => FieldType::Unsigned,
            Self::Boolean => FieldType::Boolean,
            Self::String | Self::Bytes | Self::Enum(_) => FieldType::String,
        }
    }

    /// A word for the operator.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Float64 | Self::Float32 | Self::Digits => "a float",
            Self::Integer => "an integer",
            Self::Unsigned => "an unsigned integer",
            Self::Boolean => "a boolean",
            Self::String => "a string",
            Self::Bytes => "bytes",
            Self::Enum(_) => "an enum",
            Self::Ticks(_) | Self::Timestamp => "a timestamp",
            Self::Duration => "a duration",
        }
    }
}

/// The unit of a count of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Seconds.
    Seconds,
    /// Milliseconds.
    Millis,
    /// Microseconds.
    Micros,
    /// Nanoseconds.
    Nanos,
}

impl Unit {
    /// Nanoseconds in one of it.
    #[must_use]
    pub const fn nanos(self) -> i64 {
        match self {
            Self::Seconds => 1_000_000_000,
            Self::Millis => 1_000_000,
            Self::Micros => 1_000,
            Self::Nanos => 1,
        }
    }
}

/// The symbols of an enum: number → name.
#[derive(Clone, Debug, Default)]
pub struct Symbols {
    /// Names of the numbers 0, 1, 2…, which most enums use; `None` for a gap.
    dense: Vec<Option<Box<str>>>,
    /// All other numbers.
    sparse: HashMap<i64, Box<str>>,
}

/// Numbers below this are kept in the dense table of [`Symbols`].
const DENSE_SYMBOLS_MAX: usize = 1024;

impl Symbols {
    /// Symbols by number; if a number has two names (protobuf's `allow_alias`), the first counts.
    #[must_use]
    pub fn new<'a>(symbols: impl IntoIterator<Item = (i64, &'a str)>) -> Self {
        let mut all = Self::default();
        for (number, name) in symbols {
            match usize::try_from(number) {
                Ok(index) if index < DENSE_SYMBOLS_MAX => {
                    if index >= all.dense.len() {
                        all.dense.resize(index + 1, None);
                    }
                    let place = &mut all.dense[index];
                    if place.is_none() {
                        *place = Some(name.into());
                    }
                }
                _ => {
                    all.sparse.entry(number).or_insert_with(|| name.into());
                }
            }
        }
        all
    }

    /// The name of a number, if it has one.
    #[must_use]
    pub fn name(&self, number: i64) -> Option<&str> {
        match usize::try_from(number) {
            Ok(index) if index < DENSE_SYMBOLS_MAX => self.dense.get(index)?.as_deref(),
            _ => self.sparse.get(&number).map(AsRef::as_ref),
        }
    }

    /// Whether some number has this name.
    #[must_use]
    pub fn has_name(&self, name: &str) -> bool {
        self.names().any(|known| known == name)
    }

    /// Every name, in no particular order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.dense.iter().flatten().chain(self.sparse.values()).map(AsRef::as_ref)
    }
}
