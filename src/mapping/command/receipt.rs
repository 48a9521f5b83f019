//! What a vehicle's receipt says.

use std::sync::Arc;

use super::payload::{Form, Said};
use crate::mapping::{file::ReceiptKeys, topic::TopicPattern};

/// How receipts of one command are read.
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
    /// The vehicle is at it.
    Progress,
    /// It was done.
    Done,
    /// It failed.
    Failed,
    /// The vehicle does not do it.
    Rejected,
}

/// One receipt, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceiptText {
    /// The command's id as the payload has it.
    pub id: Option<Vec<u8>>,
    /// What its status means; nothing if the declaration does not list it.
    pub verdict: Option<ReceiptVerdict>,
    /// What the vehicle says to it.
    pub detail: Option<String>,
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

    /// Of which command.
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
        let status = status.map(Said::into_text);
        let word = self.words.iter().find(|(word, _)| Some(&**word) == status.as_deref());
        Ok(ReceiptText {
            id: id.map(Said::into_bytes).filter(|id| !id.is_empty()),
            verdict: word.map(|(_, verdict)| *verdict),
            detail: detail.map(Said::into_text).filter(|detail| !detail.is_empty()),
        })
    }
}
