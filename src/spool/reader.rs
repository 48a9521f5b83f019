//! The reading half: batches of durable entries, and the cursor that says which are confirmed.

use tokio::sync::watch;

use crate::model::Position;

use super::{
    cursor::{Cursor, CursorError},
    reading::{Batch, BatchLimits, ReadError, Reading},
    shared::Released,
    view::View,
};

/// The reading half of a spool: a [`Reading`] behind which a [`Cursor`] moves.
#[derive(Debug)]
pub struct Reader {
    reading: Reading,
    cursor: Cursor,
}

impl Reader {
    pub(super) fn new(cursor: Cursor) -> Self {
        Self { reading: cursor.reading(), cursor }
    }

    /// The reading and the cursor separately, to read at several places.
    #[must_use]
    pub fn into_parts(self) -> (Reading, Cursor) {
        (self.reading, self.cursor)
    }

    /// As [`Reading::read_batch`].
    ///
    /// # Errors
    /// Only if nothing was read before the failure: see [`ReadError`].
    pub fn read_batch(
        &mut self,
        into: &mut Vec<u8>,
        limits: BatchLimits,
    ) -> Result<Option<Batch>, ReadError> {
        self.reading.read_batch(into, limits)
    }

    /// As [`Cursor::confirm`].
    ///
    /// # Panics
    /// If the position was not read yet (SP-4).
    pub fn confirm(&mut self, upto: Position) {
        assert!(upto < self.reading.next(), "SP-4: only what was read is confirmed");
        self.cursor.confirm(upto);
    }

    /// Moves the cursor, in memory, over durable entries that will not be read: for a log from
    /// which items are taken in another way.
    ///
    /// # Panics
    /// If the position is not durable (SP-4).
    pub fn pass(&mut self, upto: Position) {
        self.cursor.confirm(upto);
        self.reading.skip_to(upto.next());
    }

    /// As [`Cursor::flush`].
    ///
    /// # Errors
    /// See [`CursorError`]. In memory the cursor stays where it is.
    pub fn flush_cursor(&mut self) -> Result<Released, CursorError> {
        self.cursor.flush()
    }

    /// As [`Cursor::durable`].
    #[must_use]
    pub fn durable(&self) -> watch::Receiver<Position> {
        self.cursor.durable()
    }

    /// As [`Cursor::confirmed`].
    #[must_use]
    pub fn confirmed(&self) -> Position {
        self.cursor.confirmed()
    }

    /// A handle that tells how full the spool is.
    #[must_use]
    pub fn view(&self) -> View {
        self.cursor.view()
    }
}
