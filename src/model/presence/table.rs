//! Vehicles by name, each with its sessions or the time at which it left.
//!
//! Why one mutex: it is taken when a session first publishes for a vehicle, when a session ends,
//! and when an operator asks. A page is read in pieces, so that no worker waits for a whole page.

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
    /// Only those whose name has this prefix.
    pub prefix: String,
    /// Only these; `None`: all.
    pub names: Option<Arc<[NamePattern]>>,
}

impl PresenceFilter {
    fn is_named(&self, name: &str) -> bool {
        self.names.as_ref().is_none_or(|names| names.iter().any(|one| one.matches(name)))
    }
}

/// A vehicle at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VehiclePresence {
    /// Its name.
    pub vehicle: Arc<str>,
    /// Its sessions, the latest last; empty: it is away.
    pub sessions: Vec<SessionId>,
    /// When it was last seen, as of the last change here; a connected session has the exact time.
    pub last_seen: UnixNanos,
}

/// How many vehicles there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PresenceCounts {
    /// With a live session.
    pub connected: usize,
    /// Remembered without one.
    pub away: usize,
    /// Forgotten since start, because too many were away.
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
    /// The vehicles that left, in that order. The entry of a vehicle that came back stays here and
    /// is skipped later; at most half of the entries are such.
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

/// Vehicles examined before the lock is released: about 50 µs.
const PIECE: usize = 1024;
/// Up to this many stale entries are not cleaned up.
const STALE_MIN: usize = 1024;

impl Presence {
    /// The maximum number of noted sessions per vehicle. A vehicle may have a second radio; more
    /// sessions mean that a mapping names one vehicle for many.
    pub const SESSIONS_MAX: usize = 8;

    /// An empty table that remembers `away_max` disconnected vehicles.
    #[must_use]
    pub fn new(away_max: usize) -> Self {
        Self { table: Mutex::default(), away_max }
    }

    /// A session publishes for a vehicle for the first time. Returns the shared name.
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

    /// A session of a vehicle has ended (PR-1).
    pub fn leave(&self, vehicle: &str, session: SessionId, last_seen: UnixNanos) {
        let mut table = self.lock();
        let table = &mut *table;
        let known = table.vehicles.range_mut::<str, _>(only(vehicle)).next();
        // Only a vehicle that is away can have been forgotten, so this session was replaced
        // earlier.
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
    pub fn find(&self, vehicle: &str) -> Option<VehiclePresence> {
        let table = self.lock();
        table.vehicles.get_key_value(vehicle).map(|(name, entry)| sighting(name, entry))
    }

    /// The next vehicles after `after` by name, at most `limit`, and whether there are more.
    #[must_use]
    pub fn page(
        &self,
        filter: &PresenceFilter,
        after: Option<&str>,
        limit: usize,
    ) -> (Vec<VehiclePresence>, bool) {
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

    /// The counts.
    #[must_use]
    pub fn counts(&self) -> PresenceCounts {
        let table = self.lock();
        PresenceCounts {
            connected: table.connected,
            away: table.vehicles.len() - table.connected,
            forgotten: table.forgotten,
        }
    }

    /// Entries of vehicles that left, including stale ones.
    #[cfg(test)]
    pub(super) fn left_len(&self) -> usize {
        self.lock().left.len()
    }

    /// Poisoning is ignored: each change is complete before anything can panic.
    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    /// Forgets the vehicles that left first until at most `away_max` are remembered.
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

fn sighting(name: &Arc<str>, entry: &Entry) -> VehiclePresence {
    VehiclePresence {
        vehicle: Arc::clone(name),
        sessions: entry.sessions.to_vec(),
        last_seen: entry.last_seen,
    }
}
