//! A dead letter, its name, who asks for which, and who answers.

mod filter;
mod id;
mod keeper;
#[expect(clippy::module_inception, reason = "the folder is named after it")]
mod letter;

pub use filter::LetterFilter;
pub use id::{LetterId, LetterIdError, LetterKind};
pub use keeper::{
    DeadLetters, LetterMark, LetterMarkError, LetterPage, LetterReplay, LettersAnswer,
    LettersError, Replayed,
};
pub use letter::DeadLetter;
