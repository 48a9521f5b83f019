//! The fleet beside the appliance: half in protobuf, half in Avro, on a thread of its own.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use tokio::sync::oneshot;

use super::{appliance::DemoError, args::Arguments};
use crate::{
    env::{Clock, SystemClock, thread_cpu},
    simulator::{
        Counts, Files, Format, Latencies, Layers, Live, LiveOptions, Load, LoadError, LoadOptions,
        Logins, Outcome, Pace, Phase, Qos, Repertoire, Shape, Version, Watch,
    },
};

/// New connections a second: a fleet of 50 connects at once, one of 5,000 in 5 s.
const CONNECT_RATE: f64 = 1_000.0;
/// The additional time for the fleet to connect, and for its last acknowledgements to arrive.
const PATIENCE: Duration = Duration::from_secs(10);
/// The maximum of unacknowledged messages of a vehicle.
const WINDOW: usize = 32;
const KEEP_ALIVE_SECS: u16 = 60;
/// The same fleet every time, so that statements about it stay true.
const SEED: u64 = 1;

/// What the fleet has counted so far.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) phase: Phase,
    pub(super) counts: Counts,
    pub(super) latencies: Latencies,
    /// Processor time of the fleet's thread.
    pub(super) cpu: Duration,
}

/// A running fleet.
#[derive(Debug)]
pub(super) struct Fleet {
    pub(super) protobuf: usize,
    pub(super) avro: usize,
    stop: Arc<AtomicBool>,
    seen: Arc<Mutex<Seen>>,
    ended: oneshot::Receiver<Result<Outcome, LoadError>>,
}

impl Fleet {
    /// Starts the fleet. Its first messages are as old as the requested history.
    pub(super) fn start(arguments: &Arguments, target: SocketAddr) -> Result<Self, DemoError> {
        let clock = SystemClock::start();
        let vehicles = usize::try_from(arguments.vehicles).unwrap_or(usize::MAX);
        let (protobuf, avro) = (vehicles.div_ceil(2), vehicles / 2);
        let nanos = |duration: Duration| i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX);
        let step = arguments.step();
        let backlog = arguments.backlog();
        let history = nanos(step).saturating_mul(i64::try_from(backlog).unwrap_or(i64::MAX));
        let mut script = Live::new(LiveOptions {
            vehicles,
            first: 1,
            seed: SEED,
            start_nanos: clock.wall().0.saturating_sub(history),
            step_nanos: nanos(step),
        });
        for (format, count) in [(Format::Protobuf, protobuf), (Format::Avro, avro)] {
            let shape = Shape::load(&Files::Shipped, format, None).map_err(DemoError::Shape)?;
            script.add(shape, count).map_err(DemoError::Shape)?;
        }
        let commands = match arguments.no_commands {
            true => None,
            false => {
                Some(Arc::new(Repertoire::load(&Files::Shipped).map_err(DemoError::Commands)?))
            }
        };
        let options = LoadOptions {
            target,
            // Its PUBACKs can refuse with a reason code, which 3.1.1 cannot.
            version: Version::V5,
            qos: Qos::AtLeastOnce,
            window: WINDOW,
            pace: Pace::Rate(arguments.rate),
            duration: arguments.duration,
            connect_rate: CONNECT_RATE,
            connect_max: PATIENCE,
            drain_max: PATIENCE,
            keep_alive_secs: KEEP_ALIVE_SECS,
            logins: Logins::default(),
            layers: Layers::default(),
            seed: SEED,
            backlog,
            audience: None,
            commands,
        };
        let stop = Arc::new(AtomicBool::new(false));
        let seen = Arc::new(Mutex::new(Seen {
            phase: Phase::Connecting,
            counts: Counts::default(),
            latencies: Latencies::new(),
            cpu: Duration::ZERO,
        }));
        let (has_ended, ended) = oneshot::channel();
        let (stopped, mut onlooker) = (Arc::clone(&stop), Onlooker(Arc::clone(&seen)));
        let run = move || {
            let load = Load::new(options, &script, None, &clock);
            let outcome = load.and_then(|load| load.run(&stopped, &mut onlooker));
            // There is no receiver after an immediate stop.
            drop(has_ended.send(outcome));
        };
        let spawned = thread::Builder::new().name("fleet".to_owned()).spawn(run);
        spawned.map_err(|source| DemoError::Start { what: "thread", source })?;
        Ok(Self { protobuf, avro, stop, seen, ended })
    }

    pub(super) fn seen(&self) -> Seen {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Stops the vehicles; [`Fleet::ended`] returns after the last acknowledgement.
    pub(super) fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// Waits until the fleet has ended; may be dropped and called again until it has answered.
    pub(super) async fn ended(&mut self) -> Result<Outcome, DemoError> {
        match (&mut self.ended).await {
            Ok(outcome) => outcome.map_err(DemoError::Load),
            Err(_) => Err(DemoError::Gone { what: "fleet" }),
        }
    }
}

/// Keeps the fleet thread's counts for the board.
#[derive(Debug)]
struct Onlooker(Arc<Mutex<Seen>>);

impl Onlooker {
    fn update(&self, change: impl FnOnce(&mut Seen)) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.cpu = thread_cpu();
        change(&mut seen);
    }
}

impl Watch for Onlooker {
    fn phase(&mut self, phase: Phase, counts: &Counts) {
        self.update(|seen| (seen.phase, seen.counts) = (phase, *counts));
    }

    fn tick(&mut self, counts: &Counts, latencies: &Latencies) {
        self.update(|seen| {
            seen.counts = *counts;
            seen.latencies.clone_from(latencies);
        });
    }
}
