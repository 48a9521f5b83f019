//! Several kinds of message on one topic: is this payload one that the mapping's `when` leaves out?
//!
//! A mapping whose `when` is false asks nothing more of a payload. So when one does not decode, or
//! its points cannot be written, the mapping's [`Probe`] reads the little that `when` asks for, and
//! decides. This is the way of payloads that fail; one that suits its mapping never comes here.

use std::ops::Range;

use crate::{
    mapping::Probe,
    model::Cause,
    uplink::{DecodeError, Limits, Slots, decode, filter},
};

/// The scratch of probing; one a worker.
#[derive(Debug)]
pub(crate) struct Prober {
    slots: Slots,
    state: State,
}

/// How far the payload at hand has been read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Unread,
    /// It cannot be read: nothing is known of its kind.
    Unreadable,
    Read,
    /// An element has been read behind the message.
    InElements,
}

impl Prober {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self { slots: Slots::new(limits), state: State::Unread }
    }

    /// Begins a message, whose probes share one budget of steps.
    pub(crate) fn begin_message(&mut self) {
        self.slots.begin_steps();
    }

    /// Begins a mapping's payload.
    pub(crate) fn begin(&mut self) {
        self.state = State::Unread;
    }

    /// Whether no point of the message passes the filter.
    pub(crate) fn leaves_out(&mut self, probe: &Probe, payload: &[u8], limits: &Limits) -> bool {
        if !self.read(probe, payload, limits) {
            return false;
        }
        if !probe.asks_element {
            return !filter::passes(&probe.filter, &self.slots, payload);
        }
        let slots = usize::from(probe.slots.slots_count);
        let steps = self.slots.elements_count().saturating_mul(slots + probe.filter.terms());
        self.slots.step(steps).is_ok()
            && (0..self.slots.elements_count()).all(|index| {
                let range = self.slots.element(index);
                self.leaves_out_element(probe, payload, range, limits)
            })
    }

    /// Whether one element of `points` does not pass the filter.
    pub(crate) fn leaves_out_element(
        &mut self,
        probe: &Probe,
        payload: &[u8],
        range: Range<usize>,
        limits: &Limits,
    ) -> bool {
        if !self.read(probe, payload, limits) {
            return false;
        }
        if probe.asks_element {
            self.slots.begin_element(&probe.slots, self.state == State::Read);
            self.state = State::InElements;
            let read = decode::element(&probe.decoder, payload, range, &mut self.slots, limits);
            if !is_readable(read) {
                return false;
            }
        }
        !filter::passes(&probe.filter, &self.slots, payload)
    }

    /// Reads the message if it has not been; whether that could be done.
    fn read(&mut self, probe: &Probe, payload: &[u8], limits: &Limits) -> bool {
        if self.state == State::Unread {
            self.slots.begin_message(&probe.slots);
            let read = decode::message(&probe.decoder, payload, &mut self.slots, limits);
            self.state = if is_readable(read) { State::Read } else { State::Unreadable };
        }
        self.state != State::Unreadable
    }
}

/// Whether what the filter asks for is known: also where the payload is a whole other value, of
/// which all of it is absent.
fn is_readable(read: Result<(), DecodeError>) -> bool {
    read.map_or_else(|error| error.cause == Cause::PayloadMismatch, |()| true)
}
