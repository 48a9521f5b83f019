//! The will of a client: the message published if it disappears without DISCONNECT.

use super::wire::{ConnectWill, Publish, Qos, Violation, content_type, level_count};
use crate::{model::UnixNanos, sessions::StoredMessage};

/// A will, as in its CONNECT.
#[derive(Debug)]
pub(super) struct Will {
    qos: Qos,
    retain: bool,
    topic: Box<str>,
    content_type: Option<Box<str>>,
    /// Its message expiry interval in seconds.
    message_expiry: Option<u32>,
    user_properties: usize,
    properties: Box<[u8]>,
    payload: Box<[u8]>,
    /// The will delay in seconds after the end of the connection.
    delay: u32,
}

impl Will {
    /// Copies a will, after checking it against the bounds of a publish.
    ///
    /// # Errors
    /// The bound that it exceeds.
    pub(super) fn new(
        will: &ConnectWill<'_>,
        topic_bytes_max: usize,
        topic_levels_max: usize,
        user_properties_max: usize,
    ) -> Result<Box<Self>, Violation> {
        let ConnectWill { qos, retain, topic, properties, payload } = *will;
        if topic.len() > topic_bytes_max || level_count(topic) > topic_levels_max {
            return Err(Violation::TopicNameInvalid);
        }
        if properties.user_properties > user_properties_max {
            return Err(Violation::QuotaExceeded);
        }
        Ok(Box::new(Self {
            qos,
            retain,
            topic: topic.into(),
            content_type: properties.content_type.map(Into::into),
            message_expiry: properties.message_expiry,
            user_properties: properties.user_properties,
            properties: properties.block.into(),
            payload: payload.into(),
            delay: properties.will_delay.unwrap_or(0),
        }))
    }

    /// The will delay in seconds.
    pub(super) fn delay(&self) -> u32 {
        self.delay
    }

    /// Its stored form, besides its session. Its expiry starts when it is published.
    pub(super) fn stored(&self) -> StoredMessage<'_> {
        StoredMessage {
            qos: self.qos as u8,
            retain: self.retain,
            expires: self.message_expiry.map(|seconds| (UnixNanos(i64::MAX), seconds)),
            topic: &self.topic,
            properties: &self.properties,
            payload: &self.payload,
        }
    }

    /// From its stored form.
    pub(super) fn of_stored(stored: &StoredMessage<'_>) -> Option<Box<Self>> {
        let StoredMessage { qos, retain, expires, topic, properties, payload } = *stored;
        Some(Box::new(Self {
            qos: Qos::of(qos)?,
            retain,
            topic: topic.into(),
            content_type: content_type(properties).map(Into::into),
            message_expiry: expires.map(|(_, seconds)| seconds),
            user_properties: 0,
            properties: properties.into(),
            payload: payload.into(),
            delay: 0,
        }))
    }

    /// Its topic.
    pub(super) fn topic(&self) -> &str {
        &self.topic
    }

    /// As a publish without an acknowledgement.
    pub(super) fn publish(&self) -> Publish<'_> {
        Publish {
            qos: self.qos,
            retain: self.retain,
            topic: &self.topic,
            packet_id: None,
            topic_alias: None,
            content_type: self.content_type.as_deref(),
            message_expiry: self.message_expiry,
            user_properties: self.user_properties,
            properties: &self.properties,
            payload: &self.payload,
        }
    }
}
