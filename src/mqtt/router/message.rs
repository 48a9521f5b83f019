//! A message for its receivers.

use std::time::Duration;

use crate::{
    model::{CommandId, SessionId, UnixNanos},
    mqtt::wire::{Body, Qos},
};

/// A message, shared by all its receivers.
///
/// Memory: about 120 bytes, its topic, its properties and its payload, once for all receivers.
#[derive(Debug)]
pub(in crate::mqtt) struct Message {
    pub(in crate::mqtt) body: Body,
    /// As it was published; a receiver gets at most this.
    pub(in crate::mqtt) qos: Qos,
    /// As it was published.
    pub(in crate::mqtt) retain: bool,
    /// When it expires.
    pub(in crate::mqtt) expires: Option<Expiry>,
    /// Its publisher, for subscriptions with No Local.
    pub(in crate::mqtt) publisher: Option<SessionId>,
    /// Its number among the retained messages; 0 if it is not retained.
    pub(in crate::mqtt) retained_as: u64,
    /// Its command, if it is one: a command goes to one session, and its outcome is reported.
    pub(in crate::mqtt) command: Option<CommandTag>,
}

/// The command of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::mqtt) struct CommandTag {
    pub(in crate::mqtt) id: CommandId,
    pub(in crate::mqtt) attempt: u32,
    /// It was sent before, to a session that has ended.
    pub(in crate::mqtt) is_repeat: bool,
}

/// The expiry of a message.
#[derive(Clone, Copy, Debug)]
pub(in crate::mqtt) struct Expiry {
    /// On the monotonic clock.
    at: Duration,
    /// The publisher's message expiry interval.
    seconds: u32,
}

impl Expiry {
    /// Expires `seconds` after `now`.
    pub(in crate::mqtt) fn after(seconds: u32, now: Duration) -> Self {
        Self { at: now + Duration::from_secs(seconds.into()), seconds }
    }
}

impl Expiry {
    /// The stored form, for a restart: the wall-clock time, and the publisher's seconds.
    pub(in crate::mqtt) fn kept(self, now: Duration, wall: UnixNanos) -> (UnixNanos, u32) {
        let left = self.at.saturating_sub(now).as_nanos();
        let left = i64::try_from(left).unwrap_or(i64::MAX);
        (wall.saturating_add(left), self.seconds)
    }

    /// From the stored form.
    pub(in crate::mqtt) fn of_kept(kept: (UnixNanos, u32), now: Duration, wall: UnixNanos) -> Self {
        let (at, seconds) = kept;
        let left = u64::try_from(at.0.saturating_sub(wall.0)).unwrap_or(0);
        Self { at: now.saturating_add(Duration::from_nanos(left)), seconds }
    }

    /// Expires after `left`; shown rounded up to seconds.
    pub(in crate::mqtt) fn within(left: Duration, now: Duration) -> Self {
        let seconds = left.as_secs() + u64::from(left.subsec_nanos() > 0);
        Self { at: now + left, seconds: u32::try_from(seconds).unwrap_or(u32::MAX) }
    }
}

impl Message {
    /// The remaining seconds, rounded up, so that a message that is passed on at once has its
    /// publisher's value; never more than that, although clocks are read once per tick.
    pub(in crate::mqtt) fn seconds_left(&self, now: Duration) -> Option<u32> {
        let Expiry { at, seconds } = self.expires?;
        let left = at.saturating_sub(now);
        let rounded = left.as_secs() + u64::from(left.subsec_nanos() > 0);
        Some(u32::try_from(rounded).map_or(seconds, |left| left.min(seconds)))
    }

    pub(in crate::mqtt) fn is_expired(&self, now: Duration) -> bool {
        self.expires.is_some_and(|expiry| expiry.at <= now)
    }

    /// Bytes that it takes in memory.
    pub(in crate::mqtt) fn memory(&self) -> usize {
        size_of::<Self>() + 2 * size_of::<usize>() + self.body.len()
    }
}
