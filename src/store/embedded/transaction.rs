//! Writes the points of one measurement and period, from several requests, in one transaction.

use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;

use crate::{
    model::{
        FieldType,
        line::{self, FieldValue},
    },
    store::embedded::{
        columns::{KnownColumns, Role},
        file::{File, FileError, Staged},
        value,
    },
    telemetry::Chain,
};

/// A line that is to be written into a file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Point<'a> {
    /// The index of its request in the batch.
    pub(super) request: usize,
    /// Its index in that request.
    pub(super) line_no: usize,
    pub(super) line: &'a [u8],
    /// Measurement and tags, as written: the beginning of the line.
    pub(super) series: &'a [u8],
    pub(super) time: i64,
}

/// A line that is not stored, and the reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) request: usize,
    pub(super) line_no: usize,
    pub(super) why: String,
}

/// Why nothing of a batch was stored in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// It may pass: the same lines are to be sent again.
    Unavailable(String),
    /// An operator has to do something.
    Halted(String),
    /// SQLite reports the file as corrupt, or as not a database.
    Corrupt {
        /// The file.
        path: PathBuf,
        /// SQLite's message.
        why: String,
    },
}

impl Fault {
    /// The effect of a file's error on the lines for it.
    pub(super) fn of(error: &FileError, path: &Path) -> Self {
        let why = format!("{}: {}", path.display(), Chain(error));
        let FileError::Sqlite(error) = error else { return Self::Halted(why) };
        match error.sqlite_error_code() {
            Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => {
                Self::Corrupt { path: path.to_owned(), why }
            }
            Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::CannotOpen) => {
                Self::Halted(why)
            }
            _ => Self::Unavailable(why),
        }
    }
}

/// Writes the points and makes them durable (EM-1). Returns those that cannot be stored (EM-2).
pub(super) fn store(
    file: &mut File,
    known: &mut KnownColumns,
    measurement: &str,
    points: &[Point<'_>],
) -> Result<Vec<Refused>, FileError> {
    file.begin()?;
    let mut transaction = Transaction {
        file,
        known,
        staged: Vec::with_capacity(points.len()),
        values: Vec::with_capacity(points.len() * 12),
        refused: Vec::new(),
    };
    for point in points {
        transaction.stage(point)?;
    }
    let Transaction { file, mut staged, values, refused, .. } = transaction;
    if !staged.is_empty() {
        file.insert(&mut staged, &values)?;
    }
    file.commit(measurement)?;
    Ok(refused)
}

struct Transaction<'f, 'a> {
    file: &'f mut File,
    known: &'f mut KnownColumns,
    staged: Vec<Staged>,
    values: Vec<(usize, FieldValue<'a>)>,
    refused: Vec<Refused>,
}

impl<'a> Transaction<'_, 'a> {
    fn stage(&mut self, point: &Point<'a>) -> Result<(), FileError> {
        let mark = self.values.len();
        let staged = match self.values_of(point) {
            Ok(()) => self.series_of(point)?,
            Err(Wrong::Line(why)) => Err(why),
            Err(Wrong::File(error)) => return Err(error),
        };
        match staged {
            Ok(series) => {
                let index = |len| u32::try_from(len).expect("a batch is bounded");
                let values = (index(mark), index(self.values.len()));
                let order = index(self.staged.len());
                self.staged.push(Staged { series, time: point.time, order, values });
            }
            Err(why) => {
                self.values.truncate(mark);
                let Point { request, line_no, .. } = *point;
                self.refused.push(Refused { request, line_no, why });
            }
        }
        Ok(())
    }

    /// Appends the values of a line; missing columns are added only if all of them are admitted.
    fn values_of(&mut self, point: &Point<'a>) -> Result<(), Wrong> {
        let mut missing = Vec::new();
        let mut fields = line::fields_behind(point.line, point.series);
        let mut next = 0;
        while let Some(field) = self.file.next_field(&mut fields, &mut next) {
            let key = field.key;
            let Some(mut value) = value::read(field.value) else {
                let why = format!("field `{}` holds no value of this store", line::unescape(key));
                return Err(Wrong::Line(why));
            };
            let column = match field.column {
                Some((column, kind)) if kind == value.kind() => column,
                Some((column, FieldType::Float)) if let Some(float) = value::as_float(&value) => {
                    value = float;
                    column
                }
                _ => {
                    let name = line::unescape(key).into_owned();
                    // The column may exist in the files of other periods.
                    if self.known.is_float(&name)
                        && let Some(float) = value::as_float(&value)
                    {
                        value = float;
                    }
                    let admitted = self.known.admit(&name, Role::Field(value.kind()));
                    admitted.map_err(Wrong::Line)?;
                    missing.push((self.values.len(), key, name, value.kind()));
                    usize::MAX
                }
            };
            self.values.push((column, value));
        }
        for (at, key, name, kind) in missing {
            // The same name twice in one line passes the first check.
            self.known.admit(&name, Role::Field(kind)).map_err(Wrong::Line)?;
            self.known.add(&name, Role::Field(kind));
            let column = self.file.add_column(key, &name, kind);
            self.values[at].0 = column.map_err(|error| Wrong::File(error.into()))?;
        }
        Ok(())
    }

    fn series_of(&mut self, point: &Point<'_>) -> Result<Result<i64, String>, FileError> {
        let series = point.series;
        if let Some(id) = self.file.known_series(series) {
            return Ok(Ok(id));
        }
        let mut written: Vec<(&[u8], &[u8])> = line::tags(series).collect();
        written.sort_unstable();
        let mut key = String::new();
        let mut tags = Vec::with_capacity(written.len());
        for (tag, value) in written {
            let name = line::unescape(tag).into_owned();
            if let Err(why) = self.known.admit(&name, Role::Tag) {
                return Ok(Err(why));
            }
            for part in [",", &String::from_utf8_lossy(tag), "=", &String::from_utf8_lossy(value)] {
                key.push_str(part);
            }
            tags.push((name, line::unescape(value).into_owned()));
        }
        for (tag, _) in &tags {
            if let Err(why) = self.known.admit(tag, Role::Tag) {
                return Ok(Err(why));
            }
            self.known.add(tag, Role::Tag);
        }
        Ok(Ok(self.file.series(series, &key, &tags)?))
    }
}

/// What is wrong: the line, or the file.
enum Wrong {
    Line(String),
    File(FileError),
}
