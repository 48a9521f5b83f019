//! Vehicles by name, each with its sessions or the time it left.
//!
//! Why one mutex: it is taken when a session begins to carry a vehicle, when a session ends, and
//! when an operator asks; a page is read in pieces, so that no worker waits for a whole one.

use std::{
    collections::{BTreeMap, VecDeque},
    ops::Bound,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use smallvec::SmallVec;

use crate::model::{NamePattern, UnixNanos};

/// One session of the running process; never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId {
    /// The worker that owns it.
    pub worker: u16,
    /// Its number there.
    pub number: u64,
}

/// Which vehicles a page shows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PresenceFilter {
    /// Only connected ones, or only those away.
    pub connected: Option<bool>,
    /// Only those whose name begins so.
    pub prefix: String,
    /// Only these; `None`: all.
    pub names: Option<Arc<[NamePattern]>>,
}

impl PresenceFilter {
    fn is_named(&self, name: &str) -> bool {
        self.names.as_ref().is_none_or(|names| names.iter().any(|one| one.matches(name)))
    }
}

/// A vehicle as of one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sighting {
    /// Its name.
    pub vehicle: Arc<str>,
    /// The sessions that carry it, the latest last; none: it is away.
    pub sessions: Vec<SessionId>,
    /// When it was last seen, as of the last change here: a session knows better.
    pub last_seen: UnixNanos,
}

/// How many vehicles there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PresenceCounts {
    /// With a live session.
    pub connected: usize,
    /// Remembered without one.
    pub away: usize,
    /// Not remembered any more, because too many are away; since start.
    pub forgotten: u64,
}

/// The presence of every vehicle that was seen since start.
#[derive(Debug)]
pub struct Presence {
    table: Mutex<Table>,
    away_max: usize,
}

#[derive(Debug, Default)]
struct Table {
    vehicles: BTreeMap<Arc<str>, Entry>,
    /// Who left when, in that order. A vehicle that came back leaves its old place here, which is
    /// then skipped; at most half of the places are such.
    left: VecDeque<(Arc<str>, UnixNanos)>,
    connected: usize,
    forgotten: u64,
}

#[derive(Debug)]
struct Entry {
    /// Inline for the one session that nearly every vehicle has.
    sessions: SmallVec<[SessionId; 1]>,
    last_seen: UnixNanos,
}

/// Vehicles looked at before the lock is let go of: some 50 µs.
const PIECE: usize = 1024;
/// Skipped places that are not worth tidying up.
const STALE_MIN: usize = 1024;

impl Presence {
    /// Sessions noted a vehicle, at most: beyond a second radio it is a mapping that names one
    /// vehicle for many.
    pub const SESSIONS_MAX: usize = 8;

    /// Nobody is there yet; `away_max` of those who leave are remembered.
    #[must_use]
    pub fn new(away_max: usize) -> Self {
        Self { table: Mutex::default(), away_max }
    }

    /// A session carries a vehicle. Gives the shared name.
    pub fn enter(&self, vehicle: &str, session: SessionId, at: UnixNanos) -> Arc<str> {
        let mut table = self.lock();
        let table = &mut *table;
        let known = table.vehicles.range_mut::<str, _>(only(vehicle)).next();
        let Some((name, entry)) = known else {
            let name: Arc<str> = vehicle.into();
            let sessions = SmallVec::from_buf([session]);
            table.vehicles.insert(Arc::clone(&name), Entry { sessions, last_seen: at });
            table.connected += 1;
            return name;
        };
        if entry.sessions.is_empty() {
            table.connected += 1;
        }
        if !entry.sessions.contains(&session) {
            if entry.sessions.len() == Self::SESSIONS_MAX {
                entry.sessions.remove(0);
            }
            entry.sessions.push(session);
        }
        entry.last_seen = entry.last_seen.max(at);
        Arc::clone(name)
    }

    /// A session that carried a vehicle has ended (PR-1).
    pub fn leave(&self, vehicle: &str, session: SessionId, last_seen: UnixNanos) {
        let mut table = self.lock();
        let table = &mut *table;
        let known = table.vehicles.range_mut::<str, _>(only(vehicle)).next();
        // Only one that is away can have been forgotten, so this session was pushed out earlier.
        let Some((name, entry)) = known else { return };
        entry.last_seen = entry.last_seen.max(last_seen);
        let before = entry.sessions.len();
        entry.sessions.retain(|other| *other != session);
        if before == 0 || !entry.sessions.is_empty() {
            return;
        }
        table.left.push_back((Arc::clone(name), entry.last_seen));
        table.connected -= 1;
        table.forget(self.away_max);
    }

    /// One vehicle.
    #[must_use]
    pub fn find(&self, vehicle: &str) -> Option<Sighting> {
        let table = self.lock();
        table.vehicles.get_key_value(vehicle).map(|(name, entry)| sighting(name, entry))
    }

    /// The next vehicles behind `after` by name, at most `limit`, and whether there are more.
    #[must_use]
    pub fn page(
        &self,
        filter: &PresenceFilter,
        after: Option<&str>,
        limit: usize,
    ) -> (Vec<Sighting>, bool) {
        let mut found = Vec::new();
        let mut at: Bound<Arc<str>> = match after.filter(|after| *after >= filter.prefix.as_str()) {
            Some(after) => Bound::Excluded(after.into()),
            None => Bound::Included(filter.prefix.as_str().into()),
        };
        loop {
            let table = self.lock();
            let mut looked = 0;
            let mut last = None;
            for (name, entry) in table.vehicles.range((at.clone(), Bound::Unbounded)).take(PIECE) {
                if !name.starts_with(&filter.prefix) {
                    return (found, false);
                }
                let is_connected = !entry.sessions.is_empty();
                if filter.connected.is_none_or(|wanted| wanted == is_connected)
                    && filter.is_named(name)
                {
                    if found.len() == limit {
                        return (found, true);
                    }
                    found.push(sighting(name, entry));
                }
                looked += 1;
                last = Some(name);
            }
            match last {
                Some(name) if looked == PIECE => at = Bound::Excluded(Arc::clone(name)),
                _ => return (found, false),
            }
        }
    }

    /// How many there are.
    #[must_use]
    pub fn counts(&self) -> PresenceCounts {
        let table = self.lock();
        PresenceCounts {
            connected: table.connected,
            away: table.vehicles.len() - table.connected,
            forgotten: table.forgotten,
        }
    }

    /// Places of those who left, skipped ones included.
    #[cfg(test)]
    pub(super) fn places(&self) -> usize {
        self.lock().left.len()
    }

    /// Each change leaves the table whole before anything can panic.
    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    /// Forgets those who left first until at most `away_max` are remembered.
    fn forget(&mut self, away_max: usize) {
        while self.vehicles.len() - self.connected > away_max {
            let Some((name, at)) = self.left.pop_front() else { break };
            if is_away_since(&self.vehicles, &name, at) {
                self.vehicles.remove(&name);
                self.forgotten += 1;
            }
        }
        let away = self.vehicles.len() - self.connected;
        if self.left.len() > 2 * away + STALE_MIN {
            self.left.retain(|(name, at)| is_away_since(&self.vehicles, name, *at));
        }
    }
}

fn is_away_since(vehicles: &BTreeMap<Arc<str>, Entry>, name: &str, at: UnixNanos) -> bool {
    let entry = vehicles.get(name);
    entry.is_some_and(|entry| entry.sessions.is_empty() && entry.last_seen == at)
}

fn only(vehicle: &str) -> (Bound<&str>, Bound<&str>) {
    (Bound::Included(vehicle), Bound::Included(vehicle))
}

fn sighting(name: &Arc<str>, entry: &Entry) -> Sighting {
    Sighting {
        vehicle: Arc::clone(name),
        sessions: entry.sessions.to_vec(),
        last_seen: entry.last_seen,
    }
}
