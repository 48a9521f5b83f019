//! Line protocol as it is: a payload of lines → the same lines, checked, with the mapping's tags.
//!
//! Measurement, tags, fields and time leave as they were sent; what is added is the mapping's tags
//! (the vehicle's above all), behind those that were sent or in place of one of the same key, so
//! that no vehicle can write as another one, and the time of receipt where a line has none. Blank
//! lines and comments are dropped. One bad line makes the whole message a dead letter: a line that
//! cannot be read leaves it open where the next one begins.
//!
//! The grammar is what the databases agree on:
//! - `measurement[,tag=value…] field=value[,field=value…] [time]`; spaces between the three parts
//!   and around the line may be several; a line ends at LF or CR LF, and a line feed inside a
//!   string field belongs to the string;
//! - in measurement, keys and tag values a backslash before `,`, `=` or space escapes it, and is
//!   itself anywhere else; two backslashes before one of these are refused, because databases do
//!   not agree on whether the second one escapes;
//! - a value is `1i`, `1u`, a float (`1`, `1.5`, `-1e3`; `1.` and `.5`, which not all of them read,
//!   leave as `1.0` and `0.5`; not NaN), `t`, `T`, `true`, `True`, `TRUE` and their opposites, or a
//!   string in quotes, where `\"` and `\\` are escapes;
//! - time is in nanoseconds;
//! - keys and tag values are not empty and have no characters that end a line (LF, CR, NUL); a key
//!   comes once a line, not both as tag and field, and is not `time`, which stores keep.

mod parse;
pub(crate) mod words;
mod write;

pub(crate) use write::Writer;
