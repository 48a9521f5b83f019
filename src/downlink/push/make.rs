//! Makes a run of a push: runs its query, chooses and encodes its rows, and makes them durable.
//!
//! Runs wait for each other only from the check of `once-per` to the commands; their queries run
//! concurrently.

use std::sync::Arc;

use super::{
    PushError, Sender,
    plan::Plan,
    select::{Choice, RowDecision, Selection},
};
use crate::{
    downlink::{
        CommandRequest, Downlink, Refused, RequestError,
        engine::{Asked, NewPush, NewRun, PushJob},
        record::{Origin, Request},
    },
    env::blocking,
    model::{CommandId, UnixNanos},
};

/// The maximum number of commands that are made durable together; more would delay other jobs.
const TOGETHER: usize = 1000;

/// A run that is to be made.
pub(super) struct Making<'p> {
    pub(super) plan: &'p Plan,
    pub(super) sender: &'p Sender,
    pub(super) whose: Whose,
    /// The time of its query.
    pub(super) at: UnixNanos,
    /// Why it is later than its time.
    pub(super) cause: Option<Arc<str>>,
    /// For a scheduled push: when the next run is due.
    pub(super) next_ms: Option<i64>,
}

/// The push of a run.
pub(super) enum Whose {
    New(NewPush),
    ScheduledPush(CommandId),
}

impl Whose {
    fn id(&self) -> CommandId {
        match self {
            Self::New(push) => push.id,
            Self::ScheduledPush(push) => *push,
        }
    }
}

/// The rows of a run, encoded.
struct Encoded {
    requests: Vec<Arc<Request>>,
    /// The error of the first row that cannot be encoded.
    error: Option<RequestError>,
    failed: usize,
}

/// The data of a run that all its commands need.
#[derive(Clone, Debug)]
pub(super) struct Run {
    pub(super) push: CommandId,
    pub(super) at: UnixNanos,
    pub(super) who: Arc<str>,
}

impl Run {
    /// PU-3
    fn command_id(&self, vehicle: &str) -> CommandId {
        let mut text = self.push.0.to_vec();
        text.extend(self.at.0.to_be_bytes());
        text.extend(vehicle.as_bytes());
        let digest = ring::digest::digest(&ring::digest::SHA256, &text);
        let mut rest = [0; 10];
        rest.copy_from_slice(&digest.as_ref()[..10]);
        CommandId::new(self.at, rest)
    }
}

impl Downlink {
    /// Runs a push's query and freezes its rows: for a new push, or for a scheduled one.
    pub(super) async fn make(&self, making: Making<'_>) -> Result<Asked, PushError> {
        let Making { plan, sender, at, .. } = making;
        let mut selection = self.find(plan, at).await?;
        let allowed = self.allowed(plan, &selection, at).await?;
        let one_at_a_time = self.freezing.lock().await;
        self.choose(plan, sender, &mut selection, at).await?;
        allowed.check(selection.counts.targeted)?;
        let run = Run { push: making.whose.id(), at, who: Arc::clone(&sender.who) };
        let new_run = NewRun { cause: making.cause, ..new_run(plan, &selection, at) };
        let encoded = self.encode(plan, run, selection).await?;
        let begin = match making.whose {
            Whose::New(push) => PushJob::Create(push, Some(new_run)),
            Whose::ScheduledPush(push) => PushJob::Begin(push, new_run),
        };
        let asked = self.ask_push(begin).await?;
        if asked.is_repeat {
            return Ok(asked);
        }
        let asked = self.freeze(asked, encoded.requests, making.next_ms).await?;
        drop(one_at_a_time);
        Ok(asked)
    }

    /// Encodes the targeted rows; a row that cannot be encoded becomes a failed command, unless
    /// that is the case for all rows.
    async fn encode(
        &self,
        plan: &Plan,
        run: Run,
        selection: Selection,
    ) -> Result<Encoded, PushError> {
        let (downlink, ask) = (self.clone(), plan.ask.clone());
        let targets = selection.choices.into_iter().filter(|it| it.decision == RowDecision::Target);
        let targets: Vec<Choice> = targets.collect();
        // It may take a second of CPU, which others on this runtime need.
        let encoded = blocking(move || {
            let mut encoded = Encoded { requests: Vec::new(), error: None, failed: 0 };
            for choice in &targets {
                let (request, failure) = match encode(&downlink, &ask, &run, choice) {
                    Ok(request) => (request, None),
                    Err(error) => {
                        let failure: Arc<str> = error.to_string().into();
                        encoded.failed += 1;
                        // The row's fields do not fit the schema: its payload is empty.
                        match failed(&downlink, &ask, &run, choice) {
                            Some(request) if !matches!(error, RequestError::Undeclared { .. }) => {
                                encoded.error.get_or_insert(error);
                                (request, Some(failure))
                            }
                            _ => return Err(error),
                        }
                    }
                };
                let row = serde_json::to_string(&choice.row).unwrap_or_default().into();
                let origin = Some(Origin { row, failure });
                encoded.requests.push(Arc::new(Request { origin, ..request }));
            }
            Ok(encoded)
        });
        let encoded = encoded.await?;
        match encoded.error {
            Some(error) if encoded.failed == encoded.requests.len() => Err(error.into()),
            error => Ok(Encoded { error, ..encoded }),
        }
    }

    /// Makes a run's commands durable (PU-2).
    async fn freeze(
        &self,
        begun: Asked,
        requests: Vec<Arc<Request>>,
        next_ms: Option<i64>,
    ) -> Result<Asked, Refused> {
        let run = begun.run;
        let frozen = async {
            for some in requests.chunks(TOGETHER) {
                self.ask_push(PushJob::Freeze(run, some.to_vec())).await?;
            }
            self.ask_push(PushJob::Frozen(run, next_ms)).await
        };
        match frozen.await {
            Ok(asked) => Ok(asked),
            Err(refused) => {
                let cause = refused.to_string().into();
                // If that cannot be made durable either, the next start does it.
                drop(self.ask_push(PushJob::GiveUp(run, cause, next_ms)).await);
                Err(refused)
            }
        }
    }
}

/// A row's command.
pub(super) fn encode(
    downlink: &Downlink,
    ask: &CommandRequest,
    run: &Run,
    choice: &Choice,
) -> Result<Request, RequestError> {
    let ask = CommandRequest { fields: Some(choice.fields.clone()), ..ask.clone() };
    downlink.prepare_as(&ask, &choice.vehicle, &run.who, run.command_id(&choice.vehicle))
}

/// The command of a row that could not be encoded: raw and empty. It is never sent.
fn failed(
    downlink: &Downlink,
    ask: &CommandRequest,
    run: &Run,
    choice: &Choice,
) -> Option<Request> {
    let declared = downlink.declared();
    let command = declared.find(ask.command.as_deref()?)?;
    let raw =
        CommandRequest { topic: Some(command.topic(&choice.vehicle)), ..CommandRequest::default() };
    let id = run.command_id(&choice.vehicle);
    let request = downlink.prepare_as(&raw, &choice.vehicle, &run.who, id).ok()?;
    let fields = serde_json::to_string(&choice.fields).unwrap_or_default().into();
    Some(Request { name: Some(Arc::clone(command.name())), fields: Some(fields), ..request })
}

fn new_run(plan: &Plan, selection: &Selection, at: UnixNanos) -> NewRun {
    NewRun {
        at_ms: at.0.div_euclid(1_000_000),
        query: selection.query.to_string().into(),
        counts: selection.counts,
        abort_above: plan.waves.and_then(|waves| waves.abort_above),
        cause: None,
    }
}
