//! The open commands in memory: by id, by vehicle in order, and by due time.
//!
//! Memory: about 300 bytes per command, including its topic and names; payloads stay on disk until
//! they are sent.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::in_sessions::{InSessions, QueuedCommand};
use crate::{
    downlink::{
        lifecycle::State,
        push::Verified,
        store::{OpenRow, Update},
    },
    mapping::Order,
    model::{CommandId, SessionId},
};

/// An open command: it has not ended.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) row: OpenRow,
    pub(super) maybe_received: bool,
    pub(super) ended_ms: Option<i64>,
    pub(super) flight: Flight,
    /// The connection to which it was sent in this process.
    pub(super) session: Option<SessionId>,
    /// Whether its effect is verified, if it is delivered in this process.
    pub(super) verified: Option<Verified>,
}

/// Where a command is, during this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flight {
    /// It waits here.
    Home,
    /// It waits here, and its `still` is being checked.
    Asking,
    /// It waits here, and its `still` holds: it may be sent.
    Cleared,
    /// It waits here until it is tried again: its `still` was unknown, or its session had no room.
    Later,
    /// It is with a session.
    With(u32),
}

impl Open {
    pub(super) fn new(row: OpenRow) -> Self {
        Self {
            maybe_received: false,
            ended_ms: None,
            flight: match (row.state, row.lasting) {
                // It stays with the persistent session that has it, also after a restart.
                (State::Sent, Some(_)) => Flight::With(row.attempts),
                _ => Flight::Home,
            },
            session: None,
            verified: None,
            row,
        }
    }

    /// The persistent session that has it in its queue.
    pub(super) fn holding(&self) -> Option<QueuedCommand> {
        let (Flight::With(attempt), State::Sent) = (self.flight, self.row.state) else {
            return None;
        };
        let lasting = self.row.lasting?;
        Some(QueuedCommand { lasting, command: self.row.id, attempt, seq: self.row.seq })
    }

    pub(super) fn has_ended(&self) -> bool {
        self.row.state.is_final(self.row.execute_within_ms.is_some())
    }

    /// When its next timer expires.
    pub(super) fn deadline(&self) -> Option<i64> {
        match self.row.state {
            // Its time begins when its push releases it.
            State::Queued if self.row.held_ms.is_some() => None,
            State::Queued | State::Sent => Some(self.row.expires_ms),
            State::Delivered => self.row.due_ms,
            _ => None,
        }
    }

    /// Whether the vehicle's next command must wait for this one.
    pub(super) fn blocks(&self) -> bool {
        match (self.row.order, self.row.state) {
            (Order::AtOnce, _) => false,
            (_, State::Queued | State::Sent) => true,
            (Order::AfterReceipt, State::Delivered) => !self.has_ended(),
            (Order::AfterDelivery | Order::AfterReceipt, _) => false,
        }
    }

    pub(super) fn update(&self) -> Update {
        let row = &self.row;
        Update {
            seq: row.seq,
            state: row.state,
            cause: row.cause.clone(),
            due_ms: row.due_ms,
            cancel_requested: row.cancel_requested,
            maybe_received: self.maybe_received,
            ended_ms: self.ended_ms,
            expires_ms: row.expires_ms,
            held_ms: row.held_ms,
            verified: self.verified,
            attempts: row.attempts,
            lasting: row.lasting,
        }
    }
}

/// Vehicles with an open command: the MQTT edge checks this before it reports that a vehicle is
/// reachable. A mutex, because workers read it while the thread of commands writes.
#[derive(Debug, Default)]
pub(in crate::downlink) struct Awaited(Mutex<HashSet<Arc<str>>>);

impl Awaited {
    fn lock(&self) -> MutexGuard<'_, HashSet<Arc<str>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(in crate::downlink) fn contains(&self, vehicle: &str) -> bool {
        self.lock().contains(vehicle)
    }
}

/// All open commands.
#[derive(Debug, Default)]
pub(super) struct OpenCommands {
    open: HashMap<i64, Open>,
    ids: HashMap<CommandId, i64>,
    /// The commands of each vehicle, in the order of creation.
    vehicles: HashMap<Arc<str>, Vec<i64>>,
    deadlines: BTreeSet<(i64, i64)>,
    /// The times at which commands are tried again.
    retries: BTreeSet<(i64, i64)>,
    pub(super) awaited: Arc<Awaited>,
    pub(super) in_sessions: Arc<InSessions>,
}

impl OpenCommands {
    pub(super) fn len(&self) -> usize {
        self.open.len()
    }

    pub(super) fn add(&mut self, open: Open) {
        let seq = open.row.seq;
        if let Some(deadline) = open.deadline() {
            self.deadlines.insert((deadline, seq));
        }
        if let Some(holding) = open.holding() {
            self.in_sessions.change(open.row.id, Some(holding));
        }
        self.ids.insert(open.row.id, seq);
        let queue = self.vehicles.entry(Arc::clone(&open.row.vehicle)).or_default();
        if queue.is_empty() {
            self.awaited.lock().insert(Arc::clone(&open.row.vehicle));
        }
        queue.push(seq);
        self.open.insert(seq, open);
    }

    pub(super) fn clear(&mut self) {
        self.awaited.lock().clear();
        self.in_sessions.clear();
        let (awaited, in_sessions) = (Arc::clone(&self.awaited), Arc::clone(&self.in_sessions));
        *self = Self { awaited, in_sessions, ..Self::default() };
    }

    pub(super) fn get(&self, seq: i64) -> Option<&Open> {
        self.open.get(&seq)
    }

    /// All open commands, in no order.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Open> {
        self.open.values()
    }

    pub(super) fn by_id(&self, id: CommandId) -> Option<i64> {
        self.ids.get(&id).copied()
    }

    /// A vehicle's commands in order, including those that ended in this turn.
    pub(super) fn queue(&self, vehicle: &str) -> &[i64] {
        self.vehicles.get(vehicle).map_or(&[], Vec::as_slice)
    }

    /// Vehicles with an open command.
    pub(super) fn waiting(&self) -> impl Iterator<Item = &Arc<str>> {
        self.vehicles.keys()
    }

    /// Changes a command, and updates its due time.
    pub(super) fn change<R>(&mut self, seq: i64, change: impl FnOnce(&mut Open) -> R) -> Option<R> {
        let open = self.open.get_mut(&seq)?;
        let (before, held_before) = (open.deadline(), open.holding());
        let result = change(open);
        let (after, held_after) = (open.deadline(), open.holding());
        if held_before != held_after {
            self.in_sessions.change(open.row.id, held_after);
        }
        if before != after {
            before.map(|at| self.deadlines.remove(&(at, seq)));
            after.map(|at| self.deadlines.insert((at, seq)));
        }
        Some(result)
    }

    /// Removes a command that has ended.
    pub(super) fn remove(&mut self, seq: i64) {
        let Some(open) = self.open.remove(&seq) else { return };
        self.ids.remove(&open.row.id);
        if open.holding().is_some() {
            self.in_sessions.change(open.row.id, None);
        }
        if let Some(deadline) = open.deadline() {
            self.deadlines.remove(&(deadline, seq));
        }
        let Some(queue) = self.vehicles.get_mut(&open.row.vehicle) else { return };
        queue.retain(|other| *other != seq);
        if queue.is_empty() {
            self.vehicles.remove(&open.row.vehicle);
            self.awaited.lock().remove(&open.row.vehicle);
        }
    }

    pub(super) fn look_again(&mut self, seq: i64, at_ms: i64) {
        self.retries.insert((at_ms, seq));
    }

    /// Commands whose timer has expired, at most `most`.
    pub(super) fn overdue(&self, now_ms: i64, most: usize) -> Vec<i64> {
        let over = self.deadlines.range(..=(now_ms, i64::MAX)).take(most);
        over.map(|(_, seq)| *seq).collect()
    }

    /// Commands that are to be tried again.
    pub(super) fn due_again(&mut self, now_ms: i64) -> Vec<i64> {
        let later = self.retries.split_off(&(now_ms + 1, i64::MIN));
        std::mem::replace(&mut self.retries, later).into_iter().map(|(_, seq)| seq).collect()
    }

    /// When the next timer expires.
    pub(super) fn next_ms(&self) -> Option<i64> {
        let first = |set: &BTreeSet<(i64, i64)>| set.first().map(|(at, _)| *at);
        [first(&self.deadlines), first(&self.retries)].into_iter().flatten().min()
    }
}
