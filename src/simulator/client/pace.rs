//! When vehicles are due.

use std::time::Duration;

/// How fast vehicles publish.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Pace {
    /// As fast as the window allows.
    Window,
    /// Messages a second of each vehicle; zero only keeps the connections.
    Rate(f64),
    /// At the recorded pace, multiplied by `speed`.
    Recorded { speed: f64 },
}

/// Distributes the messages of a fixed rate evenly, one vehicle after the other.
///
/// Slot `s` belongs to vehicle `s % vehicles` and is due `s / (vehicles × rate)` seconds after the
/// start; so no vehicle needs its own timer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slots {
    vehicles: u64,
    nanos_a_slot: f64,
    next: u64,
}

impl Slots {
    pub(super) fn new(vehicles: usize, rate: f64) -> Self {
        let vehicles = u64::try_from(vehicles).unwrap_or(u64::MAX).max(1);
        #[expect(clippy::cast_precision_loss, reason = "a fleet is far below 2^52")]
        let nanos_a_slot = if rate > 0.0 { 1e9 / (rate * vehicles as f64) } else { f64::INFINITY };
        Self { vehicles, nanos_a_slot, next: 0 }
    }

    /// The vehicle of the next slot that is due `elapsed` nanoseconds after the start.
    pub(super) fn take(&mut self, elapsed: u64) -> Option<usize> {
        if self.due_at() > elapsed {
            return None;
        }
        let vehicle = usize::try_from(self.next % self.vehicles).ok()?;
        self.next += 1;
        Some(vehicle)
    }

    /// When the next slot is due, nanoseconds after the start.
    #[expect(clippy::cast_precision_loss, reason = "slots are far below 2^52")]
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a cast from float saturates, and that is what no end means"
    )]
    pub(super) fn due_at(&self) -> u64 {
        if self.nanos_a_slot.is_infinite() {
            return u64::MAX;
        }
        (self.next as f64 * self.nanos_a_slot) as u64
    }

    /// When a vehicle's `n`-th message is due, nanoseconds after the start.
    #[expect(clippy::cast_precision_loss, reason = "slots are far below 2^52")]
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a cast from float saturates"
    )]
    pub(super) fn due_of(&self, vehicle: usize, message: u64) -> u64 {
        let slot = message as f64 * self.vehicles as f64 + vehicle as f64;
        (slot * self.nanos_a_slot) as u64
    }
}

/// The wait before the `attempt`-th attempt to reconnect; `spread` from 0.5 to 1.5 prevents that
/// vehicles that were disconnected together reconnect together.
pub(super) fn backoff(attempt: u32, spread: f64) -> Duration {
    let doubled = 0.2 * f64::from(1_u32 << attempt.min(5));
    Duration::from_secs_f64(doubled.min(5.0) * spread)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_go_round_the_vehicles_evenly() {
        let mut slots = Slots::new(4, 10.0);
        let mut dealt = Vec::new();
        while let Some(vehicle) = slots.take(200_000_000) {
            dealt.push(vehicle);
        }
        assert_eq!(dealt, [0, 1, 2, 3, 0, 1, 2, 3, 0]);
        assert_eq!(slots.due_at(), 225_000_000);
        assert_eq!(slots.due_of(1, 2), 225_000_000);
        assert_eq!(Slots::new(4, 0.0).take(u64::MAX - 1), None);
    }

    #[test]
    fn backoff_doubles_up_to_five_seconds() {
        let waits: Vec<_> = (0..8).map(|attempt| backoff(attempt, 1.0).as_millis()).collect();
        assert_eq!(waits, [200, 400, 800, 1600, 3200, 5000, 5000, 5000]);
    }
}
