//! Framing: the headers before a payload, which select the mapping, and the length prefixes that
//! separate several messages in one payload.

use crate::{
    mapping::{Framing, Plan, Plans, Select, TopicMatch},
    model::{Cause, UnixNanos},
    uplink::{DecodeError, Failure, Limits, Message, diagnose, point::Context},
};

/// The payload after its framing, if the mapping's `select` matches the message.
pub(super) fn selected<'a>(plan: &Plan, message: &Message<'a>) -> Option<&'a [u8]> {
    let payload = message.payload;
    match &plan.select {
        Select::Topic => Some(payload),
        Select::ContentType(wanted) => {
            (message.content_type == Some(wanted.as_ref())).then_some(payload)
        }
        Select::Confluent { schema_id, indexes } => {
            let rest = payload.strip_prefix(&[0])?.strip_prefix(&schema_id.to_be_bytes())?;
            if indexes.is_empty() {
                return Some(rest);
            }
            indexes.iter().find_map(|encoding| rest.strip_prefix(encoding.as_ref()))
        }
        Select::AvroSingleObject { fingerprint } => {
            payload.strip_prefix(&[0xc3, 0x01])?.strip_prefix(&fingerprint.to_le_bytes())
        }
    }
}

/// A message that a mapping's `select` matches, and its payload after the framing.
#[derive(Clone, Copy)]
pub(super) struct Selected<'a> {
    pub(super) plans: &'a Plans,
    pub(super) message: &'a Message<'a>,
    pub(super) matched: &'a TopicMatch,
    pub(super) payload: &'a [u8],
}

impl<'a> Selected<'a> {
    /// The context for its points; `stamp` is the time of the first point without a time of its
    /// own.
    pub(super) fn context(&self, limits: &'a Limits, stamp: UnixNanos) -> Context<'a> {
        Context {
            limits,
            dialect: self.plans.dialect(),
            topic: self.message.topic,
            matched: self.matched,
            received_at: self.message.received_at,
            stamp,
            payload: self.payload,
        }
    }
}

/// One message of a payload.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Frame {
    /// From 1; 0 if the payload is one message.
    number: u32,
    start: usize,
    /// `start <= end <= payload.len()`.
    end: usize,
}

impl Frame {
    /// Its bytes.
    pub(super) fn of(self, payload: &[u8]) -> &[u8] {
        payload.get(self.start..self.end).unwrap_or_default()
    }

    /// The whole payload as one message.
    pub(super) const fn whole(payload: &[u8]) -> Self {
        Self { number: 0, start: 0, end: payload.len() }
    }

    /// The next message, of which only the number is known.
    pub(super) const fn next(self) -> Self {
        Self { number: self.number.saturating_add(1), start: self.end, end: self.end }
    }

    /// Whether it is the first message of the payload.
    pub(super) const fn is_first(self) -> bool {
        self.number <= 1
    }

    /// Converts an error's offset in this message to an offset in the payload.
    pub(super) fn place(self, error: DecodeError) -> DecodeError {
        match error.offset {
            Some(offset) => error.at(self.start + offset as usize),
            None => error,
        }
    }

    /// Adds to a failure's detail which message it was, and what its bytes look like.
    #[cold]
    pub(super) fn tell(self, plan: &Plan, payload: &[u8], failure: &mut Failure) {
        if self.number > 0 {
            failure.detail = format!("message {} of the payload: {}", self.number, failure.detail);
        }
        if let Some(words) = diagnose::failure(plan, payload, failure.cause) {
            // The decoder's text may contain the same hint.
            if !failure.detail.contains(words.key) {
                failure.detail.push_str("; ");
                failure.detail.push_str(&words.text);
            }
        }
    }
}

/// The messages of a payload, one after the other.
#[derive(Debug)]
pub(super) struct Frames<'a> {
    framing: Framing,
    payload: &'a [u8],
    last: Frame,
    is_done: bool,
}

impl<'a> Frames<'a> {
    pub(super) fn new(framing: Framing, payload: &'a [u8]) -> Self {
        Self { framing, payload, last: Frame::default(), is_done: false }
    }

    /// Reads the next header and the range of its message.
    fn framed(&self) -> Result<Frame, DecodeError> {
        let at = self.last.end;
        let rest = &self.payload[at..];
        let (header, len) = match self.framing {
            Framing::None => (0, rest.len()),
            Framing::Delimited => varint(rest, at)?,
            Framing::Grpc => prefixed(rest, at)?,
        };
        let start = at + header;
        if len > self.payload.len() - start {
            let what = "the length in front of a message goes past the end of the payload";
            return Err(DecodeError::new(Cause::PayloadTruncated, what).at(at));
        }
        Ok(Frame { number: self.last.number.saturating_add(1), start, end: start + len })
    }
}

impl Iterator for Frames<'_> {
    type Item = Result<Frame, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.framing == Framing::None {
            let is_first = !std::mem::replace(&mut self.is_done, true);
            return is_first.then_some(Ok(Frame::whole(self.payload)));
        }
        if self.is_done || self.last.end >= self.payload.len() {
            return None;
        }
        let next = self.framed();
        match &next {
            Ok(frame) => self.last = *frame,
            Err(_) => self.is_done = true,
        }
        Some(next)
    }
}

/// Reads a varint header: its own length and the length of the message after it.
fn varint(rest: &[u8], at: usize) -> Result<(usize, usize), DecodeError> {
    let mut value = 0_u64;
    // Five bytes hold every length below 4 GiB.
    for (index, byte) in rest.iter().take(5).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * index);
        if *byte < 0x80 {
            return Ok((index + 1, usize::try_from(value).unwrap_or(usize::MAX)));
        }
    }
    let (cause, what) = match rest.len() {
        ..5 => (Cause::PayloadTruncated, "the payload ends inside the length of a message"),
        _ => (Cause::PayloadMalformed, "no length of a message stands here"),
    };
    Err(DecodeError::new(cause, what).at(at))
}

/// The same for gRPC's header: a compression flag and four bytes of length.
fn prefixed(rest: &[u8], at: usize) -> Result<(usize, usize), DecodeError> {
    let (cause, what) = match rest {
        [0, a, b, c, d, ..] => {
            let len = u32::from_be_bytes([*a, *b, *c, *d]);
            return Ok((5, usize::try_from(len).unwrap_or(usize::MAX)));
        }
        [0, ..] => (Cause::PayloadTruncated, "the payload ends inside the header of a message"),
        [1, ..] => (Cause::PayloadMalformed, "the message is compressed; send it uncompressed"),
        _ => (Cause::PayloadMalformed, "no gRPC header (0 and a length) stands here"),
    };
    Err(DecodeError::new(cause, what).at(at))
}

/// How many messages a payload holds, if each has such a header; `None` if the last length does not
/// end at the payload's end, or a message is empty.
pub(super) fn count(framing: Framing, payload: &[u8]) -> Option<u32> {
    let mut count = 0;
    for frame in Frames::new(framing, payload) {
        let frame = frame.ok().filter(|frame| frame.end > frame.start)?;
        count = frame.number;
    }
    (count > 0).then_some(count)
}
