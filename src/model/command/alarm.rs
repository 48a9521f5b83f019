//! An alarm on its way from the worker that took its message to downlink, and a publish back.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use super::ReceiptTicket;
use crate::model::{UnixNanos, Value};

/// An alarm whose message is durable.
#[derive(Debug)]
pub struct RaisedAlarm {
    /// The publish that raised it: it is acknowledged when what it leads to is durable.
    pub ticket: ReceiptTicket,
    /// Its name.
    pub alarm: Arc<str>,
    /// Of which vehicle.
    pub vehicle: Arc<str>,
    /// The time of the point that raised it.
    pub time: UnixNanos,
    /// What tells the message from others: a hash of its topic and payload.
    pub key: [u8; 16],
    /// Whether the payload brought the time: an equal message is the same one then.
    pub has_time: bool,
    /// What the action says of the message, by name.
    pub values: Vec<(Arc<str>, Value)>,
    /// Its place among those that wait.
    pub place: AlarmPlace,
}

/// One place among the alarms that wait for downlink; free again when it is dropped.
#[derive(Debug)]
pub struct AlarmPlace(Arc<AtomicUsize>);

impl AlarmPlace {
    /// Takes a place, if fewer than `most` are taken.
    #[must_use]
    pub fn take(taken: &Arc<AtomicUsize>, most: usize) -> Option<Self> {
        let before = taken.fetch_add(1, Ordering::Relaxed);
        let place = Self(Arc::clone(taken));
        (before < most).then_some(place)
    }
}

impl Drop for AlarmPlace {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Why an alarm is not brought to downlink.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AlarmRefusal {
    /// The vehicle was told lately.
    OncePer,
    /// As many wait as may.
    Full,
}

impl AlarmRefusal {
    /// As it is counted.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OncePer => "once-per",
            Self::Full => "full",
        }
    }
}

/// What an alarm publishes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publication {
    /// The publish that raised it: it is acknowledged when this one might be.
    pub ticket: ReceiptTicket,
    /// Where.
    pub topic: Box<str>,
    /// 0, 1 or 2.
    pub qos: u8,
    /// What it says.
    pub payload: Box<[u8]>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_free_again_when_it_is_dropped_and_no_more_are_given_than_there_are() {
        let taken = Arc::new(AtomicUsize::new(0));
        let one = AlarmPlace::take(&taken, 2).expect("the first");
        let two = AlarmPlace::take(&taken, 2).expect("the second");
        assert!(AlarmPlace::take(&taken, 2).is_none());
        drop(one);
        let three = AlarmPlace::take(&taken, 2).expect("the first is free again");
        assert!(AlarmPlace::take(&taken, 2).is_none());
        drop((two, three));
        assert_eq!(taken.load(Ordering::Relaxed), 0);
    }
}
