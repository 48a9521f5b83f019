//! MessagePack as InfluxDB 1 writes it: its only format that distinguishes `7.0` from `7`.

use crate::model::UnixNanos;

/// The maximum nesting of a value; an answer has six levels.
const DEPTH_MAX: usize = 16;

/// One value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Packed {
    Nil,
    Boolean(bool),
    Integer(i64),
    Unsigned(u64),
    Float(f64),
    Text(String),
    Time(UnixNanos),
    List(Vec<Packed>),
    Map(Vec<(String, Packed)>),
}

impl Packed {
    /// The value of a key of a map.
    pub(super) fn take(&mut self, key: &str) -> Option<Self> {
        let Self::Map(pairs) = self else { return None };
        let at = pairs.iter().position(|(name, _)| name == key)?;
        Some(pairs.swap_remove(at).1)
    }

    pub(super) fn into_list(self) -> Vec<Self> {
        if let Self::List(items) = self { items } else { Vec::new() }
    }

    pub(super) fn into_text(self) -> Option<String> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }
}

/// Why there is no value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// It is longer than the given bytes.
    Short,
    /// It is not valid MessagePack.
    Wrong,
}

/// The first value of `bytes`, and its length.
pub(super) fn first(bytes: &[u8]) -> Result<(Packed, usize), Fault> {
    let mut reader = Reader { rest: bytes };
    let value = reader.value(0)?;
    Ok((value, bytes.len() - reader.rest.len()))
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn bytes(&mut self, len: usize) -> Result<&'a [u8], Fault> {
        let (taken, rest) = self.rest.split_at_checked(len).ok_or(Fault::Short)?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        self.bytes(N)?.try_into().map_err(|_| Fault::Short)
    }

    fn unsigned(&mut self, width: usize) -> Result<u64, Fault> {
        Ok(self.bytes(width)?.iter().fold(0, |value, byte| value << 8 | u64::from(*byte)))
    }

    fn len(&mut self, width: usize) -> Result<usize, Fault> {
        usize::try_from(self.unsigned(width)?).map_err(|_| Fault::Wrong)
    }

    fn value(&mut self, depth: usize) -> Result<Packed, Fault> {
        if depth > DEPTH_MAX {
            return Err(Fault::Wrong);
        }
        let [tag] = self.array()?;
        Ok(match tag {
            0x00..=0x7f => Packed::Integer(i64::from(tag)),
            0x80..=0x8f => self.map(usize::from(tag & 0x0f), depth)?,
            0x90..=0x9f => self.list(usize::from(tag & 0x0f), depth)?,
            0xa0..=0xbf => self.text(usize::from(tag & 0x1f))?,
            0xc0 => Packed::Nil,
            0xc2 => Packed::Boolean(false),
            0xc3 => Packed::Boolean(true),
            0xc7 => self.time_of_len()?,
            0xca => Packed::Float(f64::from(f32::from_be_bytes(self.array()?))),
            0xcb => Packed::Float(f64::from_be_bytes(self.array()?)),
            0xcc => Packed::Unsigned(self.unsigned(1)?),
            0xcd => Packed::Unsigned(self.unsigned(2)?),
            0xce => Packed::Unsigned(self.unsigned(4)?),
            0xcf => Packed::Unsigned(self.unsigned(8)?),
            0xd0 => Packed::Integer(i64::from(i8::from_be_bytes(self.array()?))),
            0xd1 => Packed::Integer(i64::from(i16::from_be_bytes(self.array()?))),
            0xd2 => Packed::Integer(i64::from(i32::from_be_bytes(self.array()?))),
            0xd3 => Packed::Integer(i64::from_be_bytes(self.array()?)),
            0xd9 => self.long_text(1)?,
            0xda => self.long_text(2)?,
            0xdb => self.long_text(4)?,
            0xdc | 0xdd => {
                let len = self.len(if tag == 0xdc { 2 } else { 4 })?;
                self.list(len, depth)?
            }
            0xde | 0xdf => {
                let len = self.len(if tag == 0xde { 2 } else { 4 })?;
                self.map(len, depth)?
            }
            0xe0..=0xff => Packed::Integer(i64::from(i8::from_be_bytes([tag]))),
            _ => return Err(Fault::Wrong),
        })
    }

    /// No memory is reserved for a length that only the sender claims.
    fn list(&mut self, len: usize, depth: usize) -> Result<Packed, Fault> {
        let mut items = Vec::new();
        for _ in 0..len {
            items.push(self.value(depth + 1)?);
        }
        Ok(Packed::List(items))
    }

    fn map(&mut self, len: usize, depth: usize) -> Result<Packed, Fault> {
        let mut pairs = Vec::new();
        for _ in 0..len {
            let key = self.value(depth + 1)?.into_text().ok_or(Fault::Wrong)?;
            pairs.push((key, self.value(depth + 1)?));
        }
        Ok(Packed::Map(pairs))
    }

    fn long_text(&mut self, width: usize) -> Result<Packed, Fault> {
        let len = self.len(width)?;
        self.text(len)
    }

    /// A line may hold bytes that are not UTF-8; the answer has replacement characters for them.
    fn text(&mut self, len: usize) -> Result<Packed, Fault> {
        Ok(Packed::Text(String::from_utf8_lossy(self.bytes(len)?).into_owned()))
    }

    /// The extension of InfluxDB's writer for a time: type 5, 12 bytes, seconds and nanoseconds.
    fn time_of_len(&mut self) -> Result<Packed, Fault> {
        let [len, kind] = self.array()?;
        if (len, kind) != (12, 5) {
            return Err(Fault::Wrong);
        }
        let seconds = i64::from_be_bytes(self.array()?);
        let nanos = i64::from(i32::from_be_bytes(self.array()?));
        let at = seconds.checked_mul(1_000_000_000).and_then(|whole| whole.checked_add(nanos));
        at.map(|at| Packed::Time(UnixNanos(at))).ok_or(Fault::Wrong)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_of_a_server_is_read_to_the_last_byte_and_only_when_it_is_complete() {
        // One row of InfluxDB 1.6.7: a time, true, 7.0, 7, "x" and a null.
        let bytes = b"\x81\xa7results\x91\x82\xacstatement_id\x00\xa6values\x96\
                      \xd2\x3b\x9a\xca\x00\xc3\xcb\x40\x1c\x00\x00\x00\x00\x00\x00\x07\xa1x\xc0";
        let (mut value, len) = first(bytes).expect("a whole value");
        assert_eq!(len, bytes.len());
        let mut result = value.take("results").expect("there").into_list().remove(0);
        let expect = [
            Packed::Integer(1_000_000_000),
            Packed::Boolean(true),
            Packed::Float(7.0),
            Packed::Integer(7),
            Packed::Text("x".to_owned()),
            Packed::Nil,
        ];
        assert_eq!(result.take("values"), Some(Packed::List(expect.to_vec())));
        for cut in 0..bytes.len() {
            assert_eq!(first(&bytes[..cut]), Err(Fault::Short), "{cut}");
        }
    }

    #[test]
    fn invalid_answers_are_refused_without_using_memory_or_stack_for_them() {
        assert_eq!(first(&[0xc1]), Err(Fault::Wrong));
        assert_eq!(first(&[0xdd, 0xff, 0xff, 0xff, 0xff]), Err(Fault::Short));
        assert_eq!(first(&[0x91; 100]), Err(Fault::Wrong));
        assert_eq!(first(&[0x81, 0x01, 0x01]), Err(Fault::Wrong));
    }
}
