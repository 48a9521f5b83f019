//! Decodes the bytes of an answer into rows with one list of columns.

use std::collections::HashMap;

use crate::{
    model::{Column, Row, Value, ValueType},
    store::query::{
        flux::FluxRows,
        influxql::InfluxQlRows,
        json_lines::JsonLines,
        tdengine::RestRows,
        terms::{Rows, StoreQueryError},
    },
};

/// Decodes one kind of answer, piece by piece.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::store) enum Decoder {
    /// Chunks of `MessagePack`.
    InfluxQl(InfluxQlRows),
    /// Annotated CSV.
    Flux(FluxRows),
    /// JSON lines.
    Lines(JsonLines),
    /// One document of JSON.
    Rest(RestRows),
}

impl Decoder {
    /// Takes the next bytes.
    pub(super) fn take(&mut self, bytes: &[u8], shape: &mut Shape) -> Result<(), StoreQueryError> {
        match self {
            Self::InfluxQl(rows) => rows.take(bytes, shape),
            Self::Flux(rows) => rows.take(bytes, shape),
            Self::Lines(rows) => rows.take(bytes, shape),
            Self::Rest(rows) => rows.take(bytes, shape),
        }
    }

    /// Takes the end of the answer, which may be in the middle of a value.
    pub(super) fn end(&mut self, shape: &mut Shape) -> Result<(), StoreQueryError> {
        match self {
            Self::InfluxQl(rows) => rows.end(shape),
            Self::Flux(rows) => rows.end(shape),
            Self::Lines(rows) => rows.end(shape),
            Self::Rest(rows) => rows.end(),
        }?;
        shape.fix();
        Ok(())
    }

    /// Decodes a whole answer in pieces of `step` bytes.
    #[cfg(test)]
    pub(in crate::store) fn read(
        mut self,
        answer: &[u8],
        piece_bytes: usize,
    ) -> Result<(Vec<Column>, Vec<Row>), StoreQueryError> {
        let mut shape = Shape::default();
        for piece in answer.chunks(piece_bytes) {
            self.take(piece, &mut shape)?;
        }
        self.end(&mut shape)?;
        Ok((shape.columns().expect("the end fixes them"), shape.take_rows()))
    }
}

/// Columns that an answer may have.
const COLUMNS_MAX: usize = 4096;
/// Values that are kept before the columns are fixed: about 32 MB.
const CELLS_MAX: usize = 1 << 20;

/// The rows so far, under one list of columns.
///
/// Stores answer in tables that need not have the same columns (InfluxQL series, Flux tables), or
/// leave nulls out (JSON lines). The columns of the first [`Rows::CHUNK_ROWS`] rows are taken
/// together; then they are fixed, and a row with another column is an error.
#[derive(Debug, Default)]
pub(super) struct Shape {
    columns: Vec<(String, Option<ValueType>)>,
    /// The index of each column, by name: an answer of many tables repeats the names in each.
    places: HashMap<String, usize>,
    is_fixed: bool,
    rows: Vec<Row>,
    count: usize,
}

impl Shape {
    /// The indices of a table's columns. A type is given if the answer has it.
    pub(super) fn places<'a>(
        &mut self,
        columns: impl IntoIterator<Item = (&'a str, Option<ValueType>)>,
    ) -> Result<Vec<usize>, StoreQueryError> {
        columns.into_iter().map(|(name, kind)| self.place(name, kind)).collect()
    }

    /// The index of one column, which is added if it is new.
    pub(super) fn place(
        &mut self,
        name: &str,
        kind: Option<ValueType>,
    ) -> Result<usize, StoreQueryError> {
        if let Some(at) = self.places.get(name).copied() {
            let known = &mut self.columns[at].1;
            if !self.is_fixed {
                *known = wider(*known, kind);
            }
            return Ok(at);
        }
        if self.is_fixed {
            return Err(StoreQueryError::refused(format!(
                "column `{name}` appears only after {} rows; query for tables of one shape",
                Rows::CHUNK_ROWS
            )));
        }
        if self.columns.len() == COLUMNS_MAX {
            return Err(StoreQueryError::refused(format!(
                "the answer has more than {COLUMNS_MAX} columns; name those that are wanted"
            )));
        }
        self.columns.push((name.to_owned(), kind));
        self.places.insert(name.to_owned(), self.columns.len() - 1);
        Ok(self.columns.len() - 1)
    }

    /// Adds a row of a table whose columns have the indices `places`.
    pub(super) fn push(&mut self, places: &[usize], values: impl IntoIterator<Item = Value>) {
        let mut row = vec![Value::Null; self.columns.len()];
        for (place, value) in places.iter().zip(values) {
            if !self.is_fixed {
                let known = &mut self.columns[*place].1;
                *known = wider(*known, value.kind());
            }
            row[*place] = value;
        }
        self.rows.push(row);
        self.count += 1;
    }

    /// The number of rows so far.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// Fixes the columns once enough rows are there.
    pub(super) fn fix_when_enough(&mut self) {
        let n_cells = self.rows.len() * self.columns.len();
        if self.rows.len() >= Rows::CHUNK_ROWS || n_cells >= CELLS_MAX {
            self.fix();
        }
    }

    fn fix(&mut self) {
        self.is_fixed = true;
    }

    /// The columns, once they are fixed.
    pub(super) fn columns(&self) -> Option<Vec<Column>> {
        let column = |(name, kind): &(String, Option<ValueType>)| {
            Column::new(name.clone(), kind.unwrap_or(ValueType::String))
        };
        self.is_fixed.then(|| self.columns.iter().map(column).collect())
    }

    /// The rows since the last call, once the columns are fixed.
    pub(super) fn take_rows(&mut self) -> Vec<Row> {
        if !self.is_fixed {
            return Vec::new();
        }
        let mut rows = std::mem::take(&mut self.rows);
        for row in &mut rows {
            row.resize(self.columns.len(), Value::Null);
        }
        rows
    }
}

/// The type of a column of type `known` after a value of type `seen`: integers and floats together
/// give floats; in any other mix the first type stays.
fn wider(known: Option<ValueType>, seen: Option<ValueType>) -> Option<ValueType> {
    match (known, seen) {
        (None, seen) => seen,
        (Some(ValueType::Integer), Some(ValueType::Float)) => seen,
        (known, _) => known,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_of_several_shapes_become_one_and_later_columns_are_refused() {
        let mut shape = Shape::default();
        let first = shape.places([("t", None), ("a", None)]).expect("new");
        shape.push(&first, [Value::Integer(1), Value::Null]);
        let second = shape.places([("b", None), ("t", None)]).expect("new");
        shape.push(&second, [Value::Boolean(true), Value::Float(0.5)]);
        assert_eq!(shape.columns(), None, "not fixed yet");
        shape.fix();
        let kinds = [("t", ValueType::Float), ("a", ValueType::String), ("b", ValueType::Boolean)];
        let columns = kinds.map(|(name, kind)| Column::new(name, kind));
        assert_eq!(shape.columns().as_deref(), Some(&columns[..]));
        let rows = shape.take_rows();
        assert_eq!(rows[0], [Value::Integer(1), Value::Null, Value::Null]);
        assert_eq!(rows[1], [Value::Float(0.5), Value::Null, Value::Boolean(true)]);
        assert!(matches!(shape.place("c", None), Err(StoreQueryError::Refused { .. })));
    }
}
