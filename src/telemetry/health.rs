//! The health board: which parts of the appliance are ready, and why the others are not.
//!
//! Each part owns a [`HealthCell`] and writes its own state into it; `readyz` and the metrics read
//! the whole [`HealthBoard`]. A critical part that is not ready makes the appliance not ready; any
//! other (such as the store, whose outage costs only disk space at first) is only shown.
//!
//! HB-1: a cell holds the last state that its owner set, and a snapshot shows one moment. HB-2: the
//! first state of a part and each change of its kind (ready, waiting, failed) are logged once,
//! here, and nowhere else. A part that stays waiting or failed is logged again, with its current
//! reason, at growing intervals ([`HealthBoard::repeat`]).

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// Time until a part that stays waiting or failed is logged again; it doubles each time.
const REPEATED_AFTER: Duration = Duration::from_secs(30);

/// Maximum of that time.
const REPEATED_AFTER_MAX: Duration = Duration::from_hours(1);

/// Whether the appliance is ready without this part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Critical {
    /// The appliance is ready only if this part is.
    Yes,
    /// Only shown to the operator.
    No,
}

/// The state of one part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    /// It works.
    Ready,
    /// It cannot work now, and continues by itself when the reason has passed (starting, disk full,
    /// store unavailable).
    Waiting(String),
    /// It cannot work until the operator acts or restarts it (failed fsync, wrong token).
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

/// A part, and what was logged about it.
#[derive(Debug)]
struct Entry {
    component: Component,
    /// Absent until its first state is logged.
    logged: Option<Logged>,
}

/// When the current kind of state is to be logged again.
#[derive(Clone, Copy, Debug)]
struct Logged {
    /// Absent until the next [`HealthBoard::repeat`].
    again_at: Option<Duration>,
    pause: Duration,
}

/// All parts. Cheap to clone; every clone is the same board.
#[derive(Clone, Debug, Default)]
pub struct HealthBoard(Arc<Mutex<Vec<Entry>>>);

impl HealthBoard {
    /// Adds a part, waiting to start. If the name is on the board already, its entry is reused.
    #[must_use]
    pub fn cell(&self, name: impl Into<String>, critical: Critical) -> HealthCell {
        let name = name.into();
        let health = Health::Waiting("starting".to_owned());
        let mut entries = lock(&self.0);
        let found = entries.iter().position(|entry| entry.component.name == name);
        let entry = Entry { component: Component { name, critical, health }, logged: None };
        let index = found.unwrap_or(entries.len());
        match found {
            Some(index) => entries[index] = entry,
            None => entries.push(entry),
        }
        HealthCell { board: Arc::clone(&self.0), index }
    }

    /// Every part, in the order it was added, as of one moment (HB-1).
    #[must_use]
    pub fn snapshot(&self) -> Vec<Component> {
        lock(&self.0).iter().map(|entry| entry.component.clone()).collect()
    }

    /// Whether every critical part is ready.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        lock(&self.0).iter().all(|entry| entry.component.allows_ready())
    }

    /// Logs parts that stay waiting or failed again, if due. Must be called periodically with the
    /// monotonic time.
    pub fn repeat(&self, now: Duration) {
        let mut due = Vec::new();
        for Entry { component, logged } in lock(&self.0).iter_mut() {
            let Some(logged) = logged.as_mut().filter(|_| component.health != Health::Ready) else {
                continue;
            };
            let again_at = *logged.again_at.get_or_insert(now + logged.pause);
            if again_at <= now {
                logged.pause = (logged.pause * 2).min(REPEATED_AFTER_MAX);
                logged.again_at = Some(now + logged.pause);
                due.push(component.clone());
            }
        }
        for Component { name: component, health, .. } in due {
            match health {
                Health::Ready => {}
                Health::Waiting(reason) => tracing::warn!(component, reason, "still waiting"),
                Health::Failed(reason) => tracing::error!(component, reason, "still failed"),
            }
        }
    }
}

/// One part's entry on the board, through which its owner sets the state.
pub struct HealthCell {
    board: Arc<Mutex<Vec<Entry>>>,
    index: usize,
}

impl HealthCell {
    /// Sets the state. Cheap when nothing changes, so a loop may call it every turn.
    pub fn set(&self, health: Health) {
        let mut entries = lock(&self.board);
        let Entry { component, logged } = &mut entries[self.index];
        if component.health == health {
            return;
        }
        let is_known = logged.is_some() && component.health.as_str() == health.as_str();
        component.health = health.clone();
        if is_known {
            return;
        }
        *logged = Some(Logged { again_at: None, pause: REPEATED_AFTER });
        let component = component.name.clone();
        drop(entries);
        match health {
            Health::Ready => tracing::info!(component, "ready"),
            Health::Waiting(reason) => tracing::warn!(component, reason, "waiting"),
            Health::Failed(reason) => tracing::error!(component, reason, "failed"),
        }
    }

    /// Sets a state without logging it: the part has nothing to do yet.
    pub fn set_idle(&self, reason: &str) {
        let mut entries = lock(&self.board);
        entries[self.index].component.health = Health::Waiting(reason.to_owned());
        entries[self.index].logged = None;
    }

    /// The state as last set.
    #[must_use]
    pub fn health(&self) -> Health {
        lock(&self.board)[self.index].component.health.clone()
    }
}

impl fmt::Debug for HealthCell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("HealthCell").field(&lock(&self.board)[self.index].component).finish()
    }
}

/// Poisoning is ignored: every write replaces a whole state.
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

    /// What is logged while `act` runs, a line each.
    fn logged(act: impl FnOnce()) -> Vec<String> {
        #[derive(Clone, Default)]
        struct Sink(Arc<Mutex<Vec<u8>>>);
        impl std::io::Write for Sink {
            fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
                lock(&self.0).extend_from_slice(bytes);
                Ok(bytes.len())
            }
            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }
        let sink = Sink::default();
        let writer = sink.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_writer(move || writer.clone())
            .with_ansi(false)
            .without_time()
            .with_target(false)
            .finish();
        tracing::subscriber::with_default(subscriber, act);
        let text = String::from_utf8(lock(&sink.0).clone()).expect("a log is text");
        text.lines().map(|line| line.trim().to_owned()).collect()
    }

    /// The case `o03-store-that-never-answered`.
    #[test]
    fn the_first_fault_is_logged_and_what_stays_is_logged_again_at_a_slowing_pace() {
        let board = HealthBoard::default();
        let store = board.cell("store", Critical::No);
        let lines = logged(|| {
            store.set_idle("nothing shipped yet");
            (0..100).for_each(|second| board.repeat(Duration::from_secs(second)));
        });
        assert_eq!(lines, [""; 0], "an idle part is no fault");

        let lines = logged(|| {
            store.set(Health::Waiting("connection refused".to_owned()));
            store.set(Health::Waiting("timed out".to_owned()));
            (100..3_700).for_each(|second| board.repeat(Duration::from_secs(second)));
            store.set(Health::Ready);
            (3_700..9_000).for_each(|second| board.repeat(Duration::from_secs(second)));
        });
        let again = r#"WARN still waiting component="store" reason="timed out""#;
        let mut expect = vec![r#"WARN waiting component="store" reason="connection refused""#];
        // After 30 s, then 60, 120, 240, 480, 960 and 1,920 s later: 3,810 s would be the next.
        expect.extend([again; 6]);
        expect.push(r#"INFO ready component="store""#);
        assert_eq!(lines, expect);
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
