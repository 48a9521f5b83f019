//! What somebody asks for, not yet held against anything, and why it cannot be asked.

use crate::model::{FieldType, UnixNanos, ValueType};

/// What is done to the values of a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Function {
    /// The arithmetic mean, a float.
    Mean,
    /// The least.
    Min,
    /// The greatest.
    Max,
    /// All together.
    Sum,
    /// How many, an integer.
    Count,
    /// The earliest.
    First,
    /// The latest.
    Last,
}

impl Function {
    /// Every function.
    pub const ALL: &[Self] =
        &[Self::Mean, Self::Min, Self::Max, Self::Sum, Self::Count, Self::First, Self::Last];

    /// The word in the API, and the function's name in InfluxQL and Flux.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Mean => "mean",
            Self::Min => "min",
            Self::Max => "max",
            Self::Sum => "sum",
            Self::Count => "count",
            Self::First => "first",
            Self::Last => "last",
        }
    }

    /// Whether it can be applied to values of this type.
    pub(super) const fn fits(self, field: FieldType) -> bool {
        match self {
            Self::Count | Self::First | Self::Last => true,
            Self::Mean | Self::Min | Self::Max | Self::Sum => {
                matches!(field, FieldType::Float | FieldType::Integer | FieldType::Unsigned)
            }
        }
    }

    pub(super) const fn answers(self, field: FieldType) -> ValueType {
        match self {
            Self::Mean => ValueType::Float,
            Self::Count => ValueType::Integer,
            Self::Min | Self::Max | Self::Sum | Self::First | Self::Last => value_type(field),
        }
    }
}

/// The type of a field's values in an answer.
#[must_use]
pub const fn value_type(field: FieldType) -> ValueType {
    match field {
        FieldType::Float => ValueType::Float,
        FieldType::Integer | FieldType::Unsigned => ValueType::Integer,
        FieldType::String => ValueType::String,
        FieldType::Boolean => ValueType::Boolean,
    }
}

/// Which row comes first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// The earliest.
    #[default]
    Ascending,
    /// The latest.
    Descending,
}

/// What somebody asks for, not yet held against anything.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct QueryRequest {
    /// The measurement's name.
    pub measurement: String,
    /// The vehicles; empty: all.
    pub vehicles: Vec<String>,
    /// Values of any tags, each tag with those that are wanted.
    pub tags: Vec<(String, Vec<String>)>,
    /// The tags that rows are grouped by in place of the vehicle, where there is a function; else
    /// those that have columns of their own beside it.
    pub group_by: Vec<String>,
    /// The fields in the order of their columns; empty: all, in the mapping's order.
    pub fields: Vec<String>,
    /// The first moment.
    pub from: UnixNanos,
    /// The first moment that is too late.
    pub to: UnixNanos,
    /// The length of a window in nanoseconds, at least 1; windows need a function.
    pub every: Option<i64>,
    /// What is done to the values; without a window, to all of a vehicle's.
    pub function: Option<Function>,
    /// The order of rows.
    pub order: Order,
    /// Rows of the answer, from 1 to [`QueryRequest::LIMIT_MAX`].
    pub limit: usize,
    /// As the previous page's answer gave it.
    pub after: Option<String>,
}

impl QueryRequest {
    /// Rows of an answer unless said.
    pub const LIMIT: usize = 1_000;
    /// Rows of a page, at most: some 20 MB of JSON for 14 fields.
    pub const LIMIT_MAX: usize = 100_000;
    /// Rows of a page times its columns, at most: some 64 MB while it is put in order.
    pub const CELLS_MAX: usize = 2_000_000;
    /// Vehicles and values of tags by name, at most: each is a condition of the store's question.
    pub const VALUES_MAX: usize = 1_000;
}

/// Why a query is invalid. The caller corrects each.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QuestionError {
    /// No mapping writes it: look at the mappings' `measurement`.
    #[error("no mapping writes a measurement `{measurement}`{}", meant(.nearest))]
    MeasurementUnknown {
        /// As asked for.
        measurement: String,
        /// The most like one, if any is.
        nearest: Option<String>,
    },
    /// Its mapping names no tag as the vehicle: use a native query.
    #[error(
        "no mapping says which tag of `{measurement}` is the vehicle's; group by tags, with \
         `group-by=` and a function, or use a native query"
    )]
    VehicleUntagged {
        /// As asked for.
        measurement: String,
    },
    /// No mapping writes such a field.
    #[error("measurement `{measurement}` has no field `{field}`{}", meant(.nearest))]
    FieldUnknown {
        /// As asked for.
        measurement: String,
        /// As asked for.
        field: String,
        /// The most like one, if any is.
        nearest: Option<String>,
    },
    /// It is a tag, which has no function and is no column by itself.
    #[error(
        "`{tag}` is a tag of `{measurement}`: filter by `tag.{tag}=`, or see it with `group-by={tag}`"
    )]
    FieldIsTag {
        /// As asked for.
        measurement: String,
        /// As asked for.
        tag: String,
    },
    /// The measurement has no such tag.
    #[error("measurement `{measurement}` has no tag `{tag}`{}", meant(.nearest))]
    TagUnknown {
        /// As asked for.
        measurement: String,
        /// As asked for.
        tag: String,
        /// The most like one, if any is.
        nearest: Option<String>,
    },
    /// A tag twice among those that are grouped by.
    #[error("`group-by` has tag `{tag}` twice")]
    TagTwice {
        /// As asked for.
        tag: String,
    },
    /// The same column twice.
    #[error("`fields` has field `{field}` twice")]
    FieldTwice {
        /// As asked for.
        field: String,
    },
    /// The function is for numbers.
    #[error("{} does not fit field `{field}`, which is a {kind}", .function.as_str())]
    FunctionUnfit {
        /// As asked for.
        function: Function,
        /// The field.
        field: String,
        /// Its type, as the API names it.
        kind: &'static str,
    },
    /// A window without a function says nothing about its values.
    #[error("`every` needs a function `fn`")]
    EveryAlone,
    /// The range ends before it begins.
    #[error("`to` lies before `from`")]
    RangeReversed,
    /// A page has at least one row, and a bound.
    #[error("`limit` is from 1 to {}", QueryRequest::LIMIT_MAX)]
    LimitOutside,
    /// A page of so many columns would be too large.
    #[error(
        "`limit` is at most {limit_max} for {columns} columns; ask for fewer rows or fewer `fields`"
    )]
    PageTooLarge {
        /// Its columns.
        columns: usize,
        /// Rows that fit.
        limit_max: usize,
    },
    /// More names than a question can have conditions.
    #[error(
        "{given} vehicles and tags are more than {}; split the query, or leave the filter out",
        QueryRequest::VALUES_MAX
    )]
    ValuesTooMany {
        /// How many.
        given: usize,
    },
    /// It does not come from an answer, or from one of another measurement.
    #[error("`after` does not come from an answer to this query")]
    AfterInvalid,
}

fn meant(nearest: &Option<String>) -> String {
    nearest.as_ref().map(|name| format!("; did you mean `{name}`?")).unwrap_or_default()
}
