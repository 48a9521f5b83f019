//! The health board: which parts of the appliance are ready, and why the others are not.
//!
//! Each part owns a [`HealthCell`] and writes its own state into it; `readyz` and the metrics read
//! the whole [`HealthBoard`]. A critical part that is not ready makes the appliance not ready; any
//! other (the store, which may be away for an hour at no cost but disk) is told and no more.
//!
//! HB-1: a cell holds the last state that its owner set, and a snapshot is of one moment.
//! HB-2: a change of kind (ready, waiting, failed) is logged once, here, and nowhere else.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Whether the appliance is ready without this part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Critical {
    /// Not ready unless this part is.
    Yes,
    /// Told to the operator, and no more.
    No,
}

/// The state of one part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    /// Does its work.
    Ready,
    /// Cannot now, and goes on by itself when the reason has passed (starting, disk full, store
    /// away).
    Waiting(String),
    /// Cannot, and will not without the operator or a restart (failed fsync, wrong token).
    Failed(String),
}

impl Health {
    /// The kind as one stable word: `ready`, `waiting` or `failed`.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Waiting(_) => "waiting",
            Self::Failed(_) => "failed",
        }
    }

    /// Why it is not ready.
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Ready => None,
            Self::Waiting(reason) | Self::Failed(reason) => Some(reason),
        }
    }
}

/// One part as a snapshot saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Component {
    /// Its name, unique on the board: `mqtt`, `spool-0`, `store`.
    pub name: String,
    /// Whether the appliance is ready without it.
    pub critical: Critical,
    /// Its state.
    pub health: Health,
}

impl Component {
    /// Whether it leaves the appliance ready.
    #[must_use]
    pub fn allows_ready(&self) -> bool {
        self.critical == Critical::No || self.health == Health::Ready
    }
}

/// All parts. Cheap to clone; every clone is the same board.
#[derive(Clone, Debug, Default)]
pub struct HealthBoard(Arc<Mutex<Vec<Component>>>);

impl HealthBoard {
    /// Adds a part, waiting to start. A name that is on the board already is taken over.
    #[must_use]
    pub fn cell(&self, name: impl Into<String>, critical: Critical) -> HealthCell {
        let name = name.into();
        let health = Health::Waiting("starting".to_owned());
        let mut components = lock(&self.0);
        let index = match components.iter().position(|component| component.name == name) {
            Some(index) => {
                components[index] = Component { name, critical, health };
                index
            }
            None => {
                components.push(Component { name, critical, health });
                components.len() - 1
            }
        };
        HealthCell { board: Arc::clone(&self.0), index }
    }

    /// Every part, in the order it was added, as of one moment (HB-1).
    #[must_use]
    pub fn snapshot(&self) -> Vec<Component> {
        lock(&self.0).clone()
    }

    /// Whether every critical part is ready.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        lock(&self.0).iter().all(Component::allows_ready)
    }
}

/// One part's place on the board; its owner's only way to write there.
pub struct HealthCell {
    board: Arc<Mutex<Vec<Component>>>,
    index: usize,
}

impl HealthCell {
    /// Sets the state. Cheap when nothing changes, so a loop may call it every turn.
    pub fn set(&self, health: Health) {
        let mut components = lock(&self.board);
        let component = &mut components[self.index];
        if component.health == health {
            return;
        }
        let changed_kind = component.health.as_str() != health.as_str();
        component.health = health.clone();
        if !changed_kind {
            return;
        }
        let component = component.name.clone();
        drop(components);
        match health {
            Health::Ready => tracing::info!(component, "ready"),
            Health::Waiting(reason) => tracing::warn!(component, reason, "waiting"),
            Health::Failed(reason) => tracing::error!(component, reason, "failed"),
        }
    }

    /// The state as last set.
    #[must_use]
    pub fn health(&self) -> Health {
        lock(&self.board)[self.index].health.clone()
    }
}

impl fmt::Debug for HealthCell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("HealthCell").field(&lock(&self.board)[self.index]).finish()
    }
}

/// Every write replaces a whole state, so a panic elsewhere cannot leave half of one.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_board_is_ready_when_every_critical_part_is_whatever_the_others_say() {
        let board = HealthBoard::default();
        assert!(board.is_ready(), "an empty board waits for nothing");
        let spool = board.cell("spool-0", Critical::Yes);
        let store = board.cell("store", Critical::No);
        assert!(!board.is_ready());

        spool.set(Health::Ready);
        store.set(Health::Waiting("connection refused".to_owned()));
        assert!(board.is_ready());

        spool.set(Health::Failed("fdatasync failed".to_owned()));
        store.set(Health::Ready);
        assert!(!board.is_ready());
    }

    #[test]
    fn a_snapshot_tells_every_part_with_its_reason() {
        let board = HealthBoard::default();
        board.cell("mqtt", Critical::Yes).set(Health::Ready);
        let store = board.cell("store", Critical::No);
        store.set(Health::Waiting("503".to_owned()));
        let told: Vec<_> = board
            .snapshot()
            .into_iter()
            .map(|c| (c.name, c.health.as_str(), c.health.reason().map(str::to_owned)))
            .collect();
        assert_eq!(
            told,
            [
                ("mqtt".to_owned(), "ready", None),
                ("store".to_owned(), "waiting", Some("503".to_owned())),
            ]
        );
    }

    #[test]
    fn a_name_taken_over_keeps_one_place() {
        let board = HealthBoard::default();
        board.cell("mqtt", Critical::Yes).set(Health::Ready);
        let again = board.cell("mqtt", Critical::Yes);
        again.set(Health::Failed("closed".to_owned()));
        assert_eq!(board.snapshot().len(), 1);
        assert_eq!(again.health(), Health::Failed("closed".to_owned()));
    }
}
