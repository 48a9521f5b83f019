//! The place of a row in an answer, and `after`, which is the place of the last one.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

use crate::model::UnixNanos;

/// By this the rows of an answer are ordered: the fields' order is the order of rows (QY-2).
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    pub(super) time: UnixNanos,
    pub(super) vehicle: String,
    /// The remaining tags in the mapping's order; an absent one is empty.
    pub(super) tags: Vec<String>,
}

impl Key {
    /// As it is handed out: opaque, and fit for a URL.
    pub(super) fn to_after(&self) -> String {
        let text = serde_json::json!([self.time.0, self.vehicle, self.tags]).to_string();
        URL_SAFE_NO_PAD.encode(text)
    }

    /// Nothing unless it is what [`Key::to_after`] gave.
    pub(super) fn from_after(after: &str) -> Option<Self> {
        let text = URL_SAFE_NO_PAD.decode(after).ok()?;
        let (time, vehicle, tags) = serde_json::from_slice(&text).ok()?;
        Some(Self { time: UnixNanos(time), vehicle, tags })
    }
}
