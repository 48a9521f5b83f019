//! The registry of session keys (an identity and its client identifier): which session has which,
//! never two at once.
//!
//! A client that connects takes its key over from whoever had it ([MQTT-3.1.4-2] of 3.1.1,
//! [MQTT-3.1.4-3] of 5.0): a vehicle that lost its line is back before the server has noticed. The
//! table is looked at by a CONNECT and when a connection ends, never by a message.
//!
//! Bounded by the live sessions, of which each has one key. It is shared with its
//! session, so that an entry costs some 70 bytes.
//!
//! Why mutexes, and several: sessions of all workers meet here, each for one look-up; a table that
//! grows holds up the others for as long as it copies, so it is cut into pieces.

use std::{
    collections::{HashMap, hash_map::RandomState},
    hash::BuildHasher as _,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::model::SessionId;

/// Pieces of the table: of a million ids, one piece copies some 60,000 when it grows.
const PIECES: usize = 16;

type Piece = HashMap<Arc<str>, SessionId>;

/// The sessions of all keys.
#[derive(Debug, Default)]
pub(super) struct ClientRegistry {
    /// Seeded, so that nobody can choose ids that fall into one piece.
    hasher: RandomState,
    pieces: [Mutex<Piece>; PIECES],
}

impl ClientRegistry {
    /// A session takes a key; gives the session that held it until now.
    pub(super) fn take(&self, key: &Arc<str>, session: SessionId) -> Option<SessionId> {
        self.piece(key).insert(Arc::clone(key), session)
    }

    /// A session has ended; the key is free unless another session has taken it over.
    pub(super) fn release(&self, key: &str, session: SessionId) {
        let mut piece = self.piece(key);
        if piece.get(key) == Some(&session) {
            piece.remove(key);
        }
    }

    /// Each change leaves the piece whole before anything can panic.
    fn piece(&self, key: &str) -> MutexGuard<'_, Piece> {
        let hash = self.hasher.hash_one(key);
        let at = usize::from(hash.to_le_bytes()[0]) % PIECES;
        self.pieces[at].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_session_has_an_identifier_until_it_ends() {
        let registry = ClientRegistry::default();
        let session = |number| SessionId { worker: 1, number };
        let id: Arc<str> = "v".into();
        assert_eq!(registry.take(&id, session(1)), None);
        assert_eq!(registry.take(&"other".into(), session(2)), None);
        assert_eq!(registry.take(&id, session(3)), Some(session(1)));
        // The one that was pushed out ends after the other has come.
        registry.release("v", session(1));
        assert_eq!(registry.take(&id, session(4)), Some(session(3)));
        registry.release("v", session(4));
        assert_eq!(registry.take(&id, session(5)), None);
    }
}
