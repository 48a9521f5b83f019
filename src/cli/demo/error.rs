//! Why a demo could not be given.

use std::{io, path::PathBuf};

use thiserror::Error;

use crate::{
    cli::failure::Failure,
    simulator::{LoadError, ShapeError},
};

/// A demo could not be given, or not go on.
#[derive(Debug, Error)]
pub(super) enum DemoError {
    /// There is no temporary folder to be had. Set TMPDIR to one that can be written.
    #[error("cannot make a temporary folder")]
    Folder(#[source] io::Error),
    /// A schema cannot be written into it.
    #[error("cannot write {}", path.display())]
    Write {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// The system gave no thread, or no signals.
    #[error("cannot start a {what}")]
    Start {
        what: &'static str,
        #[source]
        source: io::Error,
    },
    /// A thread of ours ended without a word, by a panic that standard error tells.
    #[error("the {what} ended by itself")]
    Gone { what: &'static str },
    /// The fleet has nothing to say.
    #[error("cannot encode what the fleet says")]
    Shape(#[source] ShapeError),
    /// The fleet could not publish.
    #[error("the fleet cannot publish")]
    Load(#[source] LoadError),
    /// The client for the appliance's own API cannot be built.
    #[error("cannot ask the appliance")]
    Client(#[source] reqwest::Error),
}

impl From<DemoError> for Failure {
    fn from(error: DemoError) -> Self {
        Self::failed(error)
    }
}
