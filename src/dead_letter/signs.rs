//! What the log shows: metrics, and its places on the health board.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use crate::{
    dead_letter::{
        Options,
        letter::bounded,
        log::NAME,
        shelf::Shelf,
        summary::Remedy,
        waiting::{Waiting, Waits},
    },
    env::{Clock as _, SystemClock},
    model::{Cause, LetterKind},
    telemetry::{
        CauseLabel, CauseName, Critical, Health, HealthBoard, HealthCell, KindLabel, LogLimit,
        Metrics,
    },
};

/// How often it is logged that letters were replaced.
const REPLACED_LOGGED_EVERY: Duration = Duration::from_mins(1);

/// How often it is logged that letters of a cause were written.
const WRITTEN_LOGGED_EVERY: Duration = Duration::from_mins(1);

/// The longest words of a letter that are logged, in bytes.
const WORDS_LOGGED_BYTES_MAX: usize = 256;

/// What the log shows.
pub(super) struct Signs {
    metrics: Arc<Metrics>,
    /// What waits, and what was replaced. Not critical: good messages flow.
    room: HealthCell,
    /// Whether anything can be set aside at all. Critical: after a failed sync no session goes on
    /// behind a message that cannot be decoded.
    disk: HealthCell,
    /// Letters that were replaced since some of their kind were last removed: messages, points.
    replaced: [u64; 2],
    clock: SystemClock,
    told: LogLimit,
    /// Of each cause that was met: when it was told, and the letters that were not.
    untold: BTreeMap<Cause, (LogLimit, u64)>,
}

impl Signs {
    pub(super) fn new(metrics: Arc<Metrics>, board: &HealthBoard, options: &Options) -> Self {
        metrics.dead_letter_limit_bytes.set(gauge(options.bytes_max));
        let disk = board.cell(format!("{NAME}-disk"), Critical::Yes);
        disk.set(Health::Ready);
        Self {
            metrics,
            room: board.cell(NAME, Critical::No),
            disk,
            replaced: [0; 2],
            clock: SystemClock::start(),
            told: LogLimit::new(REPLACED_LOGGED_EVERY),
            untold: BTreeMap::new(),
        }
    }

    pub(super) fn halted(&self, reason: String) {
        self.room.set(Health::Failed(reason.clone()));
        self.disk.set(Health::Failed(reason));
    }

    /// Letters became durable: so many of each cause, the last of them in these words.
    pub(super) fn written(&mut self, causes: &BTreeMap<Cause, (u64, String)>) {
        for (cause, (letters, words)) in causes {
            let label = CauseLabel { cause: CauseName(*cause) };
            self.metrics.dead_letter_written_letters.get_or_create_owned(&label).inc_by(*letters);
            let fresh = || (LogLimit::new(WRITTEN_LOGGED_EVERY), 0);
            let (limit, untold) = self.untold.entry(*cause).or_insert_with(fresh);
            *untold += letters;
            if limit.admit(self.clock.monotonic()).is_none() {
                continue;
            }
            let letters = std::mem::take(untold);
            let Remedy { mend, show, heal } = Remedy::of(*cause);
            let cause = cause.as_str();
            let last = bounded(words, WORDS_LOGGED_BYTES_MAX);
            tracing::warn!(cause, letters, last, mend, show, heal, "dead letters were set aside");
        }
    }

    /// So many letters of a cause are on disk, more or, below 0, fewer.
    pub(super) fn kept(&self, cause: Option<Cause>, letters: i64) {
        if let Some(cause) = cause {
            let label = CauseLabel { cause: CauseName(cause) };
            self.metrics.dead_letter_cause_letters.get_or_create_owned(&label).inc_by(letters);
        }
    }

    pub(super) fn replaced(&mut self, kind: LetterKind, letters: u64) {
        if letters == 0 {
            return;
        }
        self.replaced[kind as usize] += letters;
        let label = KindLabel { kind: kind.as_str() };
        self.metrics.dead_letter_replaced_letters.get_or_create_owned(&label).inc_by(letters);
        if self.told.admit(self.clock.monotonic()).is_some() {
            let kind = kind.as_str();
            tracing::warn!(kind, letters, "the oldest dead letters were dropped for newer ones");
        }
    }

    pub(super) fn removed(&mut self, kind: LetterKind, letters: u64) {
        if letters > 0 {
            self.replaced[kind as usize] = 0;
        }
        let label = KindLabel { kind: kind.as_str() };
        self.metrics.dead_letter_removed_letters.get_or_create_owned(&label).inc_by(letters);
    }

    /// Brings gauges and board up to what is.
    pub(super) fn show(&self, messages: &Shelf, points: &Shelf, waiting: &Waiting) {
        let metrics = &self.metrics;
        metrics.dead_letter_disk_bytes.set(gauge(messages.bytes() + points.bytes()));
        for (kind, shelf) in [(LetterKind::Message, messages), (LetterKind::Point, points)] {
            let label = KindLabel { kind: kind.as_str() };
            let kept = metrics.dead_letter_kept_letters.get_or_create_owned(&label);
            kept.set(gauge(shelf.letters()));
        }
        metrics.dead_letter_waiting_letters.set(gauge(waiting.letters_in_all()));
        metrics.dead_letter_waiting_bytes.set(gauge(waiting.bytes() as u64));
        let reason = self.reason(waiting);
        self.room.set(if reason.is_empty() { Health::Ready } else { Health::Waiting(reason) });
    }

    /// What waits, and what to do about it; empty if all is well.
    fn reason(&self, waiting: &Waiting) -> String {
        let mut reasons: Vec<String> = Vec::new();
        let shared = waiting.letters(LetterKind::Message, Waits::Share);
        if shared > 0 {
            let owner = waiting.owner();
            reasons.push(format!(
                "{shared} messages that cannot be decoded wait: the share of the dead-letter log \
                 that one vehicle may take is used up (dead-letter.vehicle-share), by `{owner}` \
                 first of all"
            ));
        }
        let bound = waiting.letters(LetterKind::Message, Waits::Bound);
        if bound > 0 {
            reasons.push(format!(
                "{bound} messages that cannot be decoded wait: the dead-letter log is full \
                 (dead-letter.max-size)"
            ));
        }
        let held = waiting.letters(LetterKind::Point, Waits::Bound);
        if held > 0 {
            reasons.push(format!(
                "{held} points that the store refuses wait, and their shards ship nothing: their \
                 part of the dead-letter log is full (dead-letter.sink-when-full)"
            ));
        }
        if waiting.is_for_disk() {
            reasons.push("the disk has no room for dead letters: they wait".to_owned());
        }
        for kind in LetterKind::ALL {
            let replaced = self.replaced[kind as usize];
            if replaced > 0 {
                reasons.push(format!(
                    "{replaced} dead letters about {}s were dropped for newer ones",
                    kind.as_str()
                ));
            }
        }
        if !reasons.is_empty() {
            reasons.push("`fleetline dead-letter delete` makes room".to_owned());
        }
        reasons.join("; ")
    }
}

pub(super) fn gauge(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
