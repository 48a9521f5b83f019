//! From arguments to report.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use jiff::tz::TimeZone;

use super::{
    Arguments, SimulateError,
    progress::Progress,
    report::{ReplayReport, Report},
    target::Target,
};
use crate::{
    cli::{
        failure::Failure,
        output::{Output, complain},
    },
    env::{
        Clock, SystemClock,
        disk::{Disk, RealDisk},
    },
    simulator::{
        AckLog, Asked, Claim, DriveOptions, Files, Ledger, Load, LoadOptions, Outcome, Pace, Qos,
        ReplayOptions, Replayed, Script, Shape, Stats, StoreQuestion, Tracks, Vehicles,
        Verification, VerifyError, drives, read_recording, read_text, verify,
    },
};

/// A fleet may take so long to connect, over what the connect rate needs.
const CONNECT_MAX: Duration = Duration::from_secs(15);
/// Encoded rows that are held in memory.
const REPLAY_BYTES_MAX: usize = 2 << 30;
const TOPIC_BYTES_MAX: usize = 1024;
const PAYLOAD_BYTES_MAX: usize = 1 << 20;
/// Answers of the appliance and of a store.
const HTTP_TIMEOUT: Duration = Duration::from_secs(30);

/// Runs the fleet and writes the report.
pub(in crate::cli) fn run(arguments: &Arguments, output: &mut Output) -> Result<(), Failure> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::start());
    let disk: Arc<dyn Disk> = Arc::new(RealDisk);
    let target = Target::parse(&arguments.target)?;
    let cast = Cast::assemble(arguments, clock.as_ref(), &disk)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .map_err(SimulateError::Runtime)?;
    let questions = Questions::prepare(arguments, disk.as_ref())?;
    let before = runtime.block_on(questions.before())?;
    let stop = Arc::new(AtomicBool::new(false));
    runtime.spawn(stop_on_signal(Arc::clone(&stop)));

    let outcome = publish(arguments, &cast.script, target, disk.as_ref(), clock.as_ref(), &stop)?;
    let claim =
        Claim { acknowledged: outcome.counts.acknowledged, interrupted: outcome.counts.lost > 0 };
    let asked = cast.asked(outcome.messages_max);
    let unacknowledged = if outcome.stopped { 0 } else { outcome.counts.open };
    let bytes = cast.script.payload_bytes_mean();
    let is_qos0 = arguments.qos == Qos::AtMostOnce;
    let mut report = Report::new(cast.script.parts().len(), bytes, is_qos0, outcome);
    report.replay = cast.replayed;
    report.verification =
        runtime.block_on(questions.after(claim, before, &asked, arguments, clock))?;
    runtime.shutdown_background();

    if arguments.json {
        output.json(&report)?;
    } else {
        let mut table = Vec::new();
        report.write_table(&mut table).map_err(Failure::output)?;
        output.bytes(&table)?;
    }
    if let Some(problem) = report.verification.as_ref().and_then(Verification::problem) {
        complain(format_args!("not all that was acknowledged is stored: {problem}"));
        return Err(Failure::Told(1));
    }
    if unacknowledged > 0 {
        complain(format_args!("{unacknowledged} messages were never acknowledged"));
        return Err(Failure::Told(1));
    }
    Ok(())
}

/// Who says what.
struct Cast {
    script: Tracks,
    measurement: String,
    vehicle_tag: String,
    replayed: Option<ReplayReport>,
    /// Of a recording; a fleet's times depend on how far it came.
    times: Option<(i64, i64)>,
}

impl Cast {
    fn assemble(
        arguments: &Arguments,
        clock: &dyn Clock,
        disk: &Arc<dyn Disk>,
    ) -> Result<Self, SimulateError> {
        let files = match &arguments.schemas {
            Some(dir) => Files::Folder { disk: Arc::clone(disk), dir: dir.clone() },
            None => Files::Shipped,
        };
        let shape = Shape::load(&files, arguments.format, arguments.mapping.as_deref());
        let shape = shape.map_err(SimulateError::Shape)?;
        let topic = arguments.topic.clone().unwrap_or_else(|| shape.topic.clone());
        let cast = match &arguments.replay {
            Some(dir) => Self::replay(arguments, &shape, topic, dir, disk.as_ref())?,
            None => Self::fleet(arguments, &shape, topic, clock)?,
        };
        for part in cast.script.parts() {
            let is_usual = (1..=TOPIC_BYTES_MAX).contains(&part.topic.len());
            if !is_usual || part.topic.contains(['+', '#', '\0']) {
                let topic = part.topic.to_string();
                return Err(SimulateError::Topic { topic });
            }
        }
        let (bytes, bytes_max) = (cast.script.payload_bytes_max(), PAYLOAD_BYTES_MAX);
        if bytes > bytes_max {
            return Err(SimulateError::Payload { bytes, bytes_max });
        }
        Ok(cast)
    }

    fn replay(
        arguments: &Arguments,
        shape: &Shape,
        topic: String,
        dir: &Path,
        disk: &dyn Disk,
    ) -> Result<Self, SimulateError> {
        let name = &arguments.timezone;
        let zone = TimeZone::get(name)
            .map_err(|source| SimulateError::Zone { name: name.clone(), source })?;
        let options = ReplayOptions {
            dir: dir.to_owned(),
            columns: arguments.columns.clone(),
            zone,
            topic,
            bytes_max: REPLAY_BYTES_MAX,
        };
        let replayed = read_recording(disk, shape, &options).map_err(SimulateError::Replay)?;
        let Replayed { script, rows, unused, times } = replayed;
        let unused_columns = unused.into_iter().collect();
        Ok(Self {
            script,
            measurement: shape.measurement.clone(),
            vehicle_tag: shape.vehicle_tag.clone(),
            replayed: Some(ReplayReport { rows, unused_columns }),
            times,
        })
    }

    fn fleet(
        arguments: &Arguments,
        shape: &Shape,
        topic: String,
        clock: &dyn Clock,
    ) -> Result<Self, SimulateError> {
        let step = match arguments.rate {
            Pace::Rate(rate) if rate > 0.0 => Duration::from_secs_f64(1.0 / rate),
            Pace::Rate(_) | Pace::Recorded { .. } => Duration::from_secs(1),
            Pace::Window => Duration::ZERO,
        };
        let options = DriveOptions {
            format: arguments.format,
            topic,
            vehicles: arguments.vehicles,
            first: arguments.first_vehicle,
            seed: arguments.seed,
            start_nanos: clock.wall().0,
            step_nanos: i64::try_from(step.as_nanos()).unwrap_or(i64::MAX),
            size: arguments.size.and_then(|size| usize::try_from(size).ok()),
        };
        let script = drives(shape, &options).map_err(SimulateError::Shape)?;
        Ok(Self {
            script,
            measurement: shape.measurement.clone(),
            vehicle_tag: shape.vehicle_tag.clone(),
            replayed: None,
            times: None,
        })
    }

    /// What a store has to be asked after the longest script came so far.
    fn asked(&self, messages_max: u64) -> Asked {
        let names = || self.script.parts().iter().map(|part| part.vehicle.clone());
        let vehicles = match (self.replayed.is_some(), names().min(), names().max()) {
            (false, Some(first), Some(last)) => Vehicles::Range { first, last },
            _ => Vehicles::These(names().collect()),
        };
        let times = self.script.times(messages_max).or(self.times).unwrap_or((0, 0));
        Asked {
            measurement: self.measurement.clone(),
            vehicle_tag: self.vehicle_tag.clone(),
            vehicles,
            times,
        }
    }
}

fn publish(
    arguments: &Arguments,
    script: &Tracks,
    target: Target,
    disk: &dyn Disk,
    clock: &dyn Clock,
    stop: &AtomicBool,
) -> Result<Outcome, SimulateError> {
    let pace = match (&arguments.replay, arguments.speed) {
        (Some(_), Some(speed)) => Pace::Recorded { speed },
        (Some(_), None) => Pace::Window,
        (None, _) => arguments.rate,
    };
    let options = LoadOptions {
        target: target.address,
        version: arguments.version,
        qos: arguments.qos,
        window: usize::from(arguments.window),
        pace,
        duration: arguments.duration,
        connect_rate: f64::from(arguments.connect_rate),
        connect_max: CONNECT_MAX,
        drain_max: arguments.drain,
        keep_alive_secs: arguments.keep_alive,
        login: target.login,
        seed: arguments.seed,
        backlog: 0,
    };
    let ack_log = match &arguments.ack_log {
        Some(path) => Some(
            AckLog::create(disk, path)
                .map_err(|source| SimulateError::AckLog { path: path.clone(), source })?,
        ),
        None => None,
    };
    let mut progress = Progress::new(script.parts().len(), script.total(), arguments.duration);
    let load = Load::new(options, script, ack_log, clock).map_err(SimulateError::Load)?;
    let outcome = load.run(stop, &mut progress);
    progress.finish();
    outcome.map_err(SimulateError::Load)
}

/// The first SIGINT or SIGTERM ends the run with its report, the second ends the process.
async fn stop_on_signal(stop: Arc<AtomicBool>) {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut interrupt), Ok(mut terminate)) =
        (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        return;
    };
    for _ in 0..2 {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        if stop.swap(true, Ordering::Relaxed) {
            std::process::exit(130);
        }
    }
}

/// Whom to ask whether everything is stored.
struct Questions {
    client: reqwest::Client,
    appliance: Option<Ledger>,
    store: Option<StoreQuestion>,
    token: Option<String>,
}

impl Questions {
    fn prepare(arguments: &Arguments, disk: &dyn Disk) -> Result<Self, SimulateError> {
        let client =
            reqwest::Client::builder().timeout(HTTP_TIMEOUT).build().map_err(|source| {
                SimulateError::Verify(VerifyError::Ask { url: "anything".to_owned(), source })
            })?;
        let appliance = match &arguments.verify {
            Some(url) => Some(Ledger::new(url, client.clone()).map_err(SimulateError::Verify)?),
            None => None,
        };
        let store = match (&arguments.verify_store, &arguments.verify) {
            (Some(url), _) => Some(StoreQuestion::parse(url).map_err(SimulateError::Verify)?),
            (None, Some(url)) => Some(StoreQuestion::Behind { appliance: url.clone() }),
            (None, None) => None,
        };
        let token = match &arguments.verify_token_file {
            Some(path) => {
                let text = read_text(disk, path).map_err(|source| {
                    SimulateError::Verify(VerifyError::Token { path: path.clone(), source })
                });
                Some(text?.trim().to_owned())
            }
            None => None,
        };
        Ok(Self { client, appliance, store, token })
    }

    async fn before(&self) -> Result<Stats, SimulateError> {
        match &self.appliance {
            Some(appliance) => appliance.stats().await.map_err(SimulateError::Verify),
            None => Ok(Stats::default()),
        }
    }

    async fn after(
        &self,
        claim: Claim,
        before: Stats,
        asked: &Asked,
        arguments: &Arguments,
        clock: Arc<dyn Clock>,
    ) -> Result<Option<Verification>, SimulateError> {
        if self.appliance.is_none() && self.store.is_none() {
            return Ok(None);
        }
        let appliance = self.appliance.as_ref().map(|appliance| (appliance, before));
        let store = self.store.as_ref();
        let store = store.map(|store| (store, &self.client, self.token.as_deref(), asked));
        let found = verify(claim, appliance, store, arguments.verify_wait, clock).await;
        found.map(Some).map_err(SimulateError::Verify)
    }
}
