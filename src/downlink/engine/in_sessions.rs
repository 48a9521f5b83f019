//! Commands in the queues of persistent sessions: the MQTT edge checks this before it sends one
//! from such a queue on a later connection.
//!
//! Such a command stays with its session when the connection or the process ends: the session sends
//! it again with the same packet identifier. It waits here again when the session ends, when the
//! queue turns out not to have it, or when its vehicle is connected with another session while this
//! one is disconnected.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use super::{
    open_commands::{Flight, Open},
    turn::Engine,
};
use crate::{
    downlink::lifecycle::State,
    model::{CommandId, CommandOutcome, CommandReport, Reach, SessionId},
};

/// A command in the queue of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct QueuedCommand {
    /// The session's number.
    pub(super) lasting: u64,
    pub(super) command: CommandId,
    pub(super) attempt: u32,
    pub(super) seq: i64,
}

/// The queued commands by id, and the commands of each session.
#[derive(Debug, Default)]
struct Index {
    commands: HashMap<CommandId, QueuedCommand>,
    sessions: HashMap<u64, Vec<CommandId>>,
}

impl Index {
    fn remove(&mut self, command: CommandId) {
        let Some(QueuedCommand { lasting, .. }) = self.commands.remove(&command) else { return };
        let Some(all) = self.sessions.get_mut(&lasting) else { return };
        all.retain(|other| *other != command);
        if all.is_empty() {
            self.sessions.remove(&lasting);
        }
    }
}

/// All of them. A mutex, because workers read it while the thread of commands writes.
#[derive(Debug, Default)]
pub(in crate::downlink) struct InSessions(Mutex<Index>);

impl InSessions {
    fn lock(&self) -> MutexGuard<'_, Index> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets the session that has a command, or none.
    pub(super) fn change(&self, command: CommandId, now: Option<QueuedCommand>) {
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

    /// The commands of a session.
    fn of(&self, lasting: u64) -> Vec<QueuedCommand> {
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

    /// Commands that have left a session are not sent from its queue any more, from now on.
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
    /// A persistent session is connected, and its queue had these commands: it never got the others
    /// that were sent to an earlier connection, or does not have them any more.
    pub(super) fn resumed(&mut self, lasting: u64, session: SessionId, commands: &[CommandId]) {
        for QueuedCommand { command, seq, .. } in self.open_commands.in_sessions.of(lasting) {
            let is_of_now =
                self.open_commands.get(seq).is_some_and(|open| open.session == Some(session));
            if !is_of_now && !commands.contains(&command) {
                self.left(seq);
            }
        }
    }

    /// A session has ended with its queue.
    pub(super) fn session_ended(&mut self, lasting: u64) {
        for QueuedCommand { seq, .. } in self.open_commands.in_sessions.of(lasting) {
            self.left(seq);
        }
    }

    /// Ends commands whose cancel was requested in an earlier process, of sessions that ended with
    /// that process.
    pub(super) fn end_asked_back(&mut self) {
        let is_asked_back = |open: &&Open| {
            open.row.cancel_requested
                && open.row.state == State::Sent
                && open.flight == Flight::Home
        };
        let mut asked_back: Vec<i64> =
            self.open_commands.iter().filter(is_asked_back).map(|open| open.row.seq).collect();
        asked_back.sort_unstable();
        for seq in asked_back {
            self.left(seq);
        }
    }

    /// Takes a command back from a disconnected session if its vehicle is connected with another
    /// one.
    pub(super) fn take_from_absent(&mut self, seq: i64) {
        let Some(open) = self.open_commands.get(seq) else { return };
        let Some(QueuedCommand { lasting, .. }) = open.holding() else { return };
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
            self.open_commands.change(seq, |open| open.flight = Flight::Home);
        }
    }
}
