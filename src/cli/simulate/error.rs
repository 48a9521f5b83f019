//! Why a simulation ended without its purpose.

use std::{io, path::PathBuf};

use thiserror::Error;

use crate::{
    cli::failure::Failure,
    simulator::{LoadError, ReplayError, ShapeError, VerifyError},
    telemetry::Chain,
};

/// A simulation could not be run.
#[derive(Debug, Error)]
pub(in crate::cli) enum SimulateError {
    /// `--target` is not an address. Write mqtt://host:port.
    #[error("--target {target}: {reason}")]
    Target { target: String, reason: &'static str },
    /// `--timezone` names no known time zone. Write a name such as Europe/Berlin, or UTC.
    #[error("--timezone {name} is not a time zone")]
    Zone {
        name: String,
        #[source]
        source: jiff::Error,
    },
    /// A topic that is empty, too long, or holds wildcards. Name another `--topic`.
    #[error("{topic:?} is not a topic that can be published to")]
    Topic { topic: String },
    /// A payload over what is sent at once. Ask for a smaller `--size`, or replay narrower rows.
    #[error("a payload of {bytes} bytes; at most {bytes_max} are sent at once")]
    Payload { bytes: usize, bytes_max: usize },
    /// The schemas and mappings cannot be used to encode.
    #[error("cannot encode what the fleet says")]
    Shape(#[source] ShapeError),
    /// The recording cannot be read.
    #[error("cannot replay")]
    Replay(#[source] ReplayError),
    /// The fleet could not publish.
    #[error("cannot publish")]
    Load(#[source] LoadError),
    /// The file of acknowledgements cannot be made. It must not exist yet.
    #[error("cannot make {}", path.display())]
    AckLog {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// The system gave no thread for signals and HTTP.
    #[error("cannot start a runtime")]
    Runtime(#[source] io::Error),
    /// Verification could not be done.
    #[error("cannot verify")]
    Verify(#[source] VerifyError),
}

impl From<SimulateError> for Failure {
    /// What was written on the command line is wrong usage; all else has failed.
    fn from(error: SimulateError) -> Self {
        match error {
            SimulateError::Target { .. }
            | SimulateError::Zone { .. }
            | SimulateError::Topic { .. }
            | SimulateError::Payload { .. }
            | SimulateError::Shape(_)
            | SimulateError::Replay(_)
            | SimulateError::AckLog { .. }
            | SimulateError::Verify(VerifyError::Url { .. } | VerifyError::Token { .. }) => {
                Self::Usage(Chain(&error).to_string())
            }
            SimulateError::Load(_) | SimulateError::Runtime(_) | SimulateError::Verify(_) => {
                Self::failed(error)
            }
        }
    }
}
