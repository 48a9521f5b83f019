//! What the log tells the operator: metrics, health, and log lines.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use crate::{
    dead_letter::{
        Options,
        letter::bounded,
        letter_spool::LetterSpool,
        log::NAME,
        summary::Remedy,
        waiting::{WaitReason, Waiting},
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

/// The log's metrics, its places on the health board, and limits of what it writes into the
/// process's log.
pub(super) struct Indicators {
    metrics: Arc<Metrics>,
    /// Tells what waits and what was dropped. Not critical: good messages flow.
    room: HealthCell,
    /// Tells whether letters can be written at all. Critical: after a failed sync every session
    /// stops at its first message that cannot be decoded.
    disk: HealthCell,
    /// Letters dropped for newer ones since letters of their kind were last removed, by kind.
    replaced: [u64; 2],
    clock: SystemClock,
    replaced_log: LogLimit,
    /// For each cause that occurred: when it was last logged, and the letters since.
    unlogged: BTreeMap<Cause, (LogLimit, u64)>,
}

impl Indicators {
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
            replaced_log: LogLimit::new(REPLACED_LOGGED_EVERY),
            unlogged: BTreeMap::new(),
        }
    }

    pub(super) fn halted(&self, reason: String) {
        self.room.set(Health::Failed(reason.clone()));
        self.disk.set(Health::Failed(reason));
    }

    /// Letters became durable: for each cause their count and the words of the last one.
    pub(super) fn written(&mut self, causes: &BTreeMap<Cause, (u64, String)>) {
        for (cause, (letters, words)) in causes {
            let label = CauseLabel { cause: CauseName(*cause) };
            self.metrics.dead_letter_written_letters.get_or_create_owned(&label).inc_by(*letters);
            let fresh = || (LogLimit::new(WRITTEN_LOGGED_EVERY), 0);
            let (limit, unlogged) = self.unlogged.entry(*cause).or_insert_with(fresh);
            *unlogged += letters;
            if limit.admit(self.clock.monotonic()).is_none() {
                continue;
            }
            let letters = std::mem::take(unlogged);
            let Remedy { mend, show, heal } = Remedy::of(*cause);
            let cause = cause.as_str();
            let last = bounded(words, WORDS_LOGGED_BYTES_MAX);
            tracing::warn!(cause, letters, last, mend, show, heal, "dead letters were set aside");
        }
    }

    /// The number of letters of a cause on disk changed by `letters`.
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
        if self.replaced_log.admit(self.clock.monotonic()).is_some() {
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

    /// Updates the gauges and the health board.
    pub(super) fn show(&self, messages: &LetterSpool, points: &LetterSpool, waiting: &Waiting) {
        let metrics = &self.metrics;
        metrics.dead_letter_disk_bytes.set(gauge(messages.bytes() + points.bytes()));
        for (kind, spool) in [(LetterKind::Message, messages), (LetterKind::Point, points)] {
            let label = KindLabel { kind: kind.as_str() };
            let kept = metrics.dead_letter_kept_letters.get_or_create_owned(&label);
            kept.set(gauge(spool.letters()));
        }
        metrics.dead_letter_waiting_letters.set(gauge(waiting.letters_in_all()));
        metrics.dead_letter_waiting_bytes.set(gauge(waiting.bytes() as u64));
        let reason = self.reason(waiting);
        self.room.set(if reason.is_empty() { Health::Ready } else { Health::Waiting(reason) });
    }

    /// Says what waits and what to do about it; empty if all is well.
    fn reason(&self, waiting: &Waiting) -> String {
        let mut reasons: Vec<String> = Vec::new();
        let shared = waiting.letters(LetterKind::Message, WaitReason::Share);
        if shared > 0 {
            let owner = waiting.owner();
            reasons.push(format!(
                "{shared} messages that cannot be decoded wait: the share of the dead-letter log \
                 that one vehicle may take is used up (dead-letter.vehicle-share), by `{owner}` \
                 first of all"
            ));
        }
        let bound = waiting.letters(LetterKind::Message, WaitReason::Bound);
        if bound > 0 {
            reasons.push(format!(
                "{bound} messages that cannot be decoded wait: the dead-letter log is full \
                 (dead-letter.max-size)"
            ));
        }
        let held = waiting.letters(LetterKind::Point, WaitReason::Bound);
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
