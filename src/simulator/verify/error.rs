//! Why verification was not possible, which differs from a failed verification.

use thiserror::Error;

/// There is no result.
#[derive(Debug, Error)]
pub(crate) enum VerifyError {
    /// An address is invalid. Write http://host:port.
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
    /// The server answered, but not as requested. For a store: check its name and token.
    #[error("{url} answered {status}: {text}")]
    Answer { url: String, status: u16, text: String },
    /// The answer is not in the format of this kind of server.
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
