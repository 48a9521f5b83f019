//! Why verification could not be done, which is not the same as that it failed.

use thiserror::Error;

/// Nothing could be found out.
#[derive(Debug, Error)]
pub(crate) enum VerifyError {
    /// An address is not one. Write http://host:port.
    #[error("{url} is not an http:// address{}", because(reason))]
    Url { url: String, reason: &'static str },
    /// The system gave no HTTP client.
    #[error("cannot make an HTTP client")]
    Client(#[source] reqwest::Error),
    /// No answer. Check that the server runs and the address is right.
    #[error("cannot ask {url}")]
    Ask {
        url: String,
        #[source]
        source: reqwest::Error,
    },
    /// The server answered, but not with what was asked for. For a store: check its name and token.
    #[error("{url} answered {status}: {text}")]
    Answer { url: String, status: u16, text: String },
    /// The answer is not what this kind of server says.
    #[error("the answer of {url} makes no sense: {text}")]
    Sense { url: String, text: String },
    /// The token file cannot be read.
    #[error("cannot read {}", path.display())]
    Token {
        path: std::path::PathBuf,
        #[source]
        source: std::io::Error,
    },
}

fn because(reason: &str) -> String {
    if reason.is_empty() { String::new() } else { format!(": {reason}") }
}
