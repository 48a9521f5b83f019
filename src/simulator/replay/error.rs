//! Why a recording cannot be replayed.

use std::path::PathBuf;

use thiserror::Error;

use crate::simulator::shape::ShapeError;

/// A folder of recorded drives could not be read.
#[derive(Debug, Error)]
pub(crate) enum ReplayError {
    /// The folder or a file in it cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    /// The folder holds no file that ends in `.csv`.
    #[error("no .csv file in {}", path.display())]
    Empty { path: PathBuf },
    /// A file is not CSV: a row has more or fewer cells than the header.
    #[error("{} is not CSV with a header", path.display())]
    Csv {
        path: PathBuf,
        #[source]
        source: csv::Error,
    },
    /// No column contains the time of a row. Name one `time`, or two `Date` and `Time`.
    #[error("{} has no column time, and not both of Date and Time", path.display())]
    NoTime { path: PathBuf },
    /// A file lacks a column that `--columns` names.
    #[error("{} has no column {column}", path.display())]
    NoColumn { path: PathBuf, column: String },
    /// `--columns` names a field that the schema does not have.
    #[error("--columns")]
    Field(#[source] ShapeError),
    /// A row cannot be encoded.
    #[error("cannot encode a row of {}", path.display())]
    Encode {
        path: PathBuf,
        #[source]
        source: ShapeError,
    },
    /// More than the memory limit of a replay. Replay the files in parts.
    #[error("the recording takes more than {bytes_max} bytes encoded")]
    TooLarge { bytes_max: usize },
}
