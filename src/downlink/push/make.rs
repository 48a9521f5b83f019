//! A run of a push: its question asked, its rows chosen, encoded and made durable.
//!
//! Only from looking who was told to telling does one run wait for another; their questions are
//! asked at the same time.

use std::sync::Arc;

use super::{
    PushError, Sender,
    plan::Plan,
    select::{Choice, Fate, Selection},
};
use crate::{
    downlink::{
        Ask, AskError, Downlink, Refused,
        engine::{Asked, NewPush, NewRun, PushJob},
        record::{Origin, Request},
    },
    env::blocking,
    model::{CommandId, UnixNanos},
};

/// Commands that are made durable together; more would hold up everybody else's.
const TOGETHER: usize = 1000;

/// A run that is to be made.
pub(super) struct Making<'p> {
    pub(super) plan: &'p Plan,
    pub(super) sender: &'p Sender,
    pub(super) whose: Whose,
    /// The time of its question.
    pub(super) at: UnixNanos,
    /// Why it is made later than it was due.
    pub(super) cause: Option<Arc<str>>,
    /// Of one that stands: when the next one is due.
    pub(super) next_ms: Option<i64>,
}

/// The push of a run.
pub(super) enum Whose {
    New(NewPush),
    Standing(CommandId),
}

impl Whose {
    fn id(&self) -> CommandId {
        match self {
            Self::New(push) => push.id,
            Self::Standing(push) => *push,
        }
    }
}

/// The rows of a run, encoded.
struct Encoded {
    requests: Vec<Arc<Request>>,
    /// What is wrong with the first of those that cannot be.
    error: Option<AskError>,
    failed: usize,
}

/// What every command of a run needs to know of it.
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
    /// Asks a push's question and freezes its rows: of a new push, or of one that stands.
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
            Whose::Standing(push) => PushJob::Begin(push, new_run),
        };
        let asked = self.ask_push(begin).await?;
        if asked.is_repeat {
            return Ok(asked);
        }
        let asked = self.freeze(asked, encoded.requests, making.next_ms).await?;
        drop(one_at_a_time);
        Ok(asked)
    }

    /// Encodes what is targeted; a row that cannot be becomes a command that has failed, unless
    /// that is so of all.
    async fn encode(
        &self,
        plan: &Plan,
        run: Run,
        selection: Selection,
    ) -> Result<Encoded, PushError> {
        let (downlink, ask) = (self.clone(), plan.ask.clone());
        let targets = selection.choices.into_iter().filter(|it| it.fate == Fate::Target);
        let targets: Vec<Choice> = targets.collect();
        // It may take a second of a core, which others on this runtime need.
        let encoded = blocking(move || {
            let mut encoded = Encoded { requests: Vec::new(), error: None, failed: 0 };
            for choice in &targets {
                let (request, failure) = match encode(&downlink, &ask, &run, choice) {
                    Ok(request) => (request, None),
                    Err(error) => {
                        let failure: Arc<str> = error.to_string().into();
                        encoded.failed += 1;
                        // What the schema wants is not there: its payload is empty.
                        match failed(&downlink, &ask, &run, choice) {
                            Some(request) if !matches!(error, AskError::Undeclared { .. }) => {
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
                // Where that is not durable either, the next start does it.
                drop(self.ask_push(PushJob::GiveUp(run, cause, next_ms)).await);
                Err(refused)
            }
        }
    }
}

/// A row's command.
pub(super) fn encode(
    downlink: &Downlink,
    ask: &Ask,
    run: &Run,
    choice: &Choice,
) -> Result<Request, AskError> {
    let ask = Ask { fields: Some(choice.fields.clone()), ..ask.clone() };
    downlink.prepare_as(&ask, &choice.vehicle, &run.who, run.command_id(&choice.vehicle))
}

/// A row's command that was never encoded: raw, with nothing in it. Nobody ever reads it.
fn failed(downlink: &Downlink, ask: &Ask, run: &Run, choice: &Choice) -> Option<Request> {
    let declared = downlink.declared();
    let command = declared.find(ask.command.as_deref()?)?;
    let raw = Ask { topic: Some(command.topic(&choice.vehicle)), ..Ask::default() };
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
