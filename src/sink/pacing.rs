//! When to read and when to ship one batch, with the time as an argument.
//!
//! Waiting entries are durable in the spool, so there is no need to read each one at once, which
//! would take a system call for each group of the lane. The spool is read a few times for each
//! batch, until the batch is full or old enough; while there is more than one batch, batches follow
//! each other without waiting.

use std::time::Duration;

use crate::sink::Options;

/// How often the spool is read for an open batch within `batch_age`.
const LOOKS_IN_AGE: u32 = 8;

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Read at most so much more into the batch.
    Read {
        /// Bytes until the batch is full, at least 1.
        bytes_max: u64,
        /// Lines until the batch is full, at least 1.
        items_max: u64,
    },
    /// Close the batch and send it.
    Ship,
    /// Wait until this time, or, without one, for the next event.
    Wait(Option<Duration>),
}

/// The state from which the next step follows.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pacing {
    /// Bytes in the batch.
    pub(super) bytes: u64,
    /// Lines in the batch, as its entries say.
    pub(super) items: u64,
    /// Whether the batch holds any entry, even a damaged one.
    pub(super) begun: bool,
    /// Whether the next entry cannot be in this batch.
    pub(super) closed: bool,
    /// When the first entry of this batch was seen, read or not.
    pub(super) opened: Option<Duration>,
    /// When the spool was last read.
    pub(super) read_at: Option<Duration>,
    /// Whether the spool holds entries that are not read.
    pub(super) unread: bool,
    /// Whether the last read left entries, because the batch was full.
    pub(super) more: bool,
}

impl Pacing {
    /// What to do at `now`. While draining, batches do not wait to fill.
    pub(super) fn next(&self, options: &Options, now: Duration, draining: bool) -> Next {
        let bytes_max = (options.batch_bytes.get() as u64).saturating_sub(self.bytes);
        let items_max = (options.batch_lines.get() as u64).saturating_sub(self.items);
        if self.begun && (self.closed || bytes_max == 0 || items_max == 0) {
            return Next::Ship;
        }
        let due = match self.opened {
            Some(opened) if !draining => opened + options.batch_age,
            Some(_) => now,
            None => return Next::Wait(None),
        };
        if self.unread {
            let pause = options.batch_age / LOOKS_IN_AGE;
            let look = match self.read_at {
                Some(read_at) if !self.more => due.min(read_at + pause),
                _ => now,
            };
            let seen_all = self.begun && self.read_at.is_some_and(|read_at| read_at >= due);
            if !seen_all || draining {
                let read = Next::Read { bytes_max, items_max };
                return if look <= now || draining { read } else { Next::Wait(Some(look)) };
            }
        }
        match (self.begun, due <= now) {
            (true, true) => Next::Ship,
            (true, false) => Next::Wait(Some(due)),
            (false, _) => Next::Wait(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);
    const ALL: Next = Next::Read { bytes_max: 4 << 20, items_max: 10_000 };

    #[track_caller]
    fn check_next(gather: Pacing, now_ms: u32, expect: Next) {
        assert_eq!(gather.next(&Options::default(), MS * now_ms, false), expect);
    }

    #[test]
    fn an_open_batch_looks_now_and_then_and_leaves_at_its_age() {
        let idle = Pacing::default();
        check_next(idle, 0, Next::Wait(None));
        let seen = Pacing { unread: true, opened: Some(MS * 1000), ..idle };
        let rested = Pacing { read_at: Some(MS * 500), ..seen };
        check_next(rested, 1000, ALL);
        let busy = Pacing { read_at: Some(MS * 990), ..seen };
        check_next(busy, 1000, Next::Wait(Some(MS * 1015)));
        check_next(busy, 1015, ALL);

        let begun = Pacing { begun: true, bytes: 1 << 20, items: 4_000, ..busy };
        let rest = Next::Read { bytes_max: 3 << 20, items_max: 6_000 };
        check_next(begun, 1015, rest);
        let all_read = Pacing { unread: false, read_at: Some(MS * 1015), ..begun };
        check_next(all_read, 1015, Next::Wait(Some(MS * 1200)));
        check_next(all_read, 1200, Next::Ship);
        // At its age it takes along what has come, once.
        let late = Pacing { read_at: Some(MS * 1190), ..begun };
        check_next(late, 1195, Next::Wait(Some(MS * 1200)));
        check_next(late, 1200, rest);
        check_next(Pacing { read_at: Some(MS * 1201), ..begun }, 1201, Next::Ship);
    }

    #[test]
    fn batch_follows_batch_while_more_is_there_than_fits() {
        let next = Pacing {
            unread: true,
            more: true,
            opened: Some(MS * 1000),
            read_at: Some(MS * 1000),
            ..Pacing::default()
        };
        check_next(next, 1000, ALL);
        check_next(Pacing { more: false, ..next }, 1000, Next::Wait(Some(MS * 1025)));
    }

    #[test]
    fn a_full_or_closed_batch_leaves_at_once() {
        let open = Pacing { begun: true, opened: Some(MS), unread: true, ..Pacing::default() };
        check_next(Pacing { bytes: 4 << 20, ..open }, 1, Next::Ship);
        check_next(Pacing { items: 12_000, ..open }, 1, Next::Ship);
        check_next(Pacing { closed: true, ..open }, 1, Next::Ship);
    }

    #[test]
    fn a_drain_waits_for_nothing() {
        let options = Options::default();
        let open = Pacing { begun: true, opened: Some(MS), ..Pacing::default() };
        assert_eq!(open.next(&options, MS, true), Next::Ship);
        let unread = Pacing { unread: true, read_at: Some(MS), ..open };
        assert_eq!(unread.next(&options, MS, true), ALL);
        assert_eq!(Pacing::default().next(&options, MS, true), Next::Wait(None));
    }
}
