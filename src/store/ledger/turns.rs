//! Requests that add columns to one measurement do not run side by side.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::{Mutex as Turnstile, OwnedMutexGuard};

use super::Ledger;

/// One turnstile for each measurement that grows.
///
/// Why a mutex: it is taken for a moment, by requests that bring something new.
#[derive(Debug, Default)]
pub(super) struct Turns(Mutex<HashMap<String, Arc<Turnstile<()>>>>);

/// Turnstiles that nobody holds are forgotten past so many.
const TURNSTILES_MAX: usize = 1_000;

impl Turns {
    fn of(&self, name: &str) -> Arc<Turnstile<()>> {
        let mut turns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if turns.len() >= TURNSTILES_MAX {
            turns.retain(|_, turn| Arc::strong_count(turn) > 1);
        }
        Arc::clone(turns.entry(name.to_owned()).or_default())
    }
}

/// Leave to send lines that add columns: no other request of ours adds any to their measurements
/// until it is dropped.
#[derive(Debug, Default)]
pub struct Turn {
    held: Vec<OwnedMutexGuard<()>>,
}

impl Turn {
    /// Whether anything is added at all.
    #[must_use]
    pub fn grows(&self) -> bool {
        !self.held.is_empty()
    }
}

impl Ledger {
    /// Waits until no other request adds columns to what these lines add columns to. What the
    /// others added meanwhile is new no more.
    pub(in crate::store) async fn turn(&self, lines: &[u8]) -> Turn {
        loop {
            let growing = self.growing(lines);
            if growing.is_empty() {
                return Turn::default();
            }
            let mut held = Vec::with_capacity(growing.len());
            // In the order of names, so that no two wait for each other.
            for name in &growing {
                held.push(self.turns.of(name).lock_owned().await);
            }
            let left = self.growing(lines);
            if left.is_empty() {
                return Turn::default();
            }
            if left.is_subset(&growing) {
                return Turn { held };
            }
            // What was known is forgotten meanwhile.
        }
    }
}
