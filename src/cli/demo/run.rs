//! A demo from the creation of its folder to the removal.

use std::{path::PathBuf, time::Duration};

use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    time::{Interval, MissedTickBehavior, interval},
};

use super::{
    answers::Questions,
    appliance::{Appliance, DemoError, Folder, Places},
    args::Arguments,
    fleet::Fleet,
    push::Push,
    show::Show,
    status::{Doing, Look, Meter, Status, Summary},
};
use crate::{
    cli::{
        failure::Failure,
        output::{Output, complain},
        serve,
    },
    config::{self, Sources},
    env::{Clock, SystemClock, http_client, process_cpu},
    mqtt::Transport,
    simulator::{Ledger, Outcome, Stats},
    telemetry::{Chain, log},
};

/// The time between two looks.
const LOOK: Duration = Duration::from_secs(1);
/// The appliance answers its statistics within microseconds.
const STATS_TIMEOUT: Duration = Duration::from_secs(2);
/// The maximum wait at the end until everything is stored, and the interval of its checks.
const STORED_MAX: Duration = Duration::from_secs(10);
const STORED_LOOK: Duration = Duration::from_millis(100);

/// Runs the demo.
pub(in crate::cli) fn run(
    arguments: &Arguments,
    sources: &Sources,
    output: &mut Output,
) -> Result<(), Failure> {
    if sources.file.is_some() {
        let text = "demo brings a configuration of its own; set keys with --set, or run `fleetline \
                    serve --config …`";
        return Err(Failure::Usage(text.to_owned()));
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|source| DemoError::Start { what: "runtime", source })?;
    let (folder, signals) = runtime.block_on(async {
        // Before there is anything to clean up.
        let signals = Signals::listen()?;
        Folder::make().map(|folder| (folder, signals))
    })?;
    let given = runtime.block_on(Box::pin(give(arguments, sources, &folder, signals, output)));
    if given.is_err() {
        folder.log_tail().iter().for_each(complain);
    }
    let path = folder.path().to_owned();
    if let Err(error) = folder.remove() {
        complain(format_args!("cannot remove {}: {error}", path.display()));
    }
    given
}

async fn give(
    arguments: &Arguments,
    sources: &Sources,
    folder: &Folder,
    mut signals: Signals,
    output: &mut Output,
) -> Result<(), Failure> {
    let resolved = config::load(&folder.sources(sources))?;
    log::start_in(&folder.log(), &resolved.offline.log).map_err(Failure::failed)?;
    serve::raise_descriptor_limit();
    let data = resolved.offline.data_dir.clone();
    let appliance = tokio::select! {
        started = Appliance::start(resolved) => started?,
        () = signals.next() => return Ok(()),
    };
    let mut places = Places::new(&appliance.ready, folder.path(), data);
    let target = appliance.ready.addresses(Transport::Tcp).next();
    let none = || Failure::Usage("mqtt.listen has no mqtt:// address".to_owned());
    let target = target.ok_or_else(none)?;
    let mut show = Show::new(arguments.json, output);
    show.places(&places)?;
    let client = http_client().timeout(STATS_TIMEOUT).build();
    let client = client.map_err(DemoError::Client)?;
    let ledger = Ledger::new(&places.api, client).map_err(Failure::failed)?;
    let questions = Questions::new(&places.api, program())?;
    let push = match arguments.no_commands {
        true => None,
        false => Some(Push::new(&places.api)?),
    };
    let fleet = Fleet::start(arguments, target)?;
    (places.protobuf, places.avro) = (fleet.protobuf, fleet.avro);
    let mut demo = Demo {
        signals,
        appliance,
        fleet,
        ledger,
        questions,
        push,
        meter: Meter::new(u64::from(arguments.vehicles), arguments.backlog()),
        backlog: u64::from(arguments.vehicles).saturating_mul(arguments.backlog()),
        clock: SystemClock::start(),
        places,
        show,
    };
    let outcome = demo.drive().await?;
    let stats = demo.wait_until_stored().await?;
    let Demo { mut signals, appliance, show, meter, push, .. } = demo;
    // Log lines about its own stop are not relevant.
    let said = folder.log_tail();
    let stopped = tokio::select! {
        stopped = appliance.stop() => stopped?,
        () = signals.next() => return Err(at_once()),
    };
    let latencies = meter.driving(&outcome.latencies);
    let pushed = push.and_then(|push| push.heard?.pushed().cloned());
    show.summary(&Summary::new(&outcome, &latencies, &stats, &stopped, pushed))?;
    said.iter().for_each(complain);
    Ok(())
}

/// The name by which this program was called.
fn program() -> String {
    std::env::args_os()
        .next()
        .map_or_else(|| PathBuf::from("fleetline"), PathBuf::from)
        .display()
        .to_string()
}

/// A second signal: the user does not want to wait.
fn at_once() -> Failure {
    complain("asked to stop again: ending at once");
    Failure::Reported(1)
}

/// Everything that runs, and its observers.
struct Demo<'a> {
    signals: Signals,
    appliance: Appliance,
    fleet: Fleet,
    ledger: Ledger,
    questions: Questions,
    push: Option<Push>,
    meter: Meter,
    /// Messages of the whole fleet that are older than the demo.
    backlog: u64,
    clock: SystemClock,
    places: Places,
    show: Show<'a>,
}

impl Demo<'_> {
    /// Runs until the fleet has ended: after its time, or because of a signal.
    async fn drive(&mut self) -> Result<Outcome, Failure> {
        let mut looks = every(LOOK);
        let mut is_stopping = false;
        loop {
            tokio::select! {
                () = self.signals.next() => {
                    if is_stopping {
                        return Err(at_once());
                    }
                    is_stopping = true;
                    self.fleet.stop();
                }
                outcome = self.fleet.ended() => return Ok(outcome?),
                failure = self.appliance.lost() => return Err(failure),
                _ = looks.tick() => self.look().await?,
            }
        }
    }

    async fn look(&mut self) -> Result<(), Failure> {
        let mut status = self.status().await;
        let is_stored = status.doing == Doing::Driving && status.stored > self.backlog;
        if let Some(push) = self.push.as_mut().filter(|push| is_stored || push.heard.is_some()) {
            push.look().await;
            status.push.clone_from(&push.heard);
        }
        if self.show.wants_answers(is_stored) {
            let answers = self.questions.ask().await;
            self.show.answers(answers)?;
        }
        self.show.status(&status, &self.places)
    }

    async fn status(&mut self) -> Status {
        let stats = self.ledger.stats().await;
        self.meter.read(Look {
            at: self.clock.monotonic(),
            seen: self.fleet.seen(),
            process_cpu: process_cpu(),
            stats: stats.map_err(|error| Chain(&error).to_string()),
        })
    }

    /// Waits until everything that was acknowledged is stored, and shows answers if there were none
    /// yet.
    async fn wait_until_stored(&mut self) -> Result<Stats, Failure> {
        let end = self.clock.monotonic() + STORED_MAX;
        let mut looks = every(STORED_LOOK);
        loop {
            tokio::select! {
                () = self.signals.next() => return Err(at_once()),
                _ = looks.tick() => {}
            }
            let stats = self.ledger.stats().await.map_err(Failure::failed)?;
            let is_stored = stats.points.in_spool == 0 && stats.messages.pending == 0;
            if is_stored || self.clock.monotonic() > end {
                if self.show.owes_answers() {
                    let answers = self.questions.ask().await;
                    self.show.answers(answers)?;
                }
                return Ok(stats);
            }
        }
    }
}

fn every(period: Duration) -> Interval {
    let mut interval = interval(period);
    interval.set_missed_tick_behavior(MissedTickBehavior::Skip);
    interval
}

/// Ctrl-C, `kill`, and a closed terminal: after each of them the folder must be removed.
#[derive(Debug)]
pub(super) struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

impl Signals {
    /// Listens from now on; must be called inside a runtime.
    pub(super) fn listen() -> Result<Self, DemoError> {
        let on = |kind| {
            signal(kind).map_err(|source| DemoError::Start { what: "signal handler", source })
        };
        Ok(Self {
            interrupt: on(SignalKind::interrupt())?,
            terminate: on(SignalKind::terminate())?,
            hangup: on(SignalKind::hangup())?,
        })
    }

    /// Waits for the next one; may be dropped and called again.
    pub(super) async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = self.hangup.recv() => {}
        }
    }
}
