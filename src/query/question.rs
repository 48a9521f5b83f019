//! A portable question, from what somebody asks for to what can be asked.

use crate::{
    model::{Catalog, Column, FieldType, Measurement, UnixNanos, ValueType},
    query::rows::Key,
};

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
    const fn fits(self, field: FieldType) -> bool {
        match self {
            Self::Count | Self::First | Self::Last => true,
            Self::Mean | Self::Min | Self::Max | Self::Sum => {
                matches!(field, FieldType::Float | FieldType::Integer | FieldType::Unsigned)
            }
        }
    }

    const fn answers(self, field: FieldType) -> ValueType {
        match self {
            Self::Mean => ValueType::Float,
            Self::Count => ValueType::Integer,
            Self::Min | Self::Max | Self::Sum | Self::First | Self::Last => plain(field),
        }
    }
}

/// The type of a field's values in an answer.
const fn plain(field: FieldType) -> ValueType {
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
}

/// Why a request cannot be asked. Each is for the asker to correct.
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
    /// Its mapping names no tag as the vehicle: ask natively.
    #[error("the mapping of `{measurement}` keeps no tag for the vehicle; ask natively")]
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
    /// The same column twice.
    #[error("field `{field}` is asked for twice")]
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
    /// It is not what an answer gave, or was given for another measurement.
    #[error("`after` is none that an answer gave")]
    AfterInvalid,
}

fn meant(nearest: &Option<String>) -> String {
    nearest.as_ref().map(|name| format!("; did you mean `{name}`?")).unwrap_or_default()
}

/// A field of a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Field {
    pub(super) name: String,
    pub(super) kind: FieldType,
    /// The type of its column.
    pub(super) answers: ValueType,
}

/// A question that can be asked: everything in it exists and fits.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Question {
    pub(super) measurement: String,
    pub(super) vehicle_tag: String,
    /// The remaining tags, in the mapping's order.
    pub(super) tags: Vec<String>,
    pub(super) vehicles: Vec<String>,
    pub(super) fields: Vec<Field>,
    pub(super) from: UnixNanos,
    pub(super) to: UnixNanos,
    pub(super) every: Option<i64>,
    pub(super) function: Option<Function>,
    pub(super) order: Order,
    pub(super) limit: usize,
    pub(super) after: Option<Key>,
}

impl Question {
    pub(super) fn new(request: QueryRequest, catalog: &Catalog) -> Result<Self, QuestionError> {
        let Some(known) = catalog.measurements.get(&request.measurement) else {
            let names = catalog.measurements.keys().map(String::as_str);
            let nearest = nearest(&request.measurement, names);
            return Err(QuestionError::MeasurementUnknown {
                measurement: request.measurement,
                nearest,
            });
        };
        let Some(vehicle_tag) = known.vehicle_tag.clone() else {
            return Err(QuestionError::VehicleUntagged { measurement: request.measurement });
        };
        let fields = fields(&request, known)?;
        if request.every.is_some() && request.function.is_none() {
            return Err(QuestionError::EveryAlone);
        }
        if request.to < request.from {
            return Err(QuestionError::RangeReversed);
        }
        if !(1..=QueryRequest::LIMIT_MAX).contains(&request.limit) {
            return Err(QuestionError::LimitOutside);
        }
        let is_raw = request.function.is_none();
        // A function's rows are a vehicle's, so the other tags are no part of their key.
        let tags: Vec<String> =
            known.tags.iter().filter(|tag| is_raw && **tag != vehicle_tag).cloned().collect();
        let after = match &request.after {
            None => None,
            Some(after) => Some(
                Key::from_after(after)
                    .filter(|key| key.tags.len() == tags.len())
                    .ok_or(QuestionError::AfterInvalid)?,
            ),
        };
        Ok(Self {
            measurement: request.measurement,
            vehicle_tag,
            tags,
            vehicles: request.vehicles,
            fields,
            from: request.from,
            to: request.to,
            every: request.every,
            function: request.function,
            order: request.order,
            limit: request.limit,
            after,
        })
    }

    /// The columns of its answer (QY-1).
    pub(super) fn columns(&self) -> Vec<Column> {
        let fields = self.fields.iter().map(|field| Column::new(&field.name, field.answers));
        let mut columns = vec![
            Column::new("time", ValueType::Timestamp),
            Column::new(&self.vehicle_tag, ValueType::String),
        ];
        columns.extend(fields);
        columns
    }

    /// The range that is left behind `after`: rows before that moment are done with, those at it
    /// are sorted out by their key.
    pub(super) fn rest(&self) -> (UnixNanos, UnixNanos) {
        let Some(after) = &self.after else { return (self.from, self.to) };
        let width = match (self.function, self.every) {
            (None, _) => 1,
            (Some(_), Some(every)) => every,
            // One row a vehicle, of all its points.
            (Some(_), None) => return (self.from, self.to),
        };
        match self.order {
            Order::Ascending => (self.from.max(after.time), self.to),
            Order::Descending => (self.from, self.to.min(after.time.saturating_add(width))),
        }
    }

    /// Whether `key` comes behind the previous page.
    pub(super) fn is_after(&self, key: &Key) -> bool {
        match (&self.after, self.order) {
            (None, _) => true,
            (Some(after), Order::Ascending) => key > after,
            (Some(after), Order::Descending) => key < after,
        }
    }

    /// The start of the window that a moment lies in; aligned to the epoch.
    pub(super) fn window(&self, at: UnixNanos) -> UnixNanos {
        match (self.function, self.every) {
            (None, _) => at,
            (Some(_), None) => self.from,
            (Some(_), Some(every)) => {
                UnixNanos(at.0.checked_sub(at.0.rem_euclid(every)).unwrap_or(at.0))
            }
        }
    }
}

fn fields(request: &QueryRequest, known: &Measurement) -> Result<Vec<Field>, QuestionError> {
    let all: Vec<String> = known.fields.iter().map(|(name, _)| name.clone()).collect();
    let is_all = request.fields.is_empty();
    let asked = if is_all { &all } else { &request.fields };
    let mut fields: Vec<Field> = Vec::new();
    for name in asked {
        let Some((_, kind)) = known.fields.iter().find(|(known, _)| known == name) else {
            return Err(QuestionError::FieldUnknown {
                measurement: request.measurement.clone(),
                field: name.clone(),
                nearest: nearest(name, all.iter().map(String::as_str)),
            });
        };
        if fields.iter().any(|field| field.name == *name) {
            return Err(QuestionError::FieldTwice { field: name.clone() });
        }
        let (name, kind) = (name.clone(), *kind);
        let answers = match request.function {
            None => plain(kind),
            Some(function) if function.fits(kind) => function.answers(kind),
            // Nobody named it, so it is only left out.
            Some(_) if is_all => continue,
            Some(function) => {
                let kind = plain(kind).as_str();
                return Err(QuestionError::FunctionUnfit { function, field: name, kind });
            }
        };
        fields.push(Field { name, kind, answers });
    }
    Ok(fields)
}

fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<String> {
    let scored = known.map(|known| (strsim::damerau_levenshtein(name, known), known));
    let (distance, known) = scored.min()?;
    (distance <= 1 + name.len() / 4).then(|| known.to_owned())
}
