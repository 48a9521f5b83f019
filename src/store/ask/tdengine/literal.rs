//! Values as literals of TDengine's SQL, in the place of the `$name`s of a statement.
//!
//! What is relied upon, as the server's tokenizer has it in all of version 3: a text in `'…'` ends
//! at the next `'` that no backslash stands before and that is not doubled; a backslash takes away
//! the meaning of any character; NUL ends the statement. So a backslash before each backslash and
//! each `'` is enough, and a text with a NUL cannot be written.

use crate::{
    model::Value,
    store::ask::terms::{Ask, AskError},
};

/// The statement with a literal in the place of each `$name` outside of quotes and comments.
pub(super) fn bind(ask: &Ask) -> Result<String, AskError> {
    let text = ask.text.as_str();
    let mut unused: Vec<&str> = ask.params.iter().map(|(name, _)| name.as_str()).collect();
    let mut bound = String::with_capacity(text.len());
    let mut at = 0;
    while let Some(c) = text[at..].chars().next() {
        let rest = &text[at..];
        let len = match c {
            '\'' | '"' | '`' => quoted_len(rest, c)?,
            '-' if rest.starts_with("--") => rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("/*") => rest[2..].find("*/").map_or(rest.len(), |end| end + 4),
            '$' => 1 + rest[1..].find(|c: char| !is_word(c)).unwrap_or(rest.len() - 1),
            c => c.len_utf8(),
        };
        at += len;
        let piece = &rest[..len];
        let Some(name) = piece.strip_prefix('$') else {
            bound.push_str(piece);
            continue;
        };
        let Some((_, value)) = ask.params.iter().find(|(known, _)| known == name) else {
            return Err(AskError::refused(format!("the parameter `${name}` has no value")));
        };
        unused.retain(|known| *known != name);
        push(&mut bound, name, value)?;
    }
    match unused.first() {
        None => Ok(bound),
        Some(name) => Err(AskError::refused(format!("the question has no parameter `${name}`"))),
    }
}

/// Appends a value, with a space on either side so that it stays a word of its own: `-$x` with a
/// negative number would begin a comment.
fn push(into: &mut String, name: &str, value: &Value) -> Result<(), AskError> {
    into.push(' ');
    match value {
        Value::Null => into.push_str("NULL"),
        // In a database of nanoseconds, which is the only kind that is written to.
        Value::Timestamp(at) => into.push_str(&at.0.to_string()),
        Value::Integer(value) => into.push_str(&value.to_string()),
        Value::Unsigned(value) => into.push_str(&value.to_string()),
        Value::Float(value) if value.is_finite() => into.push_str(&format!("{value:?}")),
        Value::Float(value) => {
            return Err(AskError::refused(format!("`${name}` is {value}, which SQL cannot say")));
        }
        Value::Boolean(value) => into.push_str(if *value { "true" } else { "false" }),
        Value::String(text) => push_text(into, name, text)?,
    }
    into.push(' ');
    Ok(())
}

fn push_text(into: &mut String, name: &str, text: &str) -> Result<(), AskError> {
    into.push('\'');
    for c in text.chars() {
        match c {
            '\0' => {
                let message = format!("`${name}` holds a NUL, which ends a statement of TDengine");
                return Err(AskError::refused(message));
            }
            '\'' | '\\' => into.extend(['\\', c]),
            c => into.push(c),
        }
    }
    into.push('\'');
    Ok(())
}

/// How long a quoted text or name is, its quotes included. In a name nothing is escaped.
fn quoted_len(text: &str, quote: char) -> Result<usize, AskError> {
    let mut chars = text.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' if quote != '`' => drop(chars.next()),
            // A doubled quote is the end of one text and the begin of the next, which is as well.
            c if c == quote => return Ok(at + 1),
            _ => {}
        }
    }
    Err(AskError::refused(format!("a {quote} is not closed")))
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}
