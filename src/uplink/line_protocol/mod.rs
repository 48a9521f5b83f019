//! Payloads of line protocol: the same lines, checked, with the mapping's tags added.
//!
//! Measurement, tags, fields and time are written as they were sent. The mapping's tags (above all
//! the vehicle's) are added after the sent tags, or replace a sent tag of the same key, so that no
//! vehicle can write as another one. A line without a time gets the time of receipt. Blank lines
//! and comments are dropped. One bad line makes the whole message a dead letter: after a line that
//! cannot be read it is unknown where the next one begins.
//!
//! The grammar is the part on which the databases agree:
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

pub(crate) mod locate;
mod parse;
mod write;

pub(crate) use write::Writer;
