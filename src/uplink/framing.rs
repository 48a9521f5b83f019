//! Which mapping takes a message, by what stands in front of its payload or beside it.

use crate::{
    mapping::{Plan, Select},
    uplink::Message,
};

/// The payload behind its framing, if the mapping takes the message.
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
