//! The stretches of a shard's spool that are on their way: one; after an outage, where that is
//! asked for, a backlog and what comes in now, side by side.
//!
//! Where entries have waited for [`Options::backfill_after`], the spool is parted at what is
//! durable then: what comes later goes ahead, and shares the requests with what lies before. When
//! the first stretch has been read the second goes on in its place, and at last there is one again.
//! If what comes in falls behind too, it is parted once more; of several stretches the first and
//! the last are read, and those between wait for their turn. Each is read in the order of the
//! spool, so in each a vehicle's points keep their order.
//!
//! Nothing of this is on disk. The cursor waits for the backlog (SK-2), so a restart sends again
//! what had gone ahead.

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

/// Stretches at most: each that waits keeps a file open and a megabyte.
const STRETCHES_MAX: usize = 8;

/// One request, in millionths.
const REQUEST: i64 = 1_000_000;

/// The stretches of one shard.
#[derive(Debug)]
pub(super) struct Stretches {
    /// In the order of the spool; never empty.
    all: VecDeque<Stretch>,
    /// The part of the requests that the first of several has, in millionths; 0: there is one only.
    share: i64,
    /// What the first has to its good, in millionths of a request.
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

    /// Entries up to `durable` are there.
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

    /// Lets go of a first stretch that was read and taken, and parts the last where it is behind.
    /// Whether there are others than before.
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

    /// Whether entries have waited too long for those before them. A stretch that went ahead is not
    /// parted before it has sent anything, however slow the store is: what comes in would never be
    /// its turn.
    fn is_behind(&self) -> bool {
        if self.all.len() > 1 && !self.newest().has_sent() {
            return false;
        }
        let now = Instant::now() - self.origin;
        self.unread.since().is_some_and(|since| now.saturating_sub(since) >= self.after)
    }

    /// What to do next, and with which.
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

    /// The stretch that has the next request, if it has one to send.
    fn due(&self) -> usize {
        let is_first = 2 * (self.credit + self.share) >= REQUEST;
        if is_first || self.all.len() == 1 { 0 } else { self.all.len() - 1 }
    }

    /// Takes a stretch's open batch.
    pub(super) fn take(&mut self, idx: usize) -> Option<(Lines, Order)> {
        // A request in the place of another that had nothing to send costs nobody his turn.
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
