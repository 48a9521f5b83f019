//! The stretches of a shard's spool that are shipped at the same time: normally one. After an
//! outage, if the options allow it, the backlog and newer entries are two.
//!
//! Once entries have waited for [`Options::backfill_after`], the spool is split at its last durable
//! entry: later entries overtake the backlog and share the requests with it. When the first stretch
//! has been read, the second takes its place, until one is left. If newer entries fall behind, too,
//! the last stretch is split again; of several stretches the first and the last are read, and those
//! between wait. Each is read in the order of the spool, so a vehicle's points keep their order in
//! each of them.
//!
//! Nothing of this is on disk. The cursor waits for the backlog (SK-2), so after a restart the
//! entries that had overtaken it are sent again.

use std::{collections::VecDeque, time::Duration};

use tokio::time::Instant;

use crate::{
    model::Position,
    sink::{
        Options,
        lag::Lag,
        pacing::Next,
        sent::Order,
        stretch::{Lines, Stretch},
    },
};

/// The most stretches: each keeps a file open and a megabyte of memory.
const STRETCHES_MAX: usize = 8;

/// One request, in millionths.
const REQUEST: i64 = 1_000_000;

/// The stretches of one shard.
#[derive(Debug)]
pub(super) struct Stretches {
    /// In the order of the spool; never empty.
    all: VecDeque<Stretch>,
    /// The share of the requests for the first of several, in millionths; 0: there is only one.
    share: i64,
    /// The credit of the first, in millionths of a request.
    credit: i64,
    after: Duration,
    /// Since when the last stretch has had entries that are not read.
    unread: Lag,
    origin: Instant,
}

impl Stretches {
    pub(super) fn new(first: Stretch, options: &Options, origin: Instant) -> Self {
        Self {
            share: i64::from(options.backfill_share_ppm),
            credit: 0,
            after: options.backfill_after,
            unread: Lag::new(first.read()),
            all: VecDeque::from([first]),
            origin,
        }
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    /// Entries up to `durable` may be read.
    pub(super) fn note(&mut self, durable: Position) {
        let last = self.all.len() - 1;
        for (idx, stretch) in self.all.iter_mut().enumerate() {
            let bound = match stretch.end() {
                _ if idx == last => durable,
                Some(end) if idx == 0 => end,
                _ => stretch.read(),
            };
            stretch.note(bound);
        }
        if self.share > 0 {
            let now = Instant::now() - self.origin;
            self.unread.saw_durable(durable, now);
            self.unread.saw_confirmed(self.newest().read());
        }
    }

    /// Removes first stretches that are finished, and splits the last one if it is behind; returns
    /// whether the stretches changed.
    pub(super) fn arrange(&mut self, durable: Position) -> bool {
        let mut changed = false;
        while self.all.len() > 1 && self.all[0].is_over() {
            self.all.pop_front();
            changed = true;
        }
        if self.is_behind()
            && self.all.len() < STRETCHES_MAX
            && let Some(stretch) = self.newest_mut().split()
        {
            self.unread = Lag::new(stretch.read());
            self.all.push_back(stretch);
            self.credit = 0;
            changed = true;
        }
        if changed {
            self.note(durable);
        }
        changed
    }

    /// Whether unread entries have waited too long. A newer stretch is not split before it has sent
    /// anything, however slow the store is: otherwise new entries would never be sent.
    fn is_behind(&self) -> bool {
        if self.all.len() > 1 && !self.newest().has_sent() {
            return false;
        }
        let now = Instant::now() - self.origin;
        self.unread.since().is_some_and(|since| now.saturating_sub(since) >= self.after)
    }

    /// What to do next, and with which stretch.
    pub(super) fn next(&self, draining: bool) -> (usize, Next) {
        let due = self.due();
        let mut wake: Option<Duration> = None;
        let others = (0..self.all.len()).filter(|idx| *idx != due);
        for idx in std::iter::once(due).chain(others) {
            match self.all[idx].next(draining) {
                Next::Wait(until) => {
                    wake = wake.into_iter().chain(until).min();
                }
                next => return (idx, next),
            }
        }
        (due, Next::Wait(wake))
    }

    /// The stretch that may send the next request.
    fn due(&self) -> usize {
        let is_first = 2 * (self.credit + self.share) >= REQUEST;
        if is_first || self.all.len() == 1 { 0 } else { self.all.len() - 1 }
    }

    /// Takes a stretch's open batch.
    pub(super) fn take(&mut self, idx: usize) -> Option<(Lines, Order)> {
        // A request sent because the other stretch has nothing to send changes no credit.
        if self.all.len() > 1 && idx == self.due() {
            self.credit += self.share - if idx == 0 { REQUEST } else { 0 };
        }
        let order = if idx == 0 { Order::InTurn } else { Order::Ahead };
        Some((self.all[idx].take()?, order))
    }

    /// A stretch, to be read on.
    pub(super) fn at(&mut self, idx: usize) -> &mut Stretch {
        &mut self.all[idx]
    }

    /// Whether what is durable has all been read.
    pub(super) fn has_unread(&self) -> bool {
        self.newest().has_unread()
    }

    /// Whether all that is durable was read and taken.
    pub(super) fn is_idle(&self) -> bool {
        self.all.iter().all(Stretch::is_idle)
    }

    /// The moment that is meant by a time of [`next`](Self::next).
    pub(super) fn moment(&self, time: Duration) -> Instant {
        self.origin + time
    }

    fn newest(&self) -> &Stretch {
        self.all.back().expect("there is always one")
    }

    fn newest_mut(&mut self) -> &mut Stretch {
        self.all.back_mut().expect("there is always one")
    }
}
