//! Alarms that are suppressed now, by vehicle: the MQTT edge checks this before it reports an
//! alarm, so that an alarm that fires again and again costs the thread of commands nothing.
//!
//! It is only a cache: the durable notes about raised alarms are on disk, and decide about alarms
//! that are not in it.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// The alarms of a vehicle, each with the time until which it is suppressed, in milliseconds since
/// 1970.
type Alarms = Vec<(Arc<str>, i64)>;

/// All suppressed alarms; about 100 bytes each. A mutex, because workers read it while the thread
/// of commands writes.
#[derive(Debug, Default)]
pub(in crate::downlink) struct Suppressed(Mutex<HashMap<Arc<str>, Alarms>>);

impl Suppressed {
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

    /// Removes entries whose time is over.
    pub(super) fn sweep(&self, now_ms: i64) {
        self.lock().retain(|_, alarms| {
            alarms.retain(|(_, until_ms)| now_ms < *until_ms);
            !alarms.is_empty()
        });
    }

    /// Removes all entries: after a turn that was not committed, or when mapping files have
    /// changed.
    pub(in crate::downlink) fn clear(&self) {
        self.lock().clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_alarm_of_one_vehicle_is_suppressed_until_its_time_is_over() {
        let suppressed = Suppressed::default();
        let (hot, low): (Arc<str>, Arc<str>) = ("hot".into(), "low".into());
        let vehicle: Arc<str> = "A".into();
        suppressed.begin(&hot, &vehicle, 10);
        suppressed.begin(&low, &vehicle, 20);
        assert!(suppressed.holds("hot", "A", 9) && !suppressed.holds("hot", "A", 10));
        assert!(!suppressed.holds("hot", "B", 9) && !suppressed.holds("cold", "A", 9));
        suppressed.begin(&hot, &vehicle, 15);
        assert!(suppressed.holds("hot", "A", 14));
        suppressed.sweep(15);
        assert!(suppressed.holds("low", "A", 15));
        suppressed.sweep(20);
        assert!(suppressed.lock().is_empty());
    }
}
