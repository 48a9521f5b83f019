//! The writing thread: takes the waiting requests, sorts their lines by file, commits.

use std::{
    collections::{BTreeMap, HashMap},
    path::{Path, PathBuf},
    sync::{Arc, mpsc},
    time::Duration,
};

use bytes::Bytes;

use crate::{
    env::{
        Clock,
        disk::{Disk as _, RealDisk},
    },
    model::{UnixNanos, line},
    store::{
        embedded::{
            check::Damaged,
            columns::{self, KnownColumns},
            file::{self, File},
            folder::{self, Found},
            period::Period,
            transaction::{self, Fault, Point, Refused},
            writer::Job,
        },
        options::Embedded,
        verdict::{Refusal, Verdict},
    },
    telemetry::{Critical, Health, HealthCell, Metrics},
};

/// The maximum bytes of lines in one batch; other requests wait for the next one.
pub const BATCH_BYTES_MAX: usize = 64 << 20;
/// The maximum number of open files; the least recently used one is closed.
pub const OPEN_FILES_MAX: usize = 8;

/// How often the size of the files is measured.
const MEASURE: Duration = Duration::from_secs(5);

/// How often files past the retention are searched.
const SWEEP: Duration = Duration::from_secs(60);

/// The state of the thread.
pub(super) struct State {
    options: Embedded,
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
    /// By name, as written in lines.
    measurements: HashMap<Box<[u8]>, KnownColumns>,
    /// Open files with the batch that used them last.
    open: BTreeMap<PathBuf, (File, u64)>,
    n_batches: u64,
    /// Rounds at the last sweep.
    n_batches_swept: u64,
    /// When the last sweep was, on the monotonic clock.
    swept: Option<Duration>,
    /// When the files were last measured.
    measured: Option<Duration>,
    /// The health cell that reports damaged files, once there was one.
    files_health: Option<HealthCell>,
}

/// The lines of one measurement and period in a batch.
struct Group<'a> {
    measurement: Box<[u8]>,
    period: Period,
    points: Vec<Point<'a>>,
}

impl State {
    pub(super) fn new(options: Embedded, clock: Arc<dyn Clock>, metrics: Arc<Metrics>) -> Self {
        Self {
            options,
            clock,
            metrics,
            measurements: HashMap::new(),
            open: BTreeMap::new(),
            n_batches: 0,
            n_batches_swept: 0,
            swept: None,
            measured: None,
            files_health: None,
        }
    }

    /// Runs until all senders of the queue are gone.
    pub(super) fn run(mut self, queue: &mpsc::Receiver<Job>) {
        loop {
            self.sweep();
            self.measure();
            let mut requests = Vec::new();
            let mut bytes = 0;
            let mut next = match queue.recv_timeout(MEASURE) {
                Ok(job) => Some(job),
                Err(mpsc::RecvTimeoutError::Timeout) => None,
                Err(mpsc::RecvTimeoutError::Disconnected) => return,
            };
            while let Some(job) = next {
                match job {
                    Job::Write { lines, reply } => {
                        bytes += lines.len();
                        requests.push((lines, reply));
                    }
                    Job::Damaged(Damaged { path, reason }) => {
                        if let Err(fault) = self.set_aside(&path, &reason) {
                            tracing::error!(?fault, "a damaged file cannot be set aside");
                        }
                    }
                }
                next = if bytes < BATCH_BYTES_MAX { queue.try_recv().ok() } else { None };
            }
            if requests.is_empty() {
                continue;
            }
            let (lines, replies): (Vec<Bytes>, Vec<_>) = requests.into_iter().unzip();
            for (verdict, reply) in self.batch(&lines).into_iter().zip(replies) {
                // The receiver may be gone because of a drain; the lines are stored anyway.
                drop(reply.verdict.send(verdict));
            }
        }
    }

    /// Stores several requests; returns one verdict each, in their order.
    fn batch(&mut self, requests: &[Bytes]) -> Vec<Verdict> {
        self.n_batches += 1;
        let mut refused = Vec::new();
        let groups = self.groups(requests, &mut refused);
        let mut faults: Vec<Option<Fault>> = vec![None; requests.len()];
        for group in &groups {
            match self.store(group) {
                Ok(more) => refused.extend(more),
                Err(fault) => {
                    for point in &group.points {
                        let worst = &mut faults[point.request];
                        if matches!(worst, None | Some(Fault::Unavailable(_))) {
                            *worst = Some(fault.clone());
                        }
                    }
                }
            }
        }
        let mut verdicts: Vec<Verdict> = faults
            .into_iter()
            .map(|fault| match fault {
                None => Verdict::Accepted,
                Some(Fault::Unavailable(reason)) => {
                    Verdict::Unavailable { reason, retry_after: None }
                }
                Some(Fault::Halted(reason) | Fault::Corrupt { why: reason, .. }) => {
                    Verdict::Halted { reason }
                }
            })
            .collect();
        for Refused { request, line_no: line, why: answer } in refused {
            let refusal = Refusal { line, answer };
            match &mut verdicts[request] {
                Verdict::Partial { refused } => refused.push(refusal),
                accepted @ Verdict::Accepted => {
                    *accepted = Verdict::Partial { refused: vec![refusal] };
                }
                // All lines are sent again, and refused then.
                _ => {}
            }
        }
        verdicts
    }

    /// Sorts lines by measurement and period.
    fn groups<'a>(&mut self, requests: &'a [Bytes], refused: &mut Vec<Refused>) -> Vec<Group<'a>> {
        let oldest = self.oldest();
        let mut groups: Vec<Group<'a>> = Vec::new();
        let mut last = 0;
        for (request, lines) in requests.iter().enumerate() {
            for (line_no, line) in line::lines(lines).enumerate() {
                let Some(time) = time_of(line) else {
                    let why = "the line has no time".to_owned();
                    refused.push(Refused { request, line_no, why });
                    continue;
                };
                if oldest.is_some_and(|oldest| time < oldest.0) {
                    let why = "the point is past the retention".to_owned();
                    refused.push(Refused { request, line_no, why });
                    continue;
                }
                let measurement = line::measurement_of(line);
                let is_in = |group: &Group<'_>| {
                    *group.measurement == *measurement && group.period.contains(UnixNanos(time))
                };
                if !groups.get(last).is_some_and(is_in) {
                    last = groups.iter().position(is_in).unwrap_or(groups.len());
                }
                if last == groups.len() {
                    let period = Period::of(UnixNanos(time), self.options.partition);
                    let measurement = measurement.into();
                    groups.push(Group { measurement, period, points: Vec::new() });
                }
                let series = line::series(line);
                groups[last].points.push(Point { request, line_no, line, series, time });
            }
        }
        groups
    }

    fn store(&mut self, group: &Group<'_>) -> Result<Vec<Refused>, Fault> {
        let name = line::unescape(&group.measurement).into_owned();
        let path = match folder::path(&self.options.dir, &name, &group.period) {
            Some(path) if !columns::is_reserved_view(&name) => path,
            _ => {
                return Ok(refuse(
                    group,
                    &format!("`{name}` cannot be a measurement of this store"),
                ));
            }
        };
        let mut suspect = None;
        loop {
            let stored = self.store_in(group, &path, &name);
            let Err(Fault::Corrupt { path: corrupt, why }) = stored else { return stored };
            // A single error may come from memory or the bus: the file is reopened and tried again.
            self.open.remove(&corrupt);
            if suspect.as_ref() == Some(&corrupt) {
                self.set_aside(&corrupt, &why)?;
            } else {
                suspect = Some(corrupt);
            }
        }
    }

    /// Stores a group in its file.
    fn store_in(
        &mut self,
        group: &Group<'_>,
        path: &Path,
        name: &str,
    ) -> Result<Vec<Refused>, Fault> {
        let mut known = match self.measurements.remove(&group.measurement) {
            Some(known) => known,
            None => self.known(name)?,
        };
        if !self.open.contains_key(path) {
            self.open_file(path, name)?;
        }
        let (mut file, _) = self.open.remove(path).expect("it is open now");
        // On an error the file is dropped, which rolls the transaction back, together with its
        // cached knowledge and the known columns: some of that may not be true any more.
        let refused = transaction::store(&mut file, &mut known, name, &group.points)
            .map_err(|error| Fault::of(&error, path))?;
        known.warn_of_limit(name);
        self.open.insert(path.to_owned(), (file, self.n_batches));
        self.measurements.insert(group.measurement.clone(), known);
        Ok(refused)
    }

    /// Sets a file aside that SQLite reports as corrupt, and forgets its columns.
    fn set_aside(&mut self, path: &Path, why: &str) -> Result<(), Fault> {
        self.open.remove(path);
        self.measurements.clear();
        let aside = folder::set_aside(path, self.clock.wall())
            .map_err(|error| Fault::Halted(format!("{why}; it cannot be renamed: {error}")))?;
        self.metrics.embedded_damaged_files.inc();
        tracing::error!(
            path = %path.display(), aside = %aside.display(), why,
            "SQLite calls the file damaged: set aside, nothing of it is deleted"
        );
        self.report_set_aside();
        Ok(())
    }

    /// Reports the files that are set aside, as long as they exist.
    fn report_set_aside(&mut self) {
        let aside = match folder::aside(&self.options.dir) {
            Ok(aside) => aside,
            Err(error) => return tracing::warn!(%error, "the embedded store's folder"),
        };
        if aside.is_empty() && self.files_health.is_none() {
            return;
        }
        let board = self.metrics.health();
        let cell =
            self.files_health.get_or_insert_with(|| board.cell("embedded-files", Critical::No));
        cell.set(match aside.first() {
            None => Health::Ready,
            Some(first) => Health::Failed(format!(
                "{} damaged and set aside, such as {}; its points are not answered: salvage it \
                 with `sqlite3 FILE .recover`, then move it away",
                match aside.len() {
                    1 => "a file is".to_owned(),
                    n => format!("{n} files are"),
                },
                first.display()
            )),
        });
    }

    /// The columns of a measurement, from all its files.
    fn known(&self, name: &str) -> Result<KnownColumns, Fault> {
        let mut known = KnownColumns::default();
        for found in self.files()?.into_iter().filter(|found| found.measurement == name) {
            let columns =
                file::look(&found.path).map_err(|error| Fault::of(&error, &found.path))?;
            for (column, role) in columns {
                known.add(&column, role);
            }
        }
        Ok(known)
    }

    fn files(&self) -> Result<Vec<Found>, Fault> {
        let dir = &self.options.dir;
        folder::list(dir, self.options.partition)
            .map_err(|error| Fault::Unavailable(format!("{}: {error}", dir.display())))
    }

    fn open_file(&mut self, path: &Path, name: &str) -> Result<(), Fault> {
        while self.open.len() >= OPEN_FILES_MAX {
            let oldest = self.open.iter().min_by_key(|(_, (_, used))| *used);
            let oldest = oldest.map(|(path, _)| path.clone()).expect("there are some");
            self.open.remove(&oldest);
        }
        let folder = path.parent().expect("a file lies in a folder");
        RealDisk
            .create_dirs(folder)
            .map_err(|error| Fault::Unavailable(format!("{}: {error}", folder.display())))?;
        let file = File::open(path, name).map_err(|error| Fault::of(&error, path))?;
        self.open.insert(path.to_owned(), (file, self.n_batches));
        self.share_cache();
        Ok(())
    }

    /// Returns each open file its share of the page cache: usually there is one file, which gets
    /// everything.
    fn share_cache(&self) {
        let bytes = self.options.cache_bytes / self.open.len().max(1) as u64;
        for (path, (file, _)) in &self.open {
            if let Err(error) = file.resize_cache(bytes) {
                tracing::warn!(path = %path.display(), %error, "its cache keeps its size");
            }
        }
    }

    /// Closes the files that were not written to since the last sweep: their logs are checkpointed,
    /// and their memory goes to the others.
    fn close_idle(&mut self) {
        let since = std::mem::replace(&mut self.n_batches_swept, self.n_batches);
        let n_open = self.open.len();
        self.open.retain(|_, (_, used)| *used > since);
        if self.open.len() < n_open {
            self.share_cache();
        }
    }

    /// The time before which points are past the retention.
    fn oldest(&self) -> Option<UnixNanos> {
        let retention = i64::try_from(self.options.retention?.as_nanos()).unwrap_or(i64::MAX);
        Some(UnixNanos(self.clock.wall().0.saturating_sub(retention)))
    }

    /// Reports the size of the files.
    fn measure(&mut self) {
        let now = self.clock.monotonic();
        if self.measured.is_some_and(|measured| now.saturating_sub(measured) < MEASURE) {
            return;
        }
        self.measured = Some(now);
        // The sweep reports a folder that cannot be listed.
        if let Ok(files) = self.files() {
            let bytes: u64 = files.iter().map(|found| folder::bytes(&found.path)).sum();
            self.metrics.embedded_disk_bytes.set(i64::try_from(bytes).unwrap_or(i64::MAX));
        }
    }

    /// Drops files past the retention (EM-5).
    fn sweep(&mut self) {
        let now = self.clock.monotonic();
        if self.swept.is_some_and(|swept| now.saturating_sub(swept) < SWEEP) {
            return;
        }
        self.swept = Some(now);
        self.report_set_aside();
        self.close_idle();
        let oldest = self.oldest();
        let files = match self.files() {
            Ok(files) => files,
            Err(fault) => return tracing::warn!(?fault, "the embedded store's folder"),
        };
        for Found { measurement, period, path } in files {
            if oldest.is_none_or(|oldest| !period.is_before(oldest)) {
                continue;
            }
            self.open.remove(&path);
            match folder::remove(&path) {
                Ok(()) => {
                    self.metrics.embedded_expired_files.inc();
                    tracing::info!(%measurement, period = %period.label, "past the retention: dropped");
                }
                Err(error) => tracing::warn!(path = %path.display(), %error, "cannot be dropped"),
            }
        }
    }
}

fn refuse(group: &Group<'_>, why: &str) -> Vec<Refused> {
    let refuse = |point: &Point<'_>| Refused {
        request: point.request,
        line_no: point.line_no,
        why: why.to_owned(),
    };
    group.points.iter().map(refuse).collect()
}

/// The time of a line: what follows the last space.
fn time_of(line: &[u8]) -> Option<i64> {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let at = line.iter().rposition(|byte| *byte == b' ')?;
    str::from_utf8(&line[at + 1..]).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        env::sim::SimClock,
        store::options::{NativeQueryLimits, Partition},
        telemetry::HealthBoard,
    };

    const DAY: i64 = 86_400_000_000_000;

    #[test]
    fn open_files_share_the_cache_and_idle_ones_are_closed() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let options = Embedded {
            dir: dir.path().to_owned(),
            retention: None,
            partition: Partition::Day,
            cache_bytes: 8 << 20,
            questions: NativeQueryLimits::default(),
            answerer: None,
        };
        let clock = Arc::new(SimClock::default());
        let metrics = Arc::new(Metrics::new(HealthBoard::default()));
        let mut state = State::new(options, Arc::clone(&clock) as Arc<dyn Clock>, metrics);
        let write = |state: &mut State, days: &[i64]| {
            let line = |day: &i64| format!("telemetry,vin=V x=1 {}\n", day * DAY);
            let lines: String = days.iter().map(line).collect();
            assert_eq!(state.batch(&[lines.into()]), [Verdict::Accepted]);
        };
        let caches = |state: &State| -> Vec<u64> {
            state.open.values().map(|(file, _)| file.cache_bytes()).collect()
        };
        state.sweep();
        write(&mut state, &[0]);
        assert_eq!(caches(&state), [8 << 20]);
        write(&mut state, &[0, 1]);
        assert_eq!(caches(&state), [4 << 20; 2]);
        let days: Vec<i64> = (0..20).collect();
        write(&mut state, &days);
        assert_eq!(caches(&state), [1 << 20; OPEN_FILES_MAX]);

        let was_open = |day: &str| folder::was_open(&dir.path().join("telemetry").join(day));
        assert!(was_open("1970-01-20.sqlite"));
        clock.advance(SWEEP);
        state.sweep();
        write(&mut state, &[19]);
        assert_eq!(caches(&state).len(), OPEN_FILES_MAX, "written to since the last sweep");
        clock.advance(SWEEP);
        state.sweep();
        assert_eq!(caches(&state), [8 << 20]);
        assert!(was_open("1970-01-20.sqlite") && !was_open("1970-01-19.sqlite"));
        clock.advance(SWEEP);
        state.sweep();
        assert!(!was_open("1970-01-20.sqlite"));
    }
}
