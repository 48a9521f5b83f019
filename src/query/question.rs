//! A checked portable query, made from a request.

use crate::{
    model::{Catalog, Column, FieldType, Measurement, UnixNanos, ValueType},
    query::{
        request::{Function, Order, QueryRequest, QuestionError, value_type},
        rows::Key,
    },
};

/// A field of a query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Field {
    pub(super) name: String,
    pub(super) kind: FieldType,
    /// The type of its column.
    pub(super) answers: ValueType,
    /// Why it is read.
    pub(super) purpose: Purpose,
}

/// Why a field of a query is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// For the answer.
    Answer,
    /// To detect that the sum of the field at this index does not fit 64 bits: stores wrap it, or
    /// fail without naming the field. The sum of the same values as floats is near the true sum,
    /// and a wrapped sum differs so much that this is precise enough.
    OverflowCheck(usize),
}

/// A query in which everything exists and fits.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Question {
    pub(super) measurement: String,
    /// The first tag of a row's key: the vehicle tag, or the first tag of `group-by`.
    pub(super) lead_tag: String,
    /// Whether rows are grouped by tags, which a series may lack, and not by vehicle.
    pub(super) is_grouped: bool,
    /// The remaining tags of a row's key, in the mapping's order or that of `group-by`.
    pub(super) tags: Vec<String>,
    /// Indexes of the `tags` that have columns.
    pub(super) shown: Vec<usize>,
    /// Tags, each with the values that are selected.
    pub(super) filters: Vec<(String, Vec<String>)>,
    pub(super) fields: Vec<Field>,
    pub(super) from: UnixNanos,
    pub(super) to: UnixNanos,
    pub(super) every: Option<i64>,
    pub(super) function: Option<Function>,
    /// Whether integers are converted to floats before they are added.
    pub(super) as_float: bool,
    pub(super) order: Order,
    pub(super) limit: usize,
    pub(super) after: Option<Key>,
}

/// The columns of the answer to a portable query, as far as the mappings declare them.
///
/// # Errors
/// If it is invalid.
pub fn columns_of(request: QueryRequest, catalog: &Catalog) -> Result<Vec<Column>, QuestionError> {
    Ok(Question::new(request, catalog)?.columns())
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
        let fields = fields(&request, known)?;
        check_range(&request)?;
        let filters = filters(&request, known)?;
        let (lead_tag, tags, shown) = key_tags(&request, known)?;
        check_page(&request, fields.len() + shown.len() + 2)?;
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
            is_grouped: !request.group_by.is_empty() && request.function.is_some(),
            lead_tag,
            tags,
            shown,
            filters,
            fields: {
                let mut fields = fields;
                fields.extend(overflow_checks(&fields, request.function));
                fields
            },
            from: request.from,
            to: request.to,
            every: request.every,
            function: request.function,
            as_float: false,
            order: request.order,
            limit: request.limit,
            after,
        })
    }

    /// The queries that are sent to stores, with the indexes of their fields: one for the answer,
    /// and one for its overflow check.
    pub(super) fn parts(&self) -> Vec<(Self, Vec<usize>)> {
        let part = |is_proof: bool| {
            let is_of_it =
                |(_, field): &(usize, &Field)| (field.purpose != Purpose::Answer) == is_proof;
            let fields = self.fields.iter().enumerate().filter(is_of_it);
            let (places, fields): (Vec<usize>, Vec<Field>) =
                fields.map(|(place, field)| (place, field.clone())).unzip();
            (!fields.is_empty())
                .then(|| (Self { fields, as_float: is_proof, ..self.clone() }, places))
        };
        [part(false), part(true)].into_iter().flatten().collect()
    }

    /// The columns of its answer (QY-1).
    pub(super) fn columns(&self) -> Vec<Column> {
        let answered = self.fields.iter().filter(|field| field.purpose == Purpose::Answer);
        let fields = answered.map(|field| Column::new(&field.name, field.answers));
        let mut columns = vec![
            Column::new("time", ValueType::Timestamp),
            Column::new(&self.lead_tag, ValueType::String),
        ];
        let shown = self.shown.iter().map(|at| Column::new(&self.tags[*at], ValueType::String));
        columns.extend(shown);
        columns.extend(fields);
        columns
    }

    /// The range that remains after `after`: rows before that moment are excluded here, those at
    /// that moment by their key.
    pub(super) fn rest(&self) -> (UnixNanos, UnixNanos) {
        let Some(after) = &self.after else { return (self.from, self.to) };
        let width = match (self.function, self.every) {
            (None, _) => 1,
            (Some(_), Some(every)) => every,
            // One row per vehicle, over all its points.
            (Some(_), None) => return (self.from, self.to),
        };
        match self.order {
            Order::Ascending => (self.from.max(after.time), self.to),
            Order::Descending => (self.from, self.to.min(after.time.saturating_add(width))),
        }
    }

    /// Whether `key` comes after the previous page.
    pub(super) fn is_after(&self, key: &Key) -> bool {
        match (&self.after, self.order) {
            (None, _) => true,
            (Some(after), Order::Ascending) => key > after,
            (Some(after), Order::Descending) => key < after,
        }
    }

    /// The start of the window that contains a moment; aligned to the epoch.
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

fn check_range(request: &QueryRequest) -> Result<(), QuestionError> {
    if request.every.is_some() && request.function.is_none() {
        return Err(QuestionError::EveryAlone);
    }
    if request.to < request.from {
        return Err(QuestionError::RangeReversed);
    }
    Ok(())
}

fn check_page(request: &QueryRequest, columns: usize) -> Result<(), QuestionError> {
    if !(1..=QueryRequest::LIMIT_MAX).contains(&request.limit) {
        return Err(QuestionError::LimitOutside);
    }
    if request.limit * columns > QueryRequest::CELLS_MAX {
        let limit_max = QueryRequest::CELLS_MAX / columns;
        return Err(QuestionError::PageTooLarge { columns, limit_max });
    }
    Ok(())
}

/// The tag of this name, or the error that there is none.
fn tag(request: &QueryRequest, known: &Measurement, tag: &str) -> Result<String, QuestionError> {
    if known.tags.iter().any(|known| known == tag) {
        return Ok(tag.to_owned());
    }
    Err(QuestionError::TagUnknown {
        measurement: request.measurement.clone(),
        tag: tag.to_owned(),
        nearest: nearest(tag, known.tags.iter().map(String::as_str)),
    })
}

fn filters(
    request: &QueryRequest,
    known: &Measurement,
) -> Result<Vec<(String, Vec<String>)>, QuestionError> {
    let mut filters = Vec::new();
    if !request.vehicles.is_empty() {
        let Some(vehicle_tag) = known.vehicle_tag.clone() else {
            return Err(QuestionError::VehicleUntagged {
                measurement: request.measurement.clone(),
            });
        };
        filters.push((vehicle_tag, request.vehicles.clone()));
    }
    for (name, values) in &request.tags {
        filters.push((tag(request, known, name)?, values.clone()));
    }
    let given = filters.iter().map(|(_, values)| values.len()).sum();
    match given > QueryRequest::VALUES_MAX {
        true => Err(QuestionError::ValuesTooMany { given }),
        false => Ok(filters),
    }
}

/// The tags of a row's key: the first, the others, and which of these have columns.
fn key_tags(
    request: &QueryRequest,
    known: &Measurement,
) -> Result<(String, Vec<String>, Vec<usize>), QuestionError> {
    let mut grouped: Vec<String> = Vec::new();
    for name in &request.group_by {
        let tag = tag(request, known, name)?;
        if grouped.contains(&tag) {
            return Err(QuestionError::TagTwice { tag });
        }
        grouped.push(tag);
    }
    if request.function.is_some() && !grouped.is_empty() {
        let lead = grouped.remove(0);
        let shown = (0..grouped.len()).collect();
        return Ok((lead, grouped, shown));
    }
    let Some(lead) = known.vehicle_tag.clone() else {
        return Err(QuestionError::VehicleUntagged { measurement: request.measurement.clone() });
    };
    // Rows of a function are per vehicle, so the other tags are not part of their key.
    let is_raw = request.function.is_none();
    let tags: Vec<String> =
        known.tags.iter().filter(|tag| is_raw && **tag != lead).cloned().collect();
    let shown = grouped.iter().filter_map(|tag| tags.iter().position(|known| known == tag));
    let shown = shown.collect();
    Ok((lead, tags, shown))
}

fn fields(request: &QueryRequest, known: &Measurement) -> Result<Vec<Field>, QuestionError> {
    let all: Vec<String> = known.fields.iter().map(|(name, _)| name.clone()).collect();
    let is_all = request.fields.is_empty();
    let asked = if is_all { &all } else { &request.fields };
    let mut fields: Vec<Field> = Vec::new();
    for name in asked {
        let Some((_, kind)) = known.fields.iter().find(|(known, _)| known == name) else {
            if known.tags.contains(name) {
                let (measurement, tag) = (request.measurement.clone(), name.clone());
                return Err(QuestionError::FieldIsTag { measurement, tag });
            }
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
            None => value_type(kind),
            Some(function) if function.fits(kind) => function.answers(kind),
            // The request did not name it, so it is only left out.
            Some(_) if is_all => continue,
            Some(function) => {
                let kind = value_type(kind).as_str();
                return Err(QuestionError::FunctionUnfit { function, field: name, kind });
            }
        };
        fields.push(Field { name, kind, answers, purpose: Purpose::Answer });
    }
    Ok(fields)
}

/// What [`Purpose::OverflowCheck`] takes for the sums of integers among the fields.
fn overflow_checks(fields: &[Field], function: Option<Function>) -> Vec<Field> {
    let is_sum =
        |field: &&Field| function == Some(Function::Sum) && field.answers == ValueType::Integer;
    let sums = fields.iter().enumerate().filter(|(_, field)| is_sum(field));
    let overflow_checks = sums.map(|(place, field)| Field {
        answers: ValueType::Float,
        purpose: Purpose::OverflowCheck(place),
        ..field.clone()
    });
    overflow_checks.collect()
}

/// The name that was most likely intended: similar, regardless of case and separators, or the
/// shortest that contains it.
pub(super) fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<String> {
    /// Minimum length of such a part.
    const PART_LEN: usize = 3;
    let plain = |name: &str| name.to_lowercase().replace(['.', '-', ' ', '/'], "_");
    let asked = plain(name);
    let distance = |known: &str| strsim::damerau_levenshtein(&asked, &plain(known));
    let all: Vec<&str> = known.collect();
    let near = all.iter().map(|known| (distance(known), *known)).min();
    let near = near.filter(|(distance, _)| *distance <= 1 + name.len() / 4);
    let holds = |known: &&&str| asked.len() >= PART_LEN && plain(known).contains(&asked);
    let part = || all.iter().filter(holds).min_by_key(|known| known.len()).copied();
    near.map(|(_, known)| known).or_else(part).map(str::to_owned)
}
