//! Measurements whose types are known, for a store that reports types only when it refuses points.
//!
//! The types are known if the fields were read from the store, or the store accepted a line. No
//! line is held back because of this. The sender may send lines of other measurements one request
//! after the other, so that a refusal reports the types before it sends more.

use std::{
    collections::HashSet,
    iter::once,
    sync::{PoisonError, RwLock},
};

use memchr::memchr_iter;

use super::{Ledger, table::TABLES_MAX};
use crate::model::line::{self, lines};

/// The measurements, as lines write them.
///
/// Why a lock: deliveries of all shards look at once; it is held for one pass over a batch.
#[derive(Debug, Default)]
pub(super) struct KnownTypes(RwLock<HashSet<Box<[u8]>>>);

impl Ledger {
    /// Whether the types of each measurement of these lines are known.
    pub(in crate::store) fn knows_types(&self, text: &[u8]) -> bool {
        let known = self.known_types.0.read().unwrap_or_else(PoisonError::into_inner);
        // To find where lines end costs more than all the rest, and a line feed nearly always is
        // the end of one. A line feed in a string seems to begin another line: only if that is of
        // an unknown measurement, the lines themselves are asked.
        let breaks = memchr_iter(b'\n', text).map(|at| &text[at + 1..]);
        are_known(&known, once(text).chain(breaks)) || are_known(&known, lines(text))
    }

    /// The store accepted these lines.
    pub(in crate::store) fn know_types_of(&self, text: &[u8]) {
        let mut last = None;
        for line in lines(text) {
            if last.is_some_and(|last| is_of(line, last)) {
                continue;
            }
            let measurement = line::measurement_of(line);
            last = Some(measurement);
            self.know(measurement);
        }
    }

    /// All fields that mappings write into this measurement were read from the store.
    pub(in crate::store) fn know_types(&self, measurement: &str) {
        let mut written = Vec::new();
        line::push_measurement(&mut written, measurement.as_bytes());
        self.know(&written);
    }

    fn know(&self, measurement: &[u8]) {
        let mut known = self.known_types.0.write().unwrap_or_else(PoisonError::into_inner);
        if known.contains(measurement) {
            return;
        }
        if known.len() >= TABLES_MAX {
            known.clear();
        }
        known.insert(measurement.into());
    }
}

/// Whether all lines are of known measurements. A line may have more behind it; an empty one counts
/// as known.
fn are_known<'a>(known: &HashSet<Box<[u8]>>, mut lines: impl Iterator<Item = &'a [u8]>) -> bool {
    let mut last = None;
    lines.all(|line| match last {
        // Most lines are of the measurement of the line before.
        Some(last) if is_of(line, last) => true,
        _ if line.is_empty() => true,
        _ => {
            let measurement = line::measurement_of(line);
            last = Some(measurement);
            known.contains(measurement)
        }
    })
}

/// Whether a line is of this measurement, as another line wrote it.
fn is_of(line: &[u8], measurement: &[u8]) -> bool {
    let rest = line.strip_prefix(measurement);
    rest.is_some_and(|rest| matches!(rest.first(), Some(b',' | b' ')))
}
