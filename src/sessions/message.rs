//! The stored form of a message.

use crate::model::UnixNanos;

use super::bytes::{Reader, len32, put_text};

/// A stored message: of a queue, retained, or a will.
///
/// ```text
/// 0   1  QoS, and 4 if it is to be retained
/// 1   8  when it expires, in nanoseconds since 1970; 0: never
/// 9   4  seconds that its publisher gave it
/// 13     topic behind its length (2), properties behind theirs (4), payload
/// end-4  CRC-32 of all before it: it is read alone, and not with its frame
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoredMessage<'a> {
    /// As it was published.
    pub qos: u8,
    /// As it was published.
    pub retain: bool,
    /// When it expires, and the publisher's message expiry interval in seconds.
    pub expires: Option<(UnixNanos, u32)>,
    /// Its topic.
    pub topic: &'a str,
    /// Its properties, as written by the caller.
    pub properties: &'a [u8],
    /// Its payload.
    pub payload: &'a [u8],
}

const RETAIN: u8 = 4;

impl<'a> StoredMessage<'a> {
    /// Appends the message after its length.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let begin = out.len();
        out.extend([0; 4]);
        out.push(self.qos | if self.retain { RETAIN } else { 0 });
        let (at, seconds) = self.expires.map_or((0, 0), |(at, seconds)| (at.0, seconds));
        out.extend(at.to_le_bytes());
        out.extend(seconds.to_le_bytes());
        put_text(out, self.topic);
        out.extend(len32(self.properties.len()).to_le_bytes());
        out.extend_from_slice(self.properties);
        out.extend_from_slice(self.payload);
        let crc = crc32fast::hash(&out[begin + 4..]);
        out.extend(crc.to_le_bytes());
        let len = len32(out.len() - begin - 4);
        out[begin..begin + 4].copy_from_slice(&len.to_le_bytes());
    }

    /// Reads a message, without its length; `None` unless its checksum matches.
    #[must_use]
    pub fn read(bytes: &'a [u8]) -> Option<Self> {
        let (body, crc) = bytes.split_last_chunk::<4>()?;
        if crc32fast::hash(body) != u32::from_le_bytes(*crc) {
            return None;
        }
        let mut reader = Reader::new(body);
        let flags = reader.u8()?;
        let at = reader.i64()?;
        let seconds = reader.u32()?;
        let topic = reader.text()?;
        let properties = reader.u32()?;
        let properties = reader.take(usize::try_from(properties).ok()?)?;
        let payload = reader.take(body.len() - reader.at())?;
        Some(Self {
            qos: flags & 3,
            retain: flags & RETAIN != 0,
            expires: (at != 0).then_some((UnixNanos(at), seconds)),
            topic,
            properties,
            payload,
        })
    }

    /// The topic of a message whose checksum was already checked.
    pub(super) fn topic_of(bytes: &'a [u8]) -> Option<&'a str> {
        let mut reader = Reader::new(bytes);
        reader.skip(13)?;
        reader.text()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_read_back_unchanged_and_refused_if_a_bit_is_wrong() {
        let message = StoredMessage {
            qos: 2,
            retain: true,
            expires: Some((UnixNanos(5), 60)),
            topic: "v/1",
            properties: b"pp",
            payload: b"payload",
        };
        let mut bytes = Vec::new();
        message.write(&mut bytes);
        let mut block = bytes.split_off(4);
        assert_eq!(u32::from_le_bytes(bytes.try_into().expect("four")) as usize, block.len());
        assert_eq!(StoredMessage::read(&block), Some(message));
        assert_eq!(StoredMessage::topic_of(&block), Some("v/1"));
        for at in 0..block.len() {
            block[at] ^= 1;
            assert_eq!(StoredMessage::read(&block), None, "{at}");
            block[at] ^= 1;
        }
    }
}
