//! From arguments to report.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use super::{
    Arguments,
    show::{Progress, Report},
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
        AckLog, Claim, Layers, Load, LoadOptions, Logins, Outcome, Plan, Qos, Target, TlsClients,
        Verification, Verifier, VerifyError,
    },
    telemetry::Chain,
};

/// Runs the fleet and writes the report.
pub(in crate::cli) fn run(arguments: &Arguments, output: &mut Output) -> Result<(), Failure> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::start());
    let disk: Arc<dyn Disk> = Arc::new(RealDisk);
    let no_target = |error| Failure::Usage(format!("--target {error}"));
    let target = Target::parse(&arguments.target).map_err(no_target)?;
    let plan = Plan::make(arguments.plan(&disk), disk.as_ref(), clock.as_ref());
    let plan = plan.map_err(|error| Failure::Usage(Chain(&error).to_string()))?;
    let commands = arguments.commands(&disk).map_err(|errors| {
        let what = "cannot tell what vehicles obey; --no-commands goes without";
        Failure::Usage(format!("{what}: {errors}"))
    })?;
    for (name, error) in commands.iter().flat_map(|all| &all.left_out) {
        complain(format_args!(
            "vehicles do not subscribe to {name}: its receipt needs more: {error}"
        ));
    }
    let verifier = Verifier::new(&arguments.verify(), disk.as_ref()).map_err(cannot_verify)?;
    let layers = layers(arguments, &target, &plan, disk.as_ref())?;
    let mut logins = Logins::of_all(target.login.clone());
    if let Some(path) = &arguments.users {
        let parts = plan.script.parts();
        logins = logins.read(disk.as_ref(), path, parts).map_err(|error| {
            Failure::Usage(format!("--users {}: {}", path.display(), Chain(&error)))
        })?;
    }
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime.map_err(Failure::failed)?;
    let address = runtime.block_on(target.address()).map_err(no_target)?;
    let load = arguments.load(address, logins, layers, &plan.topics(), commands);
    let before = runtime.block_on(verifier.before()).map_err(cannot_verify)?;
    let stop = Arc::new(AtomicBool::new(false));
    runtime.spawn(stop_on_signal(Arc::clone(&stop)));

    let outcome = publish(arguments, load, &plan, disk.as_ref(), clock.as_ref(), &stop)?;
    let claim =
        Claim { acknowledged: outcome.counts.acknowledged, interrupted: outcome.counts.lost > 0 };
    let asked = plan.asked(outcome.messages_max);
    let unacknowledged = if outcome.stopped { 0 } else { outcome.counts.open };
    let verified = runtime.block_on(verifier.after(claim, before, &asked, clock));
    let verification = verified.map_err(cannot_verify)?;
    runtime.shutdown_background();

    let is_qos0 = arguments.qos == Qos::AtMostOnce;
    let report = Report::new(&plan, arguments.subscribers, is_qos0, outcome, verification);
    if arguments.json {
        output.json(&report)?;
    } else {
        let mut table = Vec::new();
        report.write_table(&mut table).map_err(Failure::output)?;
        output.bytes(&table)?;
    }
    if let Some(problem) = report.verification.as_ref().and_then(Verification::problem) {
        complain(format_args!("not all that was acknowledged is stored: {problem}"));
        return Err(Failure::Reported(1));
    }
    if let Some(lost) = report.lost().filter(|_| !is_qos0) {
        complain(format_args!("{lost} deliveries of acknowledged messages did not come"));
        return Err(Failure::Reported(1));
    }
    if unacknowledged > 0 {
        complain(format_args!("{unacknowledged} messages were never acknowledged"));
        return Err(Failure::Reported(1));
    }
    Ok(())
}

/// The layers over TCP, as the target requires.
fn layers(
    arguments: &Arguments,
    target: &Target,
    plan: &Plan,
    disk: &dyn Disk,
) -> Result<Layers, Failure> {
    let options = arguments.tls();
    let tls = match target.transport.is_secure() {
        true => {
            let clients = TlsClients::load(&options, &target.host, plan.script.parts(), disk);
            Some(Arc::new(clients.map_err(|error| Failure::Usage(Chain(&error).to_string()))?))
        }
        false if options.ca.is_some() || options.certificate.is_some() => {
            let what = "--ca and --cert are for a --target with mqtts:// or wss://";
            return Err(Failure::Usage(what.to_owned()));
        }
        false => None,
    };
    Ok(Layers { tls, web: target.web() })
}

fn publish(
    arguments: &Arguments,
    load: LoadOptions,
    plan: &Plan,
    disk: &dyn Disk,
    clock: &dyn Clock,
    stop: &AtomicBool,
) -> Result<Outcome, Failure> {
    let ack_log =
        match &arguments.ack_log {
            Some(path) => Some(AckLog::create(disk, path).map_err(|error| {
                Failure::Usage(format!("cannot make {}: {error}", path.display()))
            })?),
            None => None,
        };
    let script = plan.script.as_ref();
    let mut progress = Progress::new(script.parts().len(), script.total(), arguments.duration);
    let load = Load::new(load, script, ack_log, clock);
    let outcome = load.and_then(|load| load.run(stop, &mut progress));
    progress.finish();
    outcome.map_err(|error| failed("cannot publish", &error))
}

/// An error in the arguments is wrong usage; every other one is a failure.
fn cannot_verify(error: VerifyError) -> Failure {
    match error {
        VerifyError::Url { .. } | VerifyError::Token { .. } => {
            Failure::Usage(format!("cannot verify: {}", Chain(&error)))
        }
        VerifyError::Client(_)
        | VerifyError::Ask { .. }
        | VerifyError::Answer { .. }
        | VerifyError::Sense { .. } => failed("cannot verify", &error),
    }
}

fn failed(what: &str, error: &(dyn std::error::Error + 'static)) -> Failure {
    Failure::Failed(format!("{what}: {}", Chain(error)).into())
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
