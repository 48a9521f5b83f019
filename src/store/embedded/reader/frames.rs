//! A native question and its answer as bytes between two processes of one build.
//!
//! A frame is its kind, the length of its body, and the body; integers are little-endian. The
//! question is one frame. The answer is one of columns, some of rows, and one that says that it is
//! whole; or, in place of any of these, one with an error.

use std::time::Duration;

use crate::{
    model::{Column, Row, UnixNanos, Value, ValueType},
    store::{
        ask::{AskError, AskLimits, QuestionLimit},
        options::{Partition, QuestionLimits},
    },
};

/// Bytes in front of a body: kind and length.
pub(super) const HEAD_BYTES: usize = 5;

/// What an answer is made of.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Frame {
    Columns(Vec<Column>),
    Rows(Vec<Row>),
    Error(AskError),
    End,
}

/// All that the child needs to know, but the store's folder, which is where it works.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct NativeQuestion {
    pub(super) partition: Partition,
    pub(super) text: String,
    pub(super) params: Vec<(String, Value)>,
    pub(super) limits: AskLimits,
    pub(super) bounds: QuestionLimits,
}

impl Frame {
    /// Appends it.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let begin = out.len();
        out.extend_from_slice(&[0; HEAD_BYTES]);
        let kind = match self {
            Self::Columns(columns) => {
                length(columns.len(), out);
                for column in columns {
                    text(&column.name, out);
                    out.push(KINDS.iter().position(|kind| *kind == column.kind).map_or(0, byte));
                }
                b'C'
            }
            Self::Rows(rows) => {
                length(rows.len(), out);
                for row in rows {
                    length(row.len(), out);
                    row.iter().for_each(|found| value(found, out));
                }
                b'R'
            }
            Self::Error(error) => {
                write_error(error, out);
                b'E'
            }
            Self::End => b'Z',
        };
        let len = u32::try_from(out.len() - begin - HEAD_BYTES).expect("a frame is bounded");
        out[begin] = kind;
        out[begin + 1..begin + HEAD_BYTES].copy_from_slice(&len.to_le_bytes());
    }

    /// Reads a body; nothing where it is none.
    pub(super) fn read(kind: u8, body: &[u8]) -> Option<Self> {
        let mut from = Reading(body);
        let frame = match kind {
            b'C' => {
                let mut columns = Vec::new();
                for _ in 0..from.length()? {
                    let name = from.text()?;
                    columns.push(Column::new(name, *KINDS.get(usize::from(from.byte()?))?));
                }
                Self::Columns(columns)
            }
            b'R' => {
                let mut rows = Vec::new();
                for _ in 0..from.length()? {
                    let len = from.length()?;
                    rows.push((0..len).map(|_| from.value()).collect::<Option<Row>>()?);
                }
                Self::Rows(rows)
            }
            b'E' => Self::Error(read_error(&mut from)?),
            b'Z' => Self::End,
            _ => return None,
        };
        from.0.is_empty().then_some(frame)
    }
}

impl NativeQuestion {
    /// As the child reads it to the end of its input.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        out.push(u8::from(self.partition == Partition::Day));
        text(&self.text, &mut out);
        length(self.params.len(), &mut out);
        for (name, found) in &self.params {
            text(name, &mut out);
            value(found, &mut out);
        }
        let AskLimits { rows_max, bytes_max, time_max } = self.limits;
        number(rows_max as u64, &mut out);
        number(bytes_max as u64, &mut out);
        number(u64::try_from(time_max.as_nanos()).unwrap_or(u64::MAX), &mut out);
        QuestionLimit::ALL.iter().for_each(|limit| number(self.bounds.of(*limit), &mut out));
        out
    }

    /// Nothing where it is none.
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut from = Reading(bytes);
        let partition = if from.byte()? == 1 { Partition::Day } else { Partition::Month };
        let text = from.text()?;
        let mut params = Vec::new();
        for _ in 0..from.length()? {
            params.push((from.text()?, from.value()?));
        }
        let limits = AskLimits {
            rows_max: usize::try_from(from.number()?).ok()?,
            bytes_max: usize::try_from(from.number()?).ok()?,
            time_max: Duration::from_nanos(from.number()?),
        };
        let mut bounds = QuestionLimits::default();
        for limit in QuestionLimit::ALL {
            bounds.set(*limit, from.number()?)?;
        }
        Some(Self { partition, text, params, limits, bounds })
    }
}

/// By their places.
const KINDS: [ValueType; 5] = [
    ValueType::Timestamp,
    ValueType::Float,
    ValueType::Integer,
    ValueType::Boolean,
    ValueType::String,
];

fn byte(place: usize) -> u8 {
    u8::try_from(place).expect("lists here are short")
}

fn number(number: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(&number.to_le_bytes());
}

fn length(length: usize, out: &mut Vec<u8>) {
    out.extend_from_slice(&u32::try_from(length).expect("a frame is bounded").to_le_bytes());
}

fn text(text: &str, out: &mut Vec<u8>) {
    length(text.len(), out);
    out.extend_from_slice(text.as_bytes());
}

fn value(found: &Value, out: &mut Vec<u8>) {
    let (kind, bits) = match found {
        Value::Null => (0, None),
        Value::Timestamp(at) => (1, Some(at.0.to_le_bytes())),
        Value::Float(value) => (2, Some(value.to_le_bytes())),
        Value::Integer(value) => (3, Some(value.to_le_bytes())),
        Value::Unsigned(value) => (4, Some(value.to_le_bytes())),
        Value::Boolean(value) => (5 + u8::from(*value), None),
        Value::String(_) => (7, None),
    };
    out.push(kind);
    out.extend(bits.into_iter().flatten());
    if let Value::String(found) = found {
        text(found, out);
    }
}

fn write_error(error: &AskError, out: &mut Vec<u8>) {
    let (kind, reason, max) = match error {
        AskError::Refused { message } => (0, message.as_str(), 0),
        AskError::Unavailable { reason } => (1, reason.as_str(), 0),
        AskError::Halted { reason } => (2, reason.as_str(), 0),
        AskError::Rows { max } => (3, "", *max as u64),
        AskError::Bytes { max } => (4, "", *max as u64),
        AskError::Time { max_ms } => (5, "", *max_ms),
        AskError::Broken { reason } => (6, reason.as_str(), 0),
        // The child is asked neither for its languages nor for proofs of sums.
        AskError::Language { .. } | AskError::SumOverflow { .. } => (6, "not its own", 0),
        AskError::TooLarge { limit, max } => {
            let at = QuestionLimit::ALL.iter().position(|known| known == limit);
            (7 + at.map_or(0, byte), "", *max)
        }
    };
    out.push(kind);
    text(reason, out);
    number(max, out);
}

fn read_error(from: &mut Reading<'_>) -> Option<AskError> {
    let (kind, reason, max) = (from.byte()?, from.text()?, from.number()?);
    let size = usize::try_from(max).ok()?;
    Some(match kind {
        0 => AskError::Refused { message: reason },
        1 => AskError::Unavailable { reason },
        2 => AskError::Halted { reason },
        3 => AskError::Rows { max: size },
        4 => AskError::Bytes { max: size },
        5 => AskError::Time { max_ms: max },
        6 => AskError::Broken { reason },
        limit => {
            let limit = *QuestionLimit::ALL.get(usize::from(limit - 7))?;
            AskError::TooLarge { limit, max }
        }
    })
}

/// What is left to read.
struct Reading<'a>(&'a [u8]);

impl<'a> Reading<'a> {
    fn bytes(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    fn byte(&mut self) -> Option<u8> {
        Some(self.bytes(1)?[0])
    }

    fn eight(&mut self) -> Option<[u8; 8]> {
        self.bytes(8)?.try_into().ok()
    }

    fn number(&mut self) -> Option<u64> {
        Some(u64::from_le_bytes(self.eight()?))
    }

    fn length(&mut self) -> Option<usize> {
        Some(u32::from_le_bytes(self.bytes(4)?.try_into().ok()?) as usize)
    }

    fn text(&mut self) -> Option<String> {
        let len = self.length()?;
        String::from_utf8(self.bytes(len)?.to_vec()).ok()
    }

    fn value(&mut self) -> Option<Value> {
        Some(match self.byte()? {
            0 => Value::Null,
            1 => Value::Timestamp(UnixNanos(i64::from_le_bytes(self.eight()?))),
            2 => Value::Float(f64::from_le_bytes(self.eight()?)),
            3 => Value::Integer(i64::from_le_bytes(self.eight()?)),
            4 => Value::Unsigned(self.number()?),
            5 => Value::Boolean(false),
            6 => Value::Boolean(true),
            7 => Value::String(self.text()?),
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(frame: &Frame) {
        let mut bytes = Vec::new();
        frame.write(&mut bytes);
        let body = &bytes[HEAD_BYTES..];
        assert_eq!(bytes[1..HEAD_BYTES], u32::try_from(body.len()).unwrap().to_le_bytes());
        assert_eq!(Frame::read(bytes[0], body).as_ref(), Some(frame));
        for cut in 0..body.len() {
            assert_eq!(Frame::read(bytes[0], &body[..cut]), None, "{frame:?} cut at {cut}");
        }
    }

    #[test]
    fn whatever_is_written_is_read_back_and_nothing_less_is() {
        check(&Frame::Columns(KINDS.map(|kind| Column::new("a\nb", kind)).to_vec()));
        check(&Frame::Rows(vec![vec![
            Value::Null,
            Value::Timestamp(UnixNanos(i64::MIN)),
            Value::Float(-0.0),
            Value::Integer(i64::MIN),
            Value::Unsigned(u64::MAX),
            Value::Boolean(true),
            Value::Boolean(false),
            Value::String("é\0".to_owned()),
        ]]));
        check(&Frame::End);
        for limit in QuestionLimit::ALL {
            check(&Frame::Error(AskError::TooLarge { limit: *limit, max: 7 }));
        }
        check(&Frame::Error(AskError::Refused { message: "no".to_owned() }));
        check(&Frame::Error(AskError::Time { max_ms: 20_000 }));
    }

    #[test]
    fn a_question_reaches_the_child_as_it_was_asked() {
        let question = NativeQuestion {
            partition: Partition::Day,
            text: "SELECT $x".to_owned(),
            params: vec![("x".to_owned(), Value::Float(0.1))],
            limits: AskLimits { rows_max: 1, bytes_max: 2, time_max: Duration::from_millis(3) },
            bounds: QuestionLimits { steps: u64::MAX, depth: 7, ..QuestionLimits::default() },
        };
        let bytes = question.to_bytes();
        assert_eq!(NativeQuestion::from_bytes(&bytes), Some(question));
        assert_eq!(NativeQuestion::from_bytes(&bytes[..bytes.len() - 1]), None);
    }
}
