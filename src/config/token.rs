//! The token with which commands authenticate to a running appliance.

use std::{
    io,
    path::{Path, PathBuf},
};

use crate::{config::source, model::Secret};

/// The only variable with our prefix that is no key.
pub(super) const VARIABLE: &str = "FLEETLINE_TOKEN";

/// Why a named token cannot be read. No error prints the token.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The file cannot be read: check its path and owner.
    #[error("cannot read the token file `{}`", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The system's error.
        #[source]
        source: io::Error,
    },
    /// The file is empty.
    #[error("the token file `{}` is empty", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
}

/// The token of this file, else that of the variable; an empty variable counts as none.
///
/// # Errors
/// If the file cannot be read, or is empty.
pub fn token(file: Option<&Path>) -> Result<Option<Secret>, TokenError> {
    let Some(path) = file else {
        let written = std::env::vars_os().find(|(name, _)| name == VARIABLE);
        let token = written.and_then(|(_, text)| Some(text.to_str()?.trim().to_owned()));
        return Ok(token.filter(|text| !text.is_empty()).map(Secret::new));
    };
    let text = source::read_text(path)
        .map_err(|source| TokenError::File { path: path.to_owned(), source })?;
    match text.trim() {
        "" => Err(TokenError::Empty { path: path.to_owned() }),
        token => Ok(Some(Secret::new(token.to_owned()))),
    }
}
