//! A log on a disk, and letters for it.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use tokio::sync::oneshot;

use super::super::{Log, Options, Submission, list, open};
use crate::{
    env::disk::Disk,
    model::{
        Cause, DeadLetter, DeadLetters as _, LetterFilter, LetterId, LetterKind, LetterMark,
        Position, UnixNanos,
    },
    telemetry::{Exposition, Health, HealthBoard, Metrics},
};

pub(super) fn message(vehicle: &str, seconds: i64) -> DeadLetter {
    DeadLetter {
        time: UnixNanos(seconds * 1_000_000_000 + 5),
        vehicle: Some(vehicle.to_owned()),
        topic: Some(format!("vehicles/{vehicle}/telemetry")),
        mapping: Some("telemetry".to_owned()),
        cause: Cause::PayloadTruncated,
        detail: "ends at byte 2 of 3\nwith \"quotes\"".to_owned(),
        payload: Some(vec![0, 0xff, b'\n']),
        content_type: Some("application/protobuf".to_owned()),
        line: None,
        answer: None,
    }
}

pub(super) fn point(line: &[u8]) -> DeadLetter {
    DeadLetter {
        time: UnixNanos(-1),
        vehicle: None,
        topic: None,
        mapping: None,
        cause: Cause::StoreRefused,
        detail: String::new(),
        payload: None,
        content_type: None,
        line: Some(line.to_vec()),
        answer: Some("HTTP 400: no".to_owned()),
    }
}

pub(super) const fn id(position: u64, index: u32) -> LetterId {
    LetterId { kind: LetterKind::Message, position: Position(position), index }
}

pub(super) const fn point_id(position: u64, index: u32) -> LetterId {
    LetterId { kind: LetterKind::Point, position: Position(position), index }
}

/// An open log, and what it shows.
pub(super) struct Rig {
    pub(super) disk: Arc<dyn Disk>,
    pub(super) dir: PathBuf,
    pub(super) log: Log,
    pub(super) board: HealthBoard,
    pub(super) metrics: Arc<Metrics>,
}

impl Rig {
    pub(super) fn open(disk: Arc<dyn Disk>, options: Options) -> Self {
        let board = HealthBoard::default();
        let metrics = Arc::new(Metrics::new(board.clone()));
        let dir = options.dir.clone();
        let log = open(
            Arc::clone(&disk),
            options,
            Arc::clone(&metrics),
            &board,
            &crate::env::Supervisor::default(),
        );
        Self { disk, dir, log: log.expect("it opens"), board, metrics }
    }

    /// Submits messages, each for itself; each hears when it is durable.
    pub(super) fn submit(&self, letters: &[DeadLetter]) -> Vec<oneshot::Receiver<()>> {
        let mut heard = Vec::new();
        let submissions = letters.iter().map(|letter| {
            let (told, hears) = oneshot::channel();
            heard.push(hears);
            let durable = Box::new(move || {
                let _gone = told.send(());
            });
            Submission { kind: LetterKind::Message, letters: vec![letter.clone()], durable }
        });
        self.log.handle.submit(submissions);
        heard
    }

    /// Submits messages and waits until they are durable.
    pub(super) async fn keep(&self, letters: &[DeadLetter]) {
        for heard in self.submit(letters) {
            heard.await.expect("a disk that works");
        }
    }

    pub(super) async fn record(&self, letters: &[DeadLetter]) {
        self.log.handle.record(letters).await.expect("a disk that works");
    }

    pub(super) async fn remove(&self, filter: LetterFilter) -> usize {
        let removed = self.log.handle.remove(filter).await.expect("a disk that works");
        usize::try_from(removed).expect("it fits")
    }

    pub(super) fn all(&self) -> Vec<(LetterId, DeadLetter)> {
        all(&self.disk, &self.dir, LetterFilter::default())
    }

    pub(super) fn ids(&self) -> Vec<String> {
        self.all().into_iter().map(|(id, _)| id.to_string()).collect()
    }

    /// Why the log is not ready, if it is not.
    pub(super) fn reason(&self) -> String {
        let parts = self.board.snapshot();
        let part = parts.iter().find(|part| part.name == "dead-letter").expect("it is there");
        match &part.health {
            Health::Ready => String::new(),
            Health::Waiting(reason) | Health::Failed(reason) => reason.clone(),
        }
    }

    /// Waits until the log shows something.
    pub(super) async fn shows(&self, what: &str) {
        for _ in 0..500 {
            if self.reason().contains(what) && self.reason().is_empty() == what.is_empty() {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        panic!("`{what}` is not shown, but `{}`", self.reason());
    }

    /// A metric as it is scraped.
    pub(super) fn metric(&self, name: &str) -> usize {
        let text = self.metrics.encode(Exposition::Text);
        let line = text.lines().find(|line| line.starts_with(&format!("fleetline_{name} ")));
        let line = line.unwrap_or_else(|| panic!("no {name} in {text}"));
        line.rsplit_once(' ').expect("a value").1.parse().expect("a whole number")
    }
}

pub(super) fn all(
    disk: &Arc<dyn Disk>,
    dir: &Path,
    filter: LetterFilter,
) -> Vec<(LetterId, DeadLetter)> {
    let letters = list(Arc::clone(disk), dir, filter, LetterMark::default());
    let letters = letters.expect("it can be read");
    letters.collect::<Result<_, _>>().expect("each can be read")
}
