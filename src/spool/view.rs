//! How full a spool is: a read-only view.

use std::sync::Arc;

use crate::model::Position;

use super::shared::Shared;

/// What a spool holds at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backlog {
    /// The last durable position.
    pub durable: Position,
    /// The durable cursor.
    pub confirmed: Position,
    /// Segment files.
    pub segments: u64,
    /// Their bytes, including reserved ones.
    pub bytes: u64,
}

impl Backlog {
    /// Entries past the durable cursor.
    #[must_use]
    pub fn entries(&self) -> u64 {
        self.durable.0.saturating_sub(self.confirmed.0)
    }
}

/// A read-only handle of one spool, for metrics and the API. Keeps the folder's lock like the two
/// halves do, so drop it before the folder is opened again.
#[derive(Clone, Debug)]
pub struct View(Arc<Shared>);

impl View {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self(shared)
    }

    /// What the spool holds now.
    #[must_use]
    pub fn backlog(&self) -> Backlog {
        let durable = self.0.durable();
        self.0.look(|segments, confirmed| Backlog {
            durable,
            confirmed,
            segments: segments.len() as u64,
            bytes: segments.iter().map(|segment| segment.charged).sum(),
        })
    }
}
