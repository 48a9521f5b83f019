//! Times of receipt: one look at the clock a turn, one distinct stamp a message.

use std::sync::Arc;

use crate::{env::Clock, model::UnixNanos};

/// Hands out stamps that only grow.
#[derive(Debug)]
pub(super) struct Stamps {
    clock: Arc<dyn Clock>,
    last: UnixNanos,
    /// Whether the clock has been read this turn.
    read: bool,
}

impl Stamps {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, last: UnixNanos(i64::MIN), read: false }
    }

    /// A stamp after every earlier one, even if the clock was set back.
    pub(super) fn next(&mut self) -> UnixNanos {
        let after = self.last.saturating_add(1);
        self.last = if self.read { after } else { after.max(self.clock.wall()) };
        self.read = true;
        self.last
    }

    pub(super) fn end_turn(&mut self) {
        self.read = false;
    }

    pub(super) fn last(&self) -> UnixNanos {
        self.last
    }
}
