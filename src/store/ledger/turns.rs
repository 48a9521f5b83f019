//! Requests that add columns to the same measurement take turns.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};

use super::Ledger;

/// One async mutex per measurement that grows.
///
/// Why a mutex: it is held briefly, by requests that have new columns.
#[derive(Debug, Default)]
pub(super) struct Turns(Mutex<HashMap<String, Arc<AsyncMutex<()>>>>);

/// Past this number, mutexes that nobody holds are removed.
const LOCKS_MAX: usize = 1_000;

impl Turns {
    fn of(&self, name: &str) -> Arc<AsyncMutex<()>> {
        let mut turns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if turns.len() >= LOCKS_MAX {
            turns.retain(|_, turn| Arc::strong_count(turn) > 1);
        }
        Arc::clone(turns.entry(name.to_owned()).or_default())
    }
}

/// A permit to send lines that add columns: no other request of ours adds columns to their
/// measurements until it is dropped.
#[derive(Debug, Default)]
pub struct Turn {
    held: Vec<OwnedMutexGuard<()>>,
}

impl Turn {
    /// Whether any columns are added.
    #[must_use]
    pub fn grows(&self) -> bool {
        !self.held.is_empty()
    }
}

impl Ledger {
    /// Waits until no other request adds columns to the measurements to which these lines add
    /// columns. Columns that the others have added meanwhile are not new any more.
    pub(in crate::store) async fn turn(&self, lines: &[u8]) -> Turn {
        loop {
            let growing = self.growing(lines);
            if growing.is_empty() {
                return Turn::default();
            }
            let mut held = Vec::with_capacity(growing.len());
            // In the order of names, so that no two requests wait for each other.
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
            // The knowledge was forgotten meanwhile.
        }
    }
}
