//! Reads a vehicle's receipts, and writes them as a vehicle does.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::{
    declared::put,
    payload::{FieldError, FieldValue, Form, Leaf, Strictness, bytes_value},
};
use crate::mapping::{file::ReceiptKeys, topic::TopicPattern};

/// How receipts of one command are read and written.
#[derive(Debug)]
pub struct ReceiptRule {
    command: Arc<str>,
    pub(super) topic: TopicPattern,
    form: Form,
    /// The paths of status, id and detail.
    paths: [Option<Box<str>>; 3],
    words: Vec<(Box<str>, ReceiptVerdict)>,
}

/// What a status means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReceiptVerdict {
    /// The vehicle is executing it.
    Progress,
    /// The vehicle has executed it.
    Done,
    /// It failed.
    Failed,
    /// The vehicle refuses to execute it.
    Rejected,
}

/// One receipt, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceiptText {
    /// The command's id as in the payload.
    pub id: Option<Vec<u8>>,
    /// What its status means; `None` if the declaration does not list it.
    pub verdict: Option<ReceiptVerdict>,
    /// What the vehicle says to it.
    pub detail: Option<String>,
}

/// One receipt, to be written.
#[derive(Clone, Copy, Debug)]
pub struct ReceiptWords<'a> {
    /// The command's id as in its payload.
    pub id: Option<&'a [u8]>,
    /// What its status means.
    pub verdict: ReceiptVerdict,
    /// What the vehicle says to it.
    pub detail: Option<&'a str>,
    /// Further fields of a receipt; ignored if the schema has no such field.
    pub more: &'a [(&'a str, Value)],
}

impl ReceiptRule {
    pub(super) fn new(
        command: Arc<str>,
        topic: TopicPattern,
        form: Form,
        keys: &ReceiptKeys,
    ) -> Self {
        let path = |path: &str| Some(path.into());
        let optional = |path: &Option<crate::mapping::file::Placed<String>>| {
            path.as_ref().map(|path| path.value.as_str().into())
        };
        let paths = [path(&keys.status.value), optional(&keys.id), optional(&keys.detail)];
        let words = [
            (&keys.done, ReceiptVerdict::Done),
            (&keys.failed, ReceiptVerdict::Failed),
            (&keys.rejected, ReceiptVerdict::Rejected),
            (&keys.progress, ReceiptVerdict::Progress),
        ];
        let words = words.into_iter().flat_map(|(words, verdict)| {
            words.iter().map(move |word| (word.value.as_str().into(), verdict))
        });
        Self { command, topic, form, paths, words: words.collect() }
    }

    /// The name of its command.
    #[must_use]
    pub fn command(&self) -> &str {
        &self.command
    }

    pub(super) fn is_on(&self, topic: &str) -> bool {
        self.topic.captured(topic).is_some()
    }

    /// The vehicle that the topic names, if it names one.
    #[must_use]
    pub fn vehicle<'t>(&self, topic: &'t str) -> Option<&'t str> {
        self.topic.captured(topic).flatten()
    }

    /// Reads a receipt.
    ///
    /// # Errors
    /// Why it cannot be read.
    pub fn read(&self, payload: &[u8]) -> Result<ReceiptText, String> {
        let paths: Vec<&str> = self.paths.iter().flatten().map(AsRef::as_ref).collect();
        let mut said = self.form.read(payload, &paths)?.into_iter();
        let mut next = |path: &Option<Box<str>>| path.as_ref().and_then(|_| said.next().flatten());
        let [status, id, detail] = &self.paths;
        let (status, id, detail) = (next(status), next(id), next(detail));
        let status = status.map(FieldValue::into_text);
        let word = self.words.iter().find(|(word, _)| Some(&**word) == status.as_deref());
        Ok(ReceiptText {
            id: id.map(FieldValue::into_bytes).filter(|id| !id.is_empty()),
            verdict: word.map(|(_, verdict)| *verdict),
            detail: detail.map(FieldValue::into_text).filter(|detail| !detail.is_empty()),
        })
    }

    /// The topic of a vehicle's receipts.
    #[must_use]
    pub fn topic(&self, vehicle: &str) -> String {
        self.topic.filled(vehicle)
    }

    /// Writes a receipt, as the vehicle does; `None` if the declaration has no status for the
    /// verdict.
    ///
    /// # Errors
    /// A required field that has no value.
    pub fn write(&self, words: &ReceiptWords<'_>) -> Result<Option<Vec<u8>>, FieldError> {
        let word = self.words.iter().find(|(_, verdict)| *verdict == words.verdict);
        let Some((word, _)) = word else { return Ok(None) };
        let [status, id, detail] = &self.paths;
        let mut fields = Map::new();
        if let Some(path) = status {
            let value = match self.form.leaf(path) {
                // `true` of a boolean is no text.
                Ok(Leaf::Other) => serde_json::from_str(word).ok(),
                _ => None,
            };
            put(&mut fields, path, value.unwrap_or_else(|| Value::from(&**word)));
        }
        if let (Some(path), Some(bytes)) = (id, words.id) {
            let value = match self.form.leaf(path) {
                Ok(Leaf::Bytes) => bytes_value(bytes),
                _ => Value::from(String::from_utf8_lossy(bytes)),
            };
            put(&mut fields, path, value);
        }
        if let (Some(path), Some(text)) = (detail, words.detail) {
            put(&mut fields, path, Value::from(text));
        }
        for (path, value) in words.more {
            if self.form.leaf(path).is_ok() {
                put(&mut fields, path, value.clone());
            }
        }
        self.form.encode(&fields, Strictness::Whole).map(Some)
    }
}
