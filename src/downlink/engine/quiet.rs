//! Vehicles that need not be told of an alarm now: the vehicle edge looks here before it brings
//! one, so that what fires again and again costs the thread of commands nothing.
//!
//! It is no memory of who was told: that is on disk. What is forgotten here is asked there again.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// The alarms of a vehicle, each with the moment until which it is quiet, in milliseconds since
/// 1970.
type Alarms = Vec<(Arc<str>, i64)>;

/// All of them; some 100 bytes each, for as long as they are quiet. A lock, because workers look
/// while the thread of commands writes.
#[derive(Debug, Default)]
pub(in crate::downlink) struct Quiet(Mutex<HashMap<Arc<str>, Alarms>>);

impl Quiet {
    fn lock(&self) -> MutexGuard<'_, HashMap<Arc<str>, Alarms>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(in crate::downlink) fn holds(&self, alarm: &str, vehicle: &str, now_ms: i64) -> bool {
        let all = self.lock();
        let mut alarms = all.get(vehicle).into_iter().flatten();
        alarms.any(|(known, until_ms)| **known == *alarm && now_ms < *until_ms)
    }

    pub(super) fn begin(&self, alarm: &Arc<str>, vehicle: &Arc<str>, until_ms: i64) {
        let mut all = self.lock();
        let alarms = all.entry(Arc::clone(vehicle)).or_default();
        match alarms.iter_mut().find(|(known, _)| known == alarm) {
            Some((_, until)) => *until = until_ms,
            None => alarms.push((Arc::clone(alarm), until_ms)),
        }
    }

    /// Forgets those that are over.
    pub(super) fn sweep(&self, now_ms: i64) {
        self.lock().retain(|_, alarms| {
            alarms.retain(|(_, until_ms)| now_ms < *until_ms);
            !alarms.is_empty()
        });
    }

    /// Forgets all: what was not committed, or was said by alarms of other mapping files.
    pub(in crate::downlink) fn clear(&self) {
        self.lock().clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_vehicle_is_quiet_for_one_alarm_until_its_time_is_over() {
        let quiet = Quiet::default();
        let (hot, low): (Arc<str>, Arc<str>) = ("hot".into(), "low".into());
        let vehicle: Arc<str> = "A".into();
        quiet.begin(&hot, &vehicle, 10);
        quiet.begin(&low, &vehicle, 20);
        assert!(quiet.holds("hot", "A", 9) && !quiet.holds("hot", "A", 10));
        assert!(!quiet.holds("hot", "B", 9) && !quiet.holds("cold", "A", 9));
        quiet.begin(&hot, &vehicle, 15);
        assert!(quiet.holds("hot", "A", 14));
        quiet.sweep(15);
        assert!(quiet.holds("low", "A", 15));
        quiet.sweep(20);
        assert!(quiet.lock().is_empty());
    }
}
