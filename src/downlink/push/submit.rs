//! A request for a push → a run that is frozen, or what it would do.

use std::sync::Arc;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value as Json, json};

use super::{
    PushRecord, PushRequest, Report, RunRecord, RunState,
    drive::{self, Driven},
    plan::Plan,
    select::{Choice, Fate, Selection},
};
use crate::{
    downlink::{
        Ask, AskError, Downlink, ReadError, Refused,
        engine::{Asked, NewPush, NewRun, PushJob},
        prepare::key,
        record::{Idempotency, Origin, Request},
    },
    model::{CommandId, NamePattern, UnixNanos},
    query::{QueryError, QuestionError},
};

/// Rows that a dry run shows.
const SHOWN_MAX: usize = 1000;
/// Commands that are made durable together; more would hold up everybody else's.
const TOGETHER: usize = 1000;

/// Who asks for a push.
#[derive(Clone, Debug)]
pub struct Sender {
    /// For the audit.
    pub who: Arc<str>,
    /// The vehicles that it may address; `None`: all.
    pub vehicles: Option<Arc<[NamePattern]>>,
}

impl Sender {
    pub(super) fn may_address(&self, vehicle: &str) -> bool {
        let own = self.vehicles.as_ref();
        own.is_none_or(|own| own.iter().any(|name| name.matches(vehicle)))
    }

    fn kept(&self) -> Option<Arc<str>> {
        let own = self.vehicles.as_ref()?;
        let names: Vec<String> = own.iter().map(ToString::to_string).collect();
        Some(json!(names).to_string().into())
    }
}

/// A push that was asked for.
#[derive(Clone, Debug)]
pub struct PushMade {
    /// As of the moment when it was durable.
    pub record: PushRecord,
    /// It was there before, under the same idempotency key.
    pub is_repeat: bool,
}

/// Why a push is not made.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum PushError {
    /// It cannot be asked for like this. The operator corrects it.
    #[error(transparent)]
    Ask(#[from] AskError),
    /// Its question is not answered. The operator corrects it, or asks again.
    #[error(transparent)]
    Query(#[from] QueryError),
    /// It would reach more vehicles than its guard allows. The operator looks at a dry run.
    #[error("it would reach {targeted} vehicles and its guard allows {max}{}", of(*.known))]
    Guard {
        /// How many it would reach.
        targeted: u64,
        /// How many it may.
        max: u64,
        /// How many vehicles are known, where the bound is a share of them.
        known: Option<u64>,
    },
    /// It cannot be made durable, or its key was used for another one.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The file of commands cannot be read. The operator looks at the disk.
    #[error("{reason}")]
    Read {
        /// What SQLite said.
        reason: String,
    },
}

fn of(known: Option<u64>) -> String {
    known.map(|known| format!(", a share of {known} that are known")).unwrap_or_default()
}

impl From<ReadError> for PushError {
    fn from(error: ReadError) -> Self {
        Self::Read { reason: error.to_string() }
    }
}

impl From<QuestionError> for PushError {
    fn from(error: QuestionError) -> Self {
        Self::Query(error.into())
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
struct Run {
    push: CommandId,
    at: UnixNanos,
    who: Arc<str>,
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
    /// Makes a push: asks its question, and answers when every row that is targeted is durable.
    ///
    /// # Errors
    /// Why not; nothing is sent then.
    pub async fn push(&self, request: PushRequest, sender: Sender) -> Result<PushMade, PushError> {
        let plan = Plan::new(&request, &self.options)?;
        let idempotency = key("idempotency-key", request.idempotency_key.as_deref())?
            .map(|key| Idempotency { digest: digest(&request), key });
        if let Some(wanted) = &idempotency
            && let Some(record) = self.repeated(wanted).await?
        {
            return Ok(PushMade { record, is_repeat: true });
        }
        let at = self.clock.wall();
        let new = NewPush {
            id: CommandId::random(at),
            name: Arc::clone(&plan.name),
            spec: serde_json::to_string(&request).unwrap_or_default().into(),
            who: Arc::clone(&sender.who),
            vehicles: sender.kept(),
            idempotency,
        };
        let downlink = self.clone();
        // Whoever asks may go: what has begun is brought to its end.
        let made = tokio::spawn(async move { downlink.make(plan, new, &sender, at).await });
        let asked =
            made.await.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))?;
        let record = self.known_push(asked.push).await?;
        Ok(PushMade { record, is_repeat: asked.is_repeat })
    }

    /// The push that a key made before.
    async fn repeated(&self, wanted: &Idempotency) -> Result<Option<PushRecord>, PushError> {
        let mut is_waited_for = false;
        loop {
            let key = Arc::clone(&wanted.key);
            let found = self.read(move |reader| reader.push_by_key(&key)).await?;
            let Some(found) = found else { return Ok(None) };
            if found.idempotency.as_ref() != Some(wanted) {
                let key = Arc::clone(&wanted.key);
                return Err(Refused::PushKeyTaken { key, id: found.id }.into());
            }
            let record = self.known_push(found.id).await?;
            let latest = record.latest.as_ref();
            let is_frozen = latest.is_none_or(|run| run.run.state != RunState::Freezing);
            if is_frozen || is_waited_for {
                return Ok(Some(record));
            }
            // Nobody is told of it before it is frozen.
            drop(self.freezing.lock().await);
            is_waited_for = true;
        }
    }

    /// What a push would do; nothing is kept or sent.
    ///
    /// # Errors
    /// Why it would not be made.
    pub async fn try_push(
        &self,
        request: &PushRequest,
        sender: &Sender,
    ) -> Result<Json, PushError> {
        let plan = Plan::new(request, &self.options)?;
        let at = self.clock.wall();
        let selection = self.select(&plan, sender, at).await?;
        self.guard(&plan, selection.counts.targeted, at).await?;
        let run = Run { push: CommandId::random(at), at, who: Arc::clone(&sender.who) };
        let shown: Vec<Json> = selection
            .choices
            .iter()
            .take(SHOWN_MAX)
            .map(|choice| self.shown(&plan.ask, &run, choice))
            .collect();
        let mut report = Report { counts: selection.counts, ..Report::default() };
        report.states[0] = selection.counts.targeted;
        Ok(json!({
            "query": selection.query,
            "report": report.json(),
            "rows": shown,
            "more": selection.choices.len().saturating_sub(SHOWN_MAX),
        }))
    }

    fn shown(&self, ask: &Ask, run: &Run, choice: &Choice) -> Json {
        let made = encode(self, ask, run, choice);
        json!({
            "vehicle": choice.vehicle,
            "row": choice.row,
            "fields": choice.fields,
            "payload": made.as_ref().ok().map(|request| STANDARD.encode(&request.payload)),
            "error": made.as_ref().err().map(ToString::to_string),
            "online": choice.is_online,
            "known": choice.fate != Fate::Unknown,
            "left-out": choice.fate.left_out(),
        })
    }

    async fn make(
        &self,
        plan: Plan,
        new: NewPush,
        sender: &Sender,
        at: UnixNanos,
    ) -> Result<Asked, PushError> {
        let one_at_a_time = self.freezing.lock().await;
        let selection = self.select(&plan, sender, at).await?;
        self.guard(&plan, selection.counts.targeted, at).await?;
        let run = Run { push: new.id, at, who: Arc::clone(&sender.who) };
        let new_run = new_run(&plan, &selection, at);
        let encoded = self.encode(&plan, run, selection).await?;
        let asked = self.ask_push(PushJob::Create(new, new_run)).await?;
        if asked.is_repeat {
            return Ok(asked);
        }
        let asked = self.freeze(asked, encoded.requests).await?;
        drop(one_at_a_time);
        drive::start(self, Driven { push: asked.push, run: asked.run, plan }, asked.held);
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
        let encoded = tokio::task::spawn_blocking(move || {
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
        let encoded = encoded.await;
        let encoded =
            encoded.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))?;
        match encoded.error {
            Some(error) if encoded.failed == encoded.requests.len() => Err(error.into()),
            error => Ok(Encoded { error, ..encoded }),
        }
    }

    /// Makes a run's commands durable (PU-2).
    pub(super) async fn freeze(
        &self,
        begun: Asked,
        requests: Vec<Arc<Request>>,
    ) -> Result<Asked, Refused> {
        let run = begun.run;
        let frozen = async {
            for some in requests.chunks(TOGETHER) {
                self.ask_push(PushJob::Freeze(run, some.to_vec())).await?;
            }
            self.ask_push(PushJob::Frozen(run)).await
        };
        match frozen.await {
            Ok(asked) => Ok(asked),
            Err(refused) => {
                let cause = refused.to_string().into();
                // Where that is not durable either, the next start does it.
                drop(self.ask_push(PushJob::GiveUp(run, cause)).await);
                Err(refused)
            }
        }
    }

    /// A push, with its latest run and the sums of all.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub async fn push_record(&self, id: CommandId) -> Result<Option<PushRecord>, ReadError> {
        self.read(move |reader| reader.push(id)).await
    }

    async fn known_push(&self, id: CommandId) -> Result<PushRecord, PushError> {
        Ok(self.push_record(id).await?.ok_or(Refused::PushUnknown(id))?)
    }

    /// Pushes, newest first; of one sender, where one is named.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub async fn push_page(
        &self,
        who: Option<String>,
        after: Option<i64>,
        limit: usize,
    ) -> Result<Vec<PushRecord>, ReadError> {
        self.read(move |reader| reader.pushes(who.as_deref(), after, limit)).await
    }

    /// Runs of a push, newest first.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub async fn run_page(
        &self,
        push: i64,
        after: Option<i64>,
        limit: usize,
    ) -> Result<Vec<RunRecord>, ReadError> {
        self.read(move |reader| reader.runs(push, after, limit)).await
    }

    /// Lets no command of a push leave until it is resumed.
    ///
    /// # Errors
    /// If it has ended, or that cannot be made durable.
    pub async fn pause_push(&self, id: CommandId, who: Arc<str>) -> Result<(), Refused> {
        self.change_push(PushJob::Pause(id, who)).await
    }

    /// Lets it go on.
    ///
    /// # Errors
    /// As [`Downlink::pause_push`].
    pub async fn resume_push(&self, id: CommandId, who: Arc<str>) -> Result<(), Refused> {
        self.change_push(PushJob::Resume(id, who)).await
    }

    /// Stops it, and takes back what is not delivered.
    ///
    /// # Errors
    /// As [`Downlink::pause_push`].
    pub async fn abort_push(&self, id: CommandId, who: Arc<str>) -> Result<(), Refused> {
        self.change_push(PushJob::Abort(id, who)).await
    }

    /// Forgets one that has ended; its commands stay for as long as any.
    ///
    /// # Errors
    /// If it goes on, or that cannot be made durable.
    pub async fn forget_push(&self, id: CommandId, who: Arc<str>) -> Result<(), Refused> {
        self.change_push(PushJob::Forget(id, who)).await
    }

    async fn change_push(&self, job: PushJob) -> Result<(), Refused> {
        self.ask_push(job).await?;
        self.pushes_changed.send_modify(|count| *count += 1);
        Ok(())
    }
}

/// A row's command.
fn encode(downlink: &Downlink, ask: &Ask, run: &Run, choice: &Choice) -> Result<Request, AskError> {
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
    }
}

/// Of all that makes a push what it is.
fn digest(request: &PushRequest) -> [u8; 16] {
    let content = PushRequest { idempotency_key: None, ..request.clone() };
    let text = serde_json::to_string(&content).unwrap_or_default();
    let digest = ring::digest::digest(&ring::digest::SHA256, text.as_bytes());
    let mut half = [0; 16];
    half.copy_from_slice(&digest.as_ref()[..16]);
    half
}
