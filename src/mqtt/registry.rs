//! The registry of session keys (an identity and its client identifier): one session for each key.
//!
//! A client that connects takes its key over from an older connection ([MQTT-3.1.4-2] of 3.1.1,
//! [MQTT-3.1.4-3] of 5.0): a vehicle that lost its connection is back before the server notices.
//! The table is used at a CONNECT and at the end of a connection, never for a message.
//!
//! Two clients with the same key would take it from each other as fast as they can reconnect. So a
//! key may be taken over a few times at once, and then once per interval.
//!
//! Bounded by the live sessions, each of which has one key. The session shares the key's text, so
//! that an entry costs about 90 bytes.
//!
//! Why several mutexes: sessions of all workers use it, each for one look-up. A growing table
//! blocks the others while it copies, so it is divided into pieces.

use std::{
    collections::{HashMap, hash_map::RandomState},
    hash::BuildHasher as _,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use crate::model::SessionId;

/// Pieces of the table: of a million ids, one piece copies about 60,000 when it grows.
const PIECES: usize = 16;

type Piece = HashMap<Arc<str>, Owner>;

/// Take-overs of a key that need not wait for an interval.
const AT_ONCE: u32 = 10;

#[derive(Clone, Copy, Debug)]
struct Owner {
    session: SessionId,
    /// The time until which the past take-overs, at one per interval, are used up.
    paid: Duration,
}

/// The result when a session takes a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// The key was free; the session has it.
    Free,
    /// The session has taken the key over from this one.
    Over(SessionId),
    /// The key is taken over too often; the session may retry after this time.
    TooSoon(Duration),
}

/// The sessions of all keys.
#[derive(Debug, Default)]
pub(super) struct ClientRegistry {
    /// Seeded, so that no client can choose ids that are all in one piece.
    hasher: RandomState,
    pieces: [Mutex<Piece>; PIECES],
}

impl ClientRegistry {
    /// A session takes a key, unless it is taken over more often than once per `interval`.
    pub(super) fn take(
        &self,
        key: &Arc<str>,
        session: SessionId,
        now: Duration,
        interval: Duration,
    ) -> Taken {
        let mut piece = self.piece(key);
        let Some(before) = piece.get(key).copied() else {
            piece.insert(Arc::clone(key), Owner { session, paid: now });
            return Taken::Free;
        };
        let paid = before.paid.max(now) + interval;
        let wait = paid.saturating_sub(now + AT_ONCE * interval);
        if !wait.is_zero() {
            return Taken::TooSoon(wait);
        }
        piece.insert(Arc::clone(key), Owner { session, paid });
        Taken::Over(before.session)
    }

    /// A session has ended; the key is free unless another session has taken it over.
    pub(super) fn release(&self, key: &str, session: SessionId) {
        let mut piece = self.piece(key);
        if piece.get(key).is_some_and(|owner| owner.session == session) {
            piece.remove(key);
        }
    }

    /// Poisoning is ignored: each change is complete before anything can panic.
    fn piece(&self, key: &str) -> MutexGuard<'_, Piece> {
        let hash = self.hasher.hash_one(key);
        let at = usize::from(hash.to_le_bytes()[0]) % PIECES;
        self.pieces[at].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn session(number: u64) -> SessionId {
        SessionId { worker: 1, number }
    }

    #[test]
    fn the_latest_session_has_an_identifier_until_it_ends() {
        let registry = ClientRegistry::default();
        let id: Arc<str> = "v".into();
        let take =
            |id: &Arc<str>, number, at| registry.take(id, session(number), at * SECOND, SECOND);
        assert_eq!(take(&id, 1, 0), Taken::Free);
        assert_eq!(take(&"other".into(), 2, 0), Taken::Free);
        assert_eq!(take(&id, 3, 0), Taken::Over(session(1)));
        // The old session ends after the new one has taken the key.
        registry.release("v", session(1));
        assert_eq!(take(&id, 4, 1), Taken::Over(session(3)));
        registry.release("v", session(4));
        assert_eq!(take(&id, 5, 1), Taken::Free);
    }

    #[test]
    fn a_key_is_taken_over_a_few_times_at_once_and_then_once_per_interval() {
        let registry = ClientRegistry::default();
        let id: Arc<str> = "v".into();
        let take =
            |number, tenths| registry.take(&id, session(number), tenths * SECOND / 10, SECOND);
        assert_eq!(take(0, 0), Taken::Free);
        for number in 1..=10 {
            assert_eq!(take(number, 1), Taken::Over(session(number - 1)), "{number}");
        }
        assert_eq!(take(11, 2), Taken::TooSoon(9 * SECOND / 10));
        assert_eq!(take(11, 11), Taken::Over(session(10)));
        assert_eq!(take(12, 11), Taken::TooSoon(SECOND));
        registry.release("v", session(11));
        assert_eq!(take(12, 12), Taken::Free, "who finds nobody there waits for nobody");
    }
}
