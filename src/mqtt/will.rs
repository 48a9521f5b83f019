//! The will of a client: what is published for it if it goes without a goodbye.

use super::wire::{ConnectWill, Publish, Qos, Violation, level_count};

/// A will, as its CONNECT said it.
#[derive(Debug)]
pub(super) struct Will {
    qos: Qos,
    retain: bool,
    topic: Box<str>,
    content_type: Option<Box<str>>,
    /// Seconds that it is good for once it is published.
    message_expiry: Option<u32>,
    user_properties: usize,
    properties: Box<[u8]>,
    payload: Box<[u8]>,
}

impl Will {
    /// Copies a will, which is held to the bounds of a publish.
    ///
    /// # Errors
    /// The bound that it is over.
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
        }))
    }

    /// Where it will be published.
    pub(super) fn topic(&self) -> &str {
        &self.topic
    }

    /// As a publish that nobody waits for.
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
