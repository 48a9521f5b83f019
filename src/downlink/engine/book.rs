//! What is held in memory of commands that have not ended: by id, by vehicle in order, by the time
//! when something is due.
//!
//! Sketch of the memory: some 300 bytes a command, its topic and names included; payloads stay on
//! disk until they leave.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::held::{Held, Holding};
use crate::{
    downlink::{
        lifecycle::State,
        push::Verified,
        store::{OpenRow, Update},
    },
    mapping::Order,
    model::{CommandId, SessionId},
};

/// A command that has not ended.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) row: OpenRow,
    pub(super) maybe_received: bool,
    pub(super) ended_ms: Option<i64>,
    pub(super) flight: Flight,
    /// The connection that it left for in this process.
    pub(super) session: Option<SessionId>,
    /// Whether its effect is looked for, once it is delivered in this process.
    pub(super) verified: Option<Verified>,
}

/// Where a command is, for as long as the process lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flight {
    /// Here.
    Home,
    /// Here, and its `still` is being asked.
    Asking,
    /// Here, and its `still` holds: it may leave.
    Cleared,
    /// Here, until it is looked at again: its `still` was not known, or its session had no room.
    Later,
    /// With a session.
    With(u32),
}

impl Open {
    pub(super) fn new(row: OpenRow) -> Self {
        Self {
            maybe_received: false,
            ended_ms: None,
            flight: match (row.state, row.lasting) {
                // It stays with the session that has it, whatever became of the process.
                (State::Sent, Some(_)) => Flight::With(row.attempts),
                _ => Flight::Home,
            },
            session: None,
            verified: None,
            row,
        }
    }

    /// The session that lasts and has it in its queue.
    pub(super) fn holding(&self) -> Option<Holding> {
        let (Flight::With(attempt), State::Sent) = (self.flight, self.row.state) else {
            return None;
        };
        let lasting = self.row.lasting?;
        Some(Holding { lasting, command: self.row.id, attempt, seq: self.row.seq })
    }

    pub(super) fn has_ended(&self) -> bool {
        self.row.state.is_final(self.row.execute_within_ms.is_some())
    }

    /// When its next time is over.
    pub(super) fn deadline(&self) -> Option<i64> {
        match self.row.state {
            // Its time begins when its push lets it go.
            State::Queued if self.row.held_ms.is_some() => None,
            State::Queued | State::Sent => Some(self.row.expires_ms),
            State::Delivered => self.row.due_ms,
            _ => None,
        }
    }

    /// Whether the vehicle's next command has to wait for this one.
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

/// Vehicles with a command that has not ended: the vehicle edge looks here before it says that one
/// is there. A lock, because workers look while the thread of commands writes.
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

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Book {
    open: HashMap<i64, Open>,
    ids: HashMap<CommandId, i64>,
    /// In the order of creation.
    vehicles: HashMap<Arc<str>, Vec<i64>>,
    deadlines: BTreeSet<(i64, i64)>,
    /// When one is looked at again.
    retries: BTreeSet<(i64, i64)>,
    pub(super) awaited: Arc<Awaited>,
    pub(super) held: Arc<Held>,
}

impl Book {
    pub(super) fn len(&self) -> usize {
        self.open.len()
    }

    pub(super) fn add(&mut self, open: Open) {
        let seq = open.row.seq;
        if let Some(deadline) = open.deadline() {
            self.deadlines.insert((deadline, seq));
        }
        if let Some(holding) = open.holding() {
            self.held.change(open.row.id, Some(holding));
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
        self.held.clear();
        let (awaited, held) = (Arc::clone(&self.awaited), Arc::clone(&self.held));
        *self = Self { awaited, held, ..Self::default() };
    }

    pub(super) fn get(&self, seq: i64) -> Option<&Open> {
        self.open.get(&seq)
    }

    /// All of them, in no order.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Open> {
        self.open.values()
    }

    pub(super) fn by_id(&self, id: CommandId) -> Option<i64> {
        self.ids.get(&id).copied()
    }

    /// A vehicle's commands in their order, ended ones of this turn included.
    pub(super) fn queue(&self, vehicle: &str) -> &[i64] {
        self.vehicles.get(vehicle).map_or(&[], Vec::as_slice)
    }

    /// Vehicles with an open command.
    pub(super) fn waiting(&self) -> impl Iterator<Item = &Arc<str>> {
        self.vehicles.keys()
    }

    /// Changes a command, and when it is due with it.
    pub(super) fn change<R>(&mut self, seq: i64, change: impl FnOnce(&mut Open) -> R) -> Option<R> {
        let open = self.open.get_mut(&seq)?;
        let (before, held_before) = (open.deadline(), open.holding());
        let result = change(open);
        let (after, held_after) = (open.deadline(), open.holding());
        if held_before != held_after {
            self.held.change(open.row.id, held_after);
        }
        if before != after {
            before.map(|at| self.deadlines.remove(&(at, seq)));
            after.map(|at| self.deadlines.insert((at, seq)));
        }
        Some(result)
    }

    /// Forgets a command that has ended.
    pub(super) fn remove(&mut self, seq: i64) {
        let Some(open) = self.open.remove(&seq) else { return };
        self.ids.remove(&open.row.id);
        if open.holding().is_some() {
            self.held.change(open.row.id, None);
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

    /// Commands whose time is over, at most so many.
    pub(super) fn overdue(&self, now_ms: i64, most: usize) -> Vec<i64> {
        let over = self.deadlines.range(..=(now_ms, i64::MAX)).take(most);
        over.map(|(_, seq)| *seq).collect()
    }

    /// Commands that are to be looked at again.
    pub(super) fn due_again(&mut self, now_ms: i64) -> Vec<i64> {
        let later = self.retries.split_off(&(now_ms + 1, i64::MIN));
        std::mem::replace(&mut self.retries, later).into_iter().map(|(_, seq)| seq).collect()
    }

    /// When the next time is over.
    pub(super) fn next_ms(&self) -> Option<i64> {
        let first = |set: &BTreeSet<(i64, i64)>| set.first().map(|(at, _)| *at);
        [first(&self.deadlines), first(&self.retries)].into_iter().flatten().min()
    }
}
