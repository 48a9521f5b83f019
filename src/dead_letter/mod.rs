//! What could not be decoded, mapped or accepted.

mod id;
mod letter;
mod options;

pub use id::{Id, IdError};
pub use letter::{ANSWER_BYTES_MAX, DETAIL_BYTES_MAX, LetterError, to_json};
pub use options::Options;
