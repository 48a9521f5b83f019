//! A native query and its answer as bytes between two processes of the same build.
//!
//! A frame has a kind, the length of its body, and the body; integers are little-endian. The query
//! is one frame. The answer is one frame of columns, some of rows, and one that marks its end; any
//! of these can be replaced by one with an error.

use std::time::Duration;

use crate::{
    model::{Column, Row, UnixNanos, Value, ValueType},
    store::{
        options::{NativeQueryLimits, Partition},
        query::{NativeQueryLimit, StoreQueryError, StoreQueryLimits},
    },
};

/// Bytes before a body: kind and length.
pub(super) const HEAD_BYTES: usize = 5;

/// One frame of an answer.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Frame {
    Columns(Vec<Column>),
    Rows(Vec<Row>),
    Error(StoreQueryError),
    End,
}

/// Everything that the child needs, except the store's folder, which is its working directory.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct NativeQuery {
    pub(super) partition: Partition,
    pub(super) text: String,
    pub(super) params: Vec<(String, Value)>,
    pub(super) limits: StoreQueryLimits,
    pub(super) bounds: NativeQueryLimits,
}

impl Frame {
    /// Appends the frame to `out`.
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

    /// Reads a body; `None` if it is invalid.
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

impl NativeQuery {
    /// The bytes that the child reads until the end of its input.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        out.push(u8::from(self.partition == Partition::Day));
        text(&self.text, &mut out);
        length(self.params.len(), &mut out);
        for (name, found) in &self.params {
            text(name, &mut out);
            value(found, &mut out);
        }
        let StoreQueryLimits { rows_max, bytes_max, time_max } = self.limits;
        number(rows_max as u64, &mut out);
        number(bytes_max as u64, &mut out);
        number(u64::try_from(time_max.as_nanos()).unwrap_or(u64::MAX), &mut out);
        NativeQueryLimit::ALL.iter().for_each(|limit| number(self.bounds.of(*limit), &mut out));
        out
    }

    /// `None` if the bytes are invalid.
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut from = Reading(bytes);
        let partition = if from.byte()? == 1 { Partition::Day } else { Partition::Month };
        let text = from.text()?;
        let mut params = Vec::new();
        for _ in 0..from.length()? {
            params.push((from.text()?, from.value()?));
        }
        let limits = StoreQueryLimits {
            rows_max: usize::try_from(from.number()?).ok()?,
            bytes_max: usize::try_from(from.number()?).ok()?,
            time_max: Duration::from_nanos(from.number()?),
        };
        let mut bounds = NativeQueryLimits::default();
        for limit in NativeQueryLimit::ALL {
            bounds.set(*limit, from.number()?)?;
        }
        Some(Self { partition, text, params, limits, bounds })
    }
}

/// Encoded by their indices.
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

fn write_error(error: &StoreQueryError, out: &mut Vec<u8>) {
    let (kind, reason, max) = match error {
        StoreQueryError::Refused { message } => (0, message.as_str(), 0),
        StoreQueryError::Unavailable { reason } => (1, reason.as_str(), 0),
        StoreQueryError::Halted { reason } => (2, reason.as_str(), 0),
        StoreQueryError::Rows { max } => (3, "", *max as u64),
        StoreQueryError::Bytes { max } => (4, "", *max as u64),
        StoreQueryError::Time { max_ms } => (5, "", *max_ms),
        StoreQueryError::Broken { reason } => (6, reason.as_str(), 0),
        // The child never returns these two.
        StoreQueryError::Language { .. } | StoreQueryError::SumOverflow { .. } => {
            (6, "not its own", 0)
        }
        StoreQueryError::TooLarge { limit, max } => {
            let at = NativeQueryLimit::ALL.iter().position(|known| known == limit);
            (7 + at.map_or(0, byte), "", *max)
        }
    };
    out.push(kind);
    text(reason, out);
    number(max, out);
}

fn read_error(from: &mut Reading<'_>) -> Option<StoreQueryError> {
    let (kind, reason, max) = (from.byte()?, from.text()?, from.number()?);
    let size = usize::try_from(max).ok()?;
    Some(match kind {
        0 => StoreQueryError::Refused { message: reason },
        1 => StoreQueryError::Unavailable { reason },
        2 => StoreQueryError::Halted { reason },
        3 => StoreQueryError::Rows { max: size },
        4 => StoreQueryError::Bytes { max: size },
        5 => StoreQueryError::Time { max_ms: max },
        6 => StoreQueryError::Broken { reason },
        limit => {
            let limit = *NativeQueryLimit::ALL.get(usize::from(limit - 7))?;
            StoreQueryError::TooLarge { limit, max }
        }
    })
}

/// The bytes that are left to read.
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
    fn every_frame_is_read_back_and_an_incomplete_one_is_refused() {
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
        for limit in NativeQueryLimit::ALL {
            check(&Frame::Error(StoreQueryError::TooLarge { limit: *limit, max: 7 }));
        }
        check(&Frame::Error(StoreQueryError::Refused { message: "no".to_owned() }));
        check(&Frame::Error(StoreQueryError::Time { max_ms: 20_000 }));
    }

    #[test]
    fn a_query_is_read_back_by_the_child_unchanged() {
        let question = NativeQuery {
            partition: Partition::Day,
            text: "SELECT $x".to_owned(),
            params: vec![("x".to_owned(), Value::Float(0.1))],
            limits: StoreQueryLimits {
                rows_max: 1,
                bytes_max: 2,
                time_max: Duration::from_millis(3),
            },
            bounds: NativeQueryLimits { steps: u64::MAX, depth: 7, ..NativeQueryLimits::default() },
        };
        let bytes = question.to_bytes();
        assert_eq!(NativeQuery::from_bytes(&bytes), Some(question));
        assert_eq!(NativeQuery::from_bytes(&bytes[..bytes.len() - 1]), None);
    }
}
