//! Writes values as literals of TDengine's SQL, in place of the `$name`s of a statement.
//!
//! It relies on the server's tokenizer, in all of version 3: a text in `'…'` ends at the next `'`
//! that is not escaped with a backslash and not doubled; a backslash escapes any character; NUL
//! ends the statement. So a backslash before each backslash and each `'` is enough, and a text with
//! a NUL cannot be written.

use crate::{
    model::Value,
    store::query::terms::{StoreQuery, StoreQueryError},
};

/// The statement with a literal in place of each `$name` outside quotes and comments.
pub(super) fn bind(query: &StoreQuery) -> Result<String, StoreQueryError> {
    let text = query.text.as_str();
    let mut unused: Vec<&str> = query.params.iter().map(|(name, _)| name.as_str()).collect();
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
        let Some((_, value)) = query.params.iter().find(|(known, _)| known == name) else {
            return Err(StoreQueryError::refused(format!("the parameter `${name}` has no value")));
        };
        unused.retain(|known| *known != name);
        push(&mut bound, name, value)?;
    }
    match unused.first() {
        None => Ok(bound),
        Some(name) => {
            Err(StoreQueryError::refused(format!("the question has no parameter `${name}`")))
        }
    }
}

/// Appends a value, with a space on either side so that it stays a separate token: `-$x` with a
/// negative number would begin a comment.
fn push(into: &mut String, name: &str, value: &Value) -> Result<(), StoreQueryError> {
    into.push(' ');
    match value {
        Value::Null => into.push_str("NULL"),
        // The database has nanosecond precision, because we write to no other.
        Value::Timestamp(at) => into.push_str(&at.0.to_string()),
        Value::Integer(value) => into.push_str(&value.to_string()),
        Value::Unsigned(value) => into.push_str(&value.to_string()),
        Value::Float(value) if value.is_finite() => into.push_str(&format!("{value:?}")),
        Value::Float(value) => {
            return Err(StoreQueryError::refused(format!(
                "`${name}` is {value}, which SQL cannot say"
            )));
        }
        Value::Boolean(value) => into.push_str(if *value { "true" } else { "false" }),
        Value::String(text) => push_text(into, name, text)?,
    }
    into.push(' ');
    Ok(())
}

fn push_text(into: &mut String, name: &str, text: &str) -> Result<(), StoreQueryError> {
    into.push('\'');
    for c in text.chars() {
        match c {
            '\0' => {
                let message = format!("`${name}` holds a NUL, which ends a statement of TDengine");
                return Err(StoreQueryError::refused(message));
            }
            '\'' | '\\' => into.extend(['\\', c]),
            c => into.push(c),
        }
    }
    into.push('\'');
    Ok(())
}

/// The length of a quoted text or name with its quotes. Nothing is escaped in a name.
fn quoted_len(text: &str, quote: char) -> Result<usize, StoreQueryError> {
    let mut chars = text.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' if quote != '`' => drop(chars.next()),
            // A doubled quote is read as the end of one text and the begin of the next, which gives
            // the same length.
            c if c == quote => return Ok(at + 1),
            _ => {}
        }
    }
    Err(StoreQueryError::refused(format!("a {quote} is not closed")))
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}
