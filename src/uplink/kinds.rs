//! Several kinds of message on one topic: decides whether a payload that failed is one that the
//! mapping's `when` excludes.
//!
//! A mapping whose `when` is false needs nothing else from a payload. So if a payload does not
//! decode, or its points cannot be written, the mapping's [`Probe`] reads only the values that
//! `when` needs, and decides. This is done for failed payloads only; for others only the current
//! element is noted.

use std::ops::Range;

use crate::{
    mapping::Probe,
    model::Cause,
    uplink::{DecodeError, Limits, Slots, decode, filter, slots::Open},
};

/// Scratch memory of probing; one per worker.
#[derive(Debug)]
pub(crate) struct Prober {
    slots: Slots,
    state: State,
    /// The current elements of the nested lists of `points`, outermost first.
    path: Vec<Range<usize>>,
    /// How many of them have been read, after the message.
    read_count: usize,
    /// The lists that contain them, as far as they have been opened.
    opened: Vec<Open>,
    /// The error of the payload, if it cannot be read.
    broken: Option<DecodeError>,
}

/// How far the current payload has been read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Unread,
    /// It cannot be read, so its kind is unknown.
    Unreadable,
    Read,
}

impl Prober {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            slots: Slots::new(limits),
            state: State::Unread,
            path: Vec::new(),
            read_count: 0,
            opened: Vec::new(),
            broken: None,
        }
    }

    /// Begins a message, whose probes share one budget of steps.
    pub(crate) fn begin_message(&mut self) {
        self.slots.begin_steps();
    }

    /// Begins a payload of a mapping.
    pub(crate) fn begin(&mut self) {
        self.state = State::Unread;
        self.path.clear();
        self.read_count = 0;
        self.opened.clear();
        self.broken = None;
    }

    /// Notes that the mapping is at an element of the list of this level.
    pub(crate) fn reach(&mut self, level: usize, range: Range<usize>) {
        self.path.truncate(level);
        self.path.push(range);
        self.read_count = self.read_count.min(level);
    }

    /// Whether no point of the message passes the filter.
    pub(crate) fn leaves_out(&mut self, probe: &Probe, payload: &[u8], limits: &Limits) -> bool {
        self.begin();
        self.read(probe, payload, 0, limits) && self.all_fail(probe, payload, 0, limits)
    }

    /// Whether no point of the current element of this level passes the filter.
    pub(crate) fn leaves_out_element(
        &mut self,
        probe: &Probe,
        payload: &[u8],
        level: usize,
        limits: &Limits,
    ) -> bool {
        let count = probe.levels_asked.min(level + 1);
        self.read(probe, payload, count, limits) && self.all_fail(probe, payload, count, limits)
    }

    /// The error to report for a payload that is not left out. If the payload is broken further on,
    /// that error replaces a value of the wrong type: the kind of such a payload is unknown, and it
    /// may belong to another mapping.
    #[cold]
    pub(crate) fn broken(&mut self, error: DecodeError, slots: &mut Slots) -> DecodeError {
        let is_of_type = matches!(error.cause, Cause::PayloadMismatch | Cause::IntegerOutOfRange);
        let Some(broken) = self.broken.take().filter(|_| is_of_type) else { return error };
        std::mem::swap(&mut slots.trouble, &mut self.slots.trouble);
        // The slots of the probe are not those of the mapping.
        DecodeError { slot: None, item: None, ..broken }
    }

    /// Reads the message and the first `count` current elements, unless they have been read; false
    /// if they cannot be read.
    fn read(&mut self, probe: &Probe, payload: &[u8], count: usize, limits: &Limits) -> bool {
        if self.state == State::Unread {
            self.slots.begin_message(&probe.slots);
            let read = decode::message(&probe.decoder, payload, &mut self.slots, limits);
            self.slots.pick(&probe.slots.picks);
            self.broken = read.err().filter(|_| !is_readable(read));
            self.state = if is_readable(read) { State::Read } else { State::Unreadable };
        }
        if self.state == State::Unreadable {
            return false;
        }
        while self.read_count < count {
            let level = self.read_count;
            while self.opened.len() > level + 1 {
                self.opened.pop().into_iter().for_each(|open| self.slots.close_list(&open));
            }
            if self.opened.len() > level {
                // Removes what the element before has noted.
                self.slots.clear_elements();
            } else {
                self.opened.push(self.slots.open_list());
            }
            let range = self.path[level].clone();
            self.slots.begin_element(&probe.slots.levels[level], &self.opened[level]);
            if !self.read_element(probe, payload, level, range, limits) {
                return false;
            }
            self.read_count += 1;
        }
        true
    }

    /// Whether no point passes the filter among those in the element that was read last (of the
    /// list before this level) or, at level 0, in the message.
    fn all_fail(&mut self, probe: &Probe, payload: &[u8], level: usize, limits: &Limits) -> bool {
        if level == probe.levels_asked {
            return !filter::passes(&probe.filter, &self.slots, payload);
        }
        let plan = &probe.slots.levels[level];
        let slots = usize::from(probe.slots.slots_count - plan.start);
        let steps = self.slots.elements_count().saturating_mul(slots + probe.filter.terms());
        if self.slots.step(steps).is_err() {
            return false;
        }
        let open = self.slots.open_list();
        for index in open.elements.clone() {
            let range = self.slots.element(index);
            self.slots.begin_element(plan, &open);
            let is_read = self.read_element(probe, payload, level, range, limits);
            if !is_read || !self.all_fail(probe, payload, level + 1, limits) {
                return false;
            }
            self.slots.clear_elements();
        }
        self.slots.close_list(&open);
        true
    }

    /// Reads one element; false if it cannot be read.
    fn read_element(
        &mut self,
        probe: &Probe,
        payload: &[u8],
        level: usize,
        range: Range<usize>,
        limits: &Limits,
    ) -> bool {
        let read = decode::element(&probe.decoder, payload, level, range, &mut self.slots, limits);
        self.slots.pick(&probe.slots.levels[level].picks);
        is_readable(read)
    }
}

/// Whether the values that the filter needs are known. They are also known if the payload is a
/// complete value of another type: then all are absent.
fn is_readable(read: Result<(), DecodeError>) -> bool {
    read.map_or_else(|error| error.cause == Cause::PayloadMismatch, |()| true)
}
