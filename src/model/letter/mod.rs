//! Dead letters: their ids, filters, and the traits to list, remove and replay them.

mod access;
mod filter;
mod id;
#[expect(clippy::module_inception, reason = "the folder is named after it")]
mod letter;

pub use access::{
    DeadLetters, LetterMark, LetterMarkError, LetterPage, LetterReplay, LettersAnswer,
    LettersError, Replayed,
};
pub use filter::LetterFilter;
pub use id::{LetterId, LetterIdError, LetterKind};
pub use letter::DeadLetter;
