//! The records of a run: counts, acknowledgement latencies, and a line for each acknowledgement.

use std::{io, io::Write, path::Path, time::Duration};

use hdrhistogram::Histogram;

use super::{super::obey::CommandCounts, Deliveries};
use crate::env::disk::{Disk, DiskFile};

/// Counts of a run so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Vehicles with a live connection now.
    pub(crate) live: u64,
    /// Vehicles that were connected at least once.
    pub(crate) connected: u64,
    /// Attempts to connect that failed or were refused.
    pub(crate) connect_failures: u64,
    /// Live connections that broke.
    pub(crate) lost: u64,
    /// Connections that were opened again after one broke.
    pub(crate) reconnects: u64,
    /// Messages written to a connection for the first time.
    pub(crate) published: u64,
    /// Publishes written again after a reconnect.
    pub(crate) resent: u64,
    /// Messages with a successful PUBACK or PUBREC.
    pub(crate) acknowledged: u64,
    /// Messages with a PUBACK or PUBREC that refuses them.
    pub(crate) refused: u64,
    /// Messages without an answer yet.
    pub(crate) open: u64,
    /// The commands to vehicles.
    pub(crate) commands: CommandCounts,
}

/// A run that has ended.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) counts: Counts,
    pub(crate) latencies: Latencies,
    /// From the first attempt to connect until publishing began.
    pub(crate) connecting: Duration,
    /// While new messages were sent.
    pub(crate) publishing: Duration,
    /// The wait for the last acknowledgements.
    pub(crate) draining: Duration,
    /// Acknowledged by the end of `publishing`.
    pub(crate) acknowledged_in_time: u64,
    /// The longest delay of a due message.
    pub(crate) late_max: Duration,
    /// The maximum number of messages that a vehicle sent.
    pub(crate) messages_max: u64,
    /// Whether it was stopped before its time.
    pub(crate) stopped: bool,
    /// Deliveries to subscribers, if there were any subscribers.
    pub(crate) deliveries: Option<Deliveries>,
    /// The last error of a connection.
    pub(crate) last_trouble: Option<String>,
}

/// A quantile is at most 1 % above the exact value.
const DIGITS: u8 = 2;

/// Recorded durations, in a histogram of nanoseconds whose size does not depend on their number:
/// about 30 KiB for durations up to ten seconds.
#[derive(Clone, Debug)]
pub(crate) struct Latencies(Histogram<u64>);

impl Latencies {
    pub(crate) fn new() -> Self {
        Self(Histogram::new(DIGITS).expect("up to five digits are allowed"))
    }

    pub(crate) fn record(&mut self, nanos: u64) {
        self.0.record(nanos).expect("the table grows with the longest");
    }

    pub(crate) fn recorded(&self) -> u64 {
        self.0.len()
    }

    pub(crate) fn longest(&self) -> Duration {
        Duration::from_nanos(self.0.max())
    }

    /// What was recorded since `earlier`, an older copy of this.
    pub(crate) fn since(&self, earlier: &Self) -> Self {
        let mut recent = self.0.clone();
        recent.subtract(&earlier.0).expect("counts only grow");
        Self(recent)
    }

    /// The quantile `share`, from 0 to 1, of the recorded durations; zero if nothing was recorded.
    pub(crate) fn quantile(&self, share: f64) -> Duration {
        Duration::from_nanos(self.0.value_at_quantile(share))
    }
}

/// Written in blocks of about this size, and at the end.
const BUFFER_BYTES: usize = 64 * 1024;

/// A file with one line for each acknowledged message, for tests that compare it with a store.
///
/// A line is `VEHICLE,NUMBER,TIME`: the message's number in its vehicle's script, and its time in
/// nanoseconds since the Unix epoch.
#[derive(Debug)]
pub(crate) struct AckLog {
    file: Box<dyn DiskFile>,
    offset: u64,
    buffer: Vec<u8>,
}

impl AckLog {
    /// Creates the file; an existing one is an error.
    pub(crate) fn create(disk: &dyn Disk, path: &Path) -> io::Result<Self> {
        Ok(Self { file: disk.create(path)?, offset: 0, buffer: Vec::new() })
    }

    pub(super) fn add(&mut self, vehicle: &str, message: u64, nanos: i64) -> io::Result<()> {
        writeln!(self.buffer, "{vehicle},{message},{nanos}")?;
        if self.buffer.len() >= BUFFER_BYTES { self.flush() } else { Ok(()) }
    }

    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.file.write_all_at(&self.buffer, self.offset)?;
        self.offset += u64::try_from(self.buffer.len()).unwrap_or(0);
        self.buffer.clear();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `found` is `exact` or up to a hundredth above it.
    #[track_caller]
    fn check_near(found: Duration, exact: Duration) {
        assert!(found >= exact && found <= exact + exact / 100, "{found:?} for {exact:?}");
    }

    #[test]
    fn what_came_since_has_quantiles_of_its_own() {
        let mut latencies = Latencies::new();
        (0..1000).for_each(|_| latencies.record(9_000_000));
        let earlier = latencies.clone();
        assert_eq!(latencies.since(&earlier).quantile(0.99), Duration::ZERO);
        (1..=10).for_each(|micros| latencies.record(micros * 1000));
        let recent = latencies.since(&earlier);
        assert_eq!(recent.recorded(), 10);
        check_near(recent.quantile(0.5), Duration::from_micros(5));
        check_near(recent.longest(), Duration::from_micros(10));
    }

    #[test]
    fn quantiles_of_a_known_distribution() {
        let mut latencies = Latencies::new();
        assert_eq!(latencies.quantile(0.99), Duration::ZERO);
        for micros in 1..=10_000_u64 {
            latencies.record(micros * 1000);
        }
        assert_eq!(latencies.recorded(), 10_000);
        for (share, micros) in [(0.5, 5000), (0.99, 9900), (0.999, 9990), (1.0, 10_000)] {
            check_near(latencies.quantile(share), Duration::from_micros(micros));
        }
        check_near(latencies.longest(), Duration::from_millis(10));
        latencies.record(u64::MAX);
        assert_eq!(latencies.longest(), Duration::from_nanos(u64::MAX));
    }
}
