//! A query as requested, not checked yet, and why it can be invalid.

use crate::model::{FieldType, UnixNanos, ValueType};

/// The function that is applied to the values of a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Function {
    /// The arithmetic mean, a float.
    Mean,
    /// The minimum.
    Min,
    /// The maximum.
    Max,
    /// The sum.
    Sum,
    /// The number of values, an integer.
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

    /// Its name in the API, in InfluxQL and in Flux.
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

/// A query as requested, not checked yet.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct QueryRequest {
    /// The measurement's name.
    pub measurement: String,
    /// The vehicles; empty: all.
    pub vehicles: Vec<String>,
    /// Filters on tags: each tag with the selected values.
    pub tags: Vec<(String, Vec<String>)>,
    /// With a function: the tags that rows are grouped by instead of the vehicle. Without one: the
    /// tags that have columns in addition to the vehicle.
    pub group_by: Vec<String>,
    /// The fields in the order of their columns; empty: all, in the mapping's order.
    pub fields: Vec<String>,
    /// The beginning of the range, inclusive.
    pub from: UnixNanos,
    /// The end of the range, exclusive.
    pub to: UnixNanos,
    /// The length of a window in nanoseconds, at least 1; windows need a function.
    pub every: Option<i64>,
    /// The function of the values of a window; without a window, of all values of a vehicle.
    pub function: Option<Function>,
    /// The order of rows.
    pub order: Order,
    /// Rows of the answer, from 1 to [`QueryRequest::LIMIT_MAX`].
    pub limit: usize,
    /// From the previous page's answer.
    pub after: Option<String>,
}

impl QueryRequest {
    /// Default of the rows of an answer.
    pub const LIMIT: usize = 1_000;
    /// Rows of a page, at most: some 20 MB of JSON for 14 fields.
    pub const LIMIT_MAX: usize = 100_000;
    /// Rows of a page times its columns, at most: some 64 MB while it is sorted.
    pub const CELLS_MAX: usize = 2_000_000;
    /// Vehicles and values of tags, at most: each is a condition of the store's query.
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
    /// It is a tag: it has no function and cannot be selected as a field.
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
    /// A tag occurs twice in `group-by`.
    #[error("`group-by` has tag `{tag}` twice")]
    TagTwice {
        /// As asked for.
        tag: String,
    },
    /// A field occurs twice.
    #[error("`fields` has field `{field}` twice")]
    FieldTwice {
        /// As asked for.
        field: String,
    },
    /// The function needs numbers.
    #[error("{} does not fit field `{field}`, which is a {kind}", .function.as_str())]
    FunctionUnfit {
        /// As asked for.
        function: Function,
        /// The field.
        field: String,
        /// Its type, as the API names it.
        kind: &'static str,
    },
    /// A window needs a function.
    #[error("`every` needs a function `fn`")]
    EveryAlone,
    /// The range ends before it begins.
    #[error("`to` lies before `from`")]
    RangeReversed,
    /// A page has at least one row, and a bound.
    #[error("`limit` is from 1 to {}", QueryRequest::LIMIT_MAX)]
    LimitOutside,
    /// A page with that many columns would be too large.
    #[error(
        "`limit` is at most {limit_max} for {columns} columns; ask for fewer rows or fewer `fields`"
    )]
    PageTooLarge {
        /// Its columns.
        columns: usize,
        /// Rows that fit.
        limit_max: usize,
    },
    /// More names than a query may have conditions.
    #[error(
        "{given} vehicles and tags are more than {}; split the query, or leave the filter out",
        QueryRequest::VALUES_MAX
    )]
    ValuesTooMany {
        /// The given number.
        given: usize,
    },
    /// It does not come from an answer, or it comes from an answer to another query.
    #[error("`after` does not come from an answer to this query")]
    AfterInvalid,
}

fn meant(nearest: &Option<String>) -> String {
    nearest.as_ref().map(|name| format!("; did you mean `{name}`?")).unwrap_or_default()
}
