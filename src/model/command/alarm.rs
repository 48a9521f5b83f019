//! An alarm on its way from an MQTT worker to downlink, and its publish on the way back.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use super::ReceiptTicket;
use crate::model::{UnixNanos, Value};

/// An alarm whose message is durable.
#[derive(Debug)]
pub struct RaisedAlarm {
    /// The publish that raised it: it is acknowledged when the resulting command is durable.
    pub ticket: ReceiptTicket,
    /// Its name.
    pub alarm: Arc<str>,
    /// The vehicle.
    pub vehicle: Arc<str>,
    /// The time of the point that raised it.
    pub time: UnixNanos,
    /// Identifies the message: a hash of its topic and payload.
    pub key: [u8; 16],
    /// Whether the time is from the payload: then an equal message is the same message again.
    pub has_time: bool,
    /// The values of the message that the action uses, by name.
    pub values: Vec<(Arc<str>, Value)>,
    /// Its permit; see [`AlarmPermit`].
    pub permit: AlarmPermit,
}

/// One permit for an alarm to wait for downlink; returned on drop.
#[derive(Debug)]
pub struct AlarmPermit(Arc<AtomicUsize>);

impl AlarmPermit {
    /// Takes a permit, if fewer than `most` are taken.
    #[must_use]
    pub fn take(taken: &Arc<AtomicUsize>, most: usize) -> Option<Self> {
        let before = taken.fetch_add(1, Ordering::Relaxed);
        let place = Self(Arc::clone(taken));
        (before < most).then_some(place)
    }
}

impl Drop for AlarmPermit {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Why an alarm is not reported to downlink.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AlarmRefusal {
    /// The alarm's `once-per` time for this vehicle is not over.
    OncePer,
    /// The maximum number of alarms is waiting.
    Full,
}

impl AlarmRefusal {
    /// The label under which it is counted.
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
    /// The publish that raised it: it is acknowledged when this one is accepted durably.
    pub ticket: ReceiptTicket,
    /// The topic.
    pub topic: Box<str>,
    /// 0, 1 or 2.
    pub qos: u8,
    /// The payload.
    pub payload: Box<[u8]>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_permit_is_returned_when_it_is_dropped_and_the_number_of_permits_is_bounded() {
        let taken = Arc::new(AtomicUsize::new(0));
        let one = AlarmPermit::take(&taken, 2).expect("the first");
        let two = AlarmPermit::take(&taken, 2).expect("the second");
        assert!(AlarmPermit::take(&taken, 2).is_none());
        drop(one);
        let three = AlarmPermit::take(&taken, 2).expect("the first is free again");
        assert!(AlarmPermit::take(&taken, 2).is_none());
        drop((two, three));
        assert_eq!(taken.load(Ordering::Relaxed), 0);
    }
}
