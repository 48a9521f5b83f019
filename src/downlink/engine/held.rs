//! Commands that are in the queues of sessions that last: the vehicle edge looks here before it
//! sends one from there, on a connection that is not the one that it left for.
//!
//! Such a command stays with its session when the connection ends, and when the process does: the
//! session sends it again under its own packet identifier. It comes back here when the session
//! ends, when the queue turns out not to have it, or when its vehicle is there in another session
//! and that one is not.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use super::{
    book::{Flight, Open},
    turn::Engine,
};
use crate::{
    downlink::lifecycle::State,
    model::{CommandId, CommandOutcome, CommandReport, Reach, SessionId},
};

/// A command that a session has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Holding {
    /// The session's number.
    pub(super) lasting: u64,
    pub(super) command: CommandId,
    pub(super) attempt: u32,
    pub(super) seq: i64,
}

/// What is held, by command, and the commands of each session.
#[derive(Debug, Default)]
struct Index {
    commands: HashMap<CommandId, Holding>,
    sessions: HashMap<u64, Vec<CommandId>>,
}

impl Index {
    fn remove(&mut self, command: CommandId) {
        let Some(Holding { lasting, .. }) = self.commands.remove(&command) else { return };
        let Some(all) = self.sessions.get_mut(&lasting) else { return };
        all.retain(|other| *other != command);
        if all.is_empty() {
            self.sessions.remove(&lasting);
        }
    }
}

/// All of them. A lock, because workers look while the thread of commands writes.
#[derive(Debug, Default)]
pub(in crate::downlink) struct Held(Mutex<Index>);

impl Held {
    fn lock(&self) -> MutexGuard<'_, Index> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A command is held so from now on, or by nobody.
    pub(super) fn change(&self, command: CommandId, now: Option<Holding>) {
        let mut index = self.lock();
        index.remove(command);
        if let Some(holding) = now {
            index.commands.insert(command, holding);
            index.sessions.entry(holding.lasting).or_default().push(command);
        }
    }

    pub(super) fn clear(&self) {
        *self.lock() = Index::default();
    }

    /// What a session has.
    fn of(&self, lasting: u64) -> Vec<Holding> {
        let index = self.lock();
        let commands = index.sessions.get(&lasting).into_iter().flatten();
        commands.filter_map(|command| index.commands.get(command).copied()).collect()
    }

    pub(in crate::downlink) fn holds(&self, lasting: u64) -> bool {
        self.lock().sessions.contains_key(&lasting)
    }

    pub(in crate::downlink) fn is_current(
        &self,
        lasting: u64,
        command: CommandId,
        attempt: u32,
    ) -> bool {
        let index = self.lock();
        let held = index.commands.get(&command);
        held.is_some_and(|held| (held.lasting, held.attempt) == (lasting, attempt))
    }

    /// What has left a session is not sent from its queue any more, from this moment on.
    pub(in crate::downlink) fn left(&self, reports: &[CommandReport]) {
        let is_out = |outcome| matches!(outcome, CommandOutcome::Left | CommandOutcome::NoRoom);
        let left = reports.iter().filter(|report| is_out(report.outcome));
        let mut index = self.lock();
        for report in left {
            let held = index.commands.get(&report.command);
            if held.is_some_and(|held| held.attempt == report.attempt) {
                index.remove(report.command);
            }
        }
    }
}

impl Engine {
    /// A session that lasts is connected, and its queue had these commands: of the others that were
    /// sent to an earlier connection it never knew, or does not know any more.
    pub(super) fn resumed(&mut self, lasting: u64, session: SessionId, commands: &[CommandId]) {
        for Holding { command, seq, .. } in self.book.held.of(lasting) {
            let is_of_now = self.book.get(seq).is_some_and(|open| open.session == Some(session));
            if !is_of_now && !commands.contains(&command) {
                self.left(seq);
            }
        }
    }

    /// A session has ended with all that it had.
    pub(super) fn session_ended(&mut self, lasting: u64) {
        for Holding { seq, .. } in self.book.held.of(lasting) {
            self.left(seq);
        }
    }

    /// Commands that a process before this one asked back of sessions that ended with it.
    pub(super) fn end_asked_back(&mut self) {
        let is_asked_back = |open: &&Open| {
            open.row.cancel_requested
                && open.row.state == State::Sent
                && open.flight == Flight::Home
        };
        let mut asked_back: Vec<i64> =
            self.book.iter().filter(is_asked_back).map(|open| open.row.seq).collect();
        asked_back.sort_unstable();
        for seq in asked_back {
            self.left(seq);
        }
    }

    /// Takes a command back from a session that is away, where its vehicle is there in another one.
    pub(super) fn take_from_absent(&mut self, seq: i64) {
        let Some(open) = self.book.get(seq) else { return };
        let Some(Holding { lasting, .. }) = open.holding() else { return };
        let row = &open.row;
        if row.cancel_requested || row.expires_ms <= self.now_ms {
            return;
        }
        let is_elsewhere = match self.edge.reach(&row.vehicle, &row.topic, row.qos) {
            Reach::Session(_) => true,
            Reach::Lasting(_, other) => other != lasting,
            Reach::Away | Reach::NotSubscribed | Reach::SubscriptionQos => false,
        };
        if is_elsewhere && !self.edge.is_here(lasting) {
            self.book.change(seq, |open| open.flight = Flight::Home);
        }
    }
}
