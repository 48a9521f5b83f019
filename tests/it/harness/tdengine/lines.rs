//! Parses lines as the server does, with the server's errors.

use super::schema::Kind;

/// An error of a write: the code and the message.
pub(super) type Fault = (u32, String);

/// The most bytes of the body that an error quotes, from the wrong byte on.
const QUOTED_MAX: usize = 512;

/// A field's value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Integer(i64),
    Unsigned(u64),
    Float(f64),
    Text(Vec<u8>),
    Boolean(bool),
}

impl Value {
    pub(super) fn kind(&self) -> Kind {
        match self {
            Self::Integer(_) => Kind::BigInt,
            Self::Unsigned(_) => Kind::BigIntUnsigned,
            Self::Float(_) => Kind::Double,
            Self::Text(_) => Kind::Varchar,
            Self::Boolean(_) => Kind::Bool,
        }
    }
}

/// One line.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub(super) table: String,
    pub(super) tags: Vec<(String, String)>,
    /// Each field's name, its value, and the rest of the line from that field on.
    pub(super) fields: Vec<(String, Value, String)>,
    pub(super) time: i64,
}

fn fault<T>(code: u32, words: &str, rest: &[u8]) -> Result<T, Fault> {
    let quoted = String::from_utf8_lossy(&rest[..rest.len().min(QUOTED_MAX)]).into_owned();
    Err((code, format!("{words}{quoted}")))
}

/// Parses a body; an error in any line is the answer to the whole body. `is_old`: a server before
/// 3.3, with shorter messages.
pub(super) fn read(body: &[u8], is_old: bool) -> Result<Vec<Line>, Fault> {
    let mut lines = Vec::new();
    let mut at = 0;
    for text in body.split(|byte| *byte == b'\n') {
        let rest = &body[at..];
        at += text.len() + 1;
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        if text.is_empty() {
            // An empty line is skipped only at the start and at the end.
            let is_between = !lines.is_empty() && rest.iter().any(|b| !b.is_ascii_whitespace());
            if is_between {
                return Err((0x20a, "Table name too long".to_owned()));
            }
            continue;
        }
        if text.first() == Some(&b'#') {
            continue;
        }
        match line(text, rest) {
            Ok(line) => lines.push(line),
            Err((0x3002, _)) if is_old => return Err((0x3002, "Invalid data format".to_owned())),
            Err((0x203, _)) if is_old => return Err((0x203, "Invalid value in client".to_owned())),
            Err(fault) => return Err(fault),
        }
    }
    match lines.is_empty() {
        true => Err((0x3002, "line num is invalid".to_owned())),
        false => Ok(lines),
    }
}

/// The length up to an unescaped one of `ends`.
fn until(text: &[u8], ends: &[u8]) -> usize {
    let mut at = 0;
    while at < text.len() && !ends.contains(&text[at]) {
        let is_escape = text[at] == b'\\' && text.get(at + 1).is_some_and(|b| b", =".contains(b));
        at += if is_escape { 2 } else { 1 };
    }
    at.min(text.len())
}

fn unescaped(text: &[u8], escapes: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    let mut bytes = text.iter().peekable();
    while let Some(byte) = bytes.next() {
        match bytes.peek() {
            Some(next) if *byte == b'\\' && escapes.contains(next) => {
                plain.push(**next);
                bytes.next();
            }
            _ => plain.push(*byte),
        }
    }
    plain
}

fn name(text: &[u8]) -> String {
    String::from_utf8_lossy(&unescaped(text, b", =")).into_owned()
}

fn line(text: &[u8], rest: &[u8]) -> Result<Line, Fault> {
    if text.first() == Some(&b',') {
        return Err((0x3002, "Invalid data format".to_owned()));
    }
    let text = text.trim_ascii_start();
    let mut at = until(text, b", ");
    // In a measurement, only space and comma can be escaped; a dot becomes an underscore.
    let table = String::from_utf8_lossy(&unescaped(&text[..at], b", ")).replace('.', "_");
    if table.len() > 192 {
        return Err((0x20a, "Table name too long".to_owned()));
    }
    let mut tags = Vec::new();
    while text.get(at) == Some(&b',') {
        at += 1;
        let key_len = until(&text[at..], b"=, ");
        let key = name(&text[at..at + key_len]);
        at += key_len + 1;
        let value_len = until(text.get(at..).unwrap_or_default(), b", ");
        if value_len == 0 {
            return fault(0x3002, "SML line invalid value:", &rest[at.min(rest.len())..]);
        }
        let Ok(value) = String::from_utf8(unescaped(&text[at..at + value_len], b", =")) else {
            return Err((0x200, "Invalid or incomplete multibyte or wide character".to_owned()));
        };
        column_name(&key)?;
        tags.push((key, value));
        at += value_len;
    }
    let blank = |text: &[u8]| text.iter().take_while(|byte| **byte == b' ').count();
    at += blank(&text[at..]);
    let mut fields = Vec::new();
    if at >= text.len() {
        return fault(0x3002, "SML line cols is empty", &rest[text.len().min(rest.len())..]);
    }
    loop {
        let begin = at;
        let key_len = until(&text[at..], b"=, ");
        let key = name(&text[at..at + key_len]);
        at += key_len;
        if text.get(at) != Some(&b'=') {
            return fault(0x3002, "SML line invalid value:", &rest[begin..]);
        }
        at += 1;
        let (value, len) = value(&text[at..], &rest[at..], &rest[begin..])?;
        column_name(&key)?;
        fields.push((key, value, String::from_utf8_lossy(&rest[begin..]).into_owned()));
        at += len;
        match (text.get(at), text.get(at + 1)) {
            (Some(b','), None) => {
                at += 1;
                break;
            }
            (Some(b','), Some(_)) => at += 1,
            _ => break,
        }
    }
    at += blank(&text[at..]);
    let time = time(&text[at..])?;
    let line = Line { table, tags, fields, time };
    checked(line)
}

/// Checks the limits that hold for every table.
fn checked(line: Line) -> Result<Line, Fault> {
    if line.tags.len() > 128 {
        return Err((0x2643, "too many tags than 128".to_owned()));
    }
    if line.fields.len() > 4094 {
        return Err((0x2640, "too many columns than 4096".to_owned()));
    }
    let names = line.tags.iter().map(|(name, _)| name);
    let mut names: Vec<&String> = names.chain(line.fields.iter().map(|(name, ..)| name)).collect();
    let count = names.len();
    names.sort();
    names.dedup();
    if names.len() < count || names.iter().any(|name| *name == "_ts") {
        return Err((0x263c, "Duplicated column names".to_owned()));
    }
    Ok(line)
}

fn column_name(name: &str) -> Result<(), Fault> {
    match name.len() > 64 {
        true => Err((0x21f, "Column name too long".to_owned())),
        false => Ok(()),
    }
}

/// Parses a value and returns its length, too. `rest` is the body from the value on, `field` the
/// body from its key on.
fn value(text: &[u8], rest: &[u8], field: &[u8]) -> Result<(Value, usize), Fault> {
    if text.first() == Some(&b'"') {
        let mut at = 1;
        loop {
            match text.get(at) {
                None => return fault(0x3002, "SML line unbalanced quotes:", rest),
                Some(b'"') => break,
                Some(b'\\') => at += 2,
                Some(_) => at += 1,
            }
        }
        return Ok((Value::Text(unescaped(&text[1..at], b"\"\\")), at + 1));
    }
    let len = until(text, b", ");
    let written = String::from_utf8_lossy(&text[..len]).into_owned();
    let number = |digits: &str| digits.strip_prefix('+').unwrap_or(digits).to_owned();
    let is_digits = |text: &str| {
        let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
        !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
    };
    let value = match written.as_str() {
        "" => return fault(0x3002, "SML line invalid value:", rest),
        "t" | "T" => Value::Boolean(true),
        "f" | "F" => Value::Boolean(false),
        text if text.eq_ignore_ascii_case("true") => Value::Boolean(true),
        text if text.eq_ignore_ascii_case("false") => Value::Boolean(false),
        text => match text.split_at(text.len() - 1) {
            (digits, "i" | "I") if is_digits(digits) => match number(digits).parse() {
                Ok(value) => Value::Integer(value),
                Err(_) => {
                    return fault(
                        0x203,
                        "big int out of range[-9223372036854775808,9223372036854775807]:",
                        rest,
                    );
                }
            },
            (digits, "u" | "U") if is_digits(digits) => match number(digits).parse() {
                Ok(value) => Value::Unsigned(value),
                Err(_) => {
                    return fault(
                        0x203,
                        "unsigned big int out of range[0,18446744073709551615]:",
                        rest,
                    );
                }
            },
            _ => match text.parse() {
                Ok(value) => Value::Float(value),
                Err(_) if text.contains(['i', '_', '-']) => {
                    return fault(0x3002, "invalid value: ", field);
                }
                Err(_) => return fault(0x203, "invalid data:", rest),
            },
        },
    };
    Ok((value, len))
}

fn time(text: &[u8]) -> Result<i64, Fault> {
    let text = str::from_utf8(text).unwrap_or("?").trim();
    let now = jiff::Timestamp::now().as_nanosecond();
    let digits = text.strip_prefix('+').unwrap_or(text);
    match digits.parse::<i128>() {
        _ if text.is_empty() || text == "0" => Ok(i64::try_from(now).unwrap()),
        Ok(time) if time < 0 => Err((0x127, "Invalid timestamp format".to_owned())),
        // More than 64 bits: the storage refuses it, as out of every range.
        Ok(time) => Ok(i64::try_from(time).unwrap_or(i64::MAX)),
        Err(_) => Err((0x127, "Invalid timestamp format".to_owned())),
    }
}
