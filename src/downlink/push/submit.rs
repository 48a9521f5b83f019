//! Turns a request for a push into a frozen run, or into a dry run.

use std::sync::Arc;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value as Json, json};

use super::{
    PushRecord, PushRequest, Report, RunState,
    drive::{self, Driven},
    make::{Making, Run, Whose, encode},
    plan::Plan,
    schedule::Schedule,
    scheduler::{self, ScheduledPush},
    select::{Choice, RowDecision},
};
use crate::{
    downlink::{
        CommandRequest, Downlink, ReadError, Refused, RequestError,
        engine::{Asked, NewPush, PushJob},
        prepare::key,
        record::{Idempotency, moment},
        store::PushRow,
    },
    env::joined,
    model::{CommandId, NamePattern, UnixNanos},
    query::{QueryError, QuestionError},
};

/// The maximum rows of a dry run.
const SHOWN_MAX: usize = 1000;
/// The number of times of a schedule in a dry run.
const TIMES_SHOWN: usize = 3;

/// The sender of a push.
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

    /// The sender of a stored push.
    pub(super) fn of(push: &PushRow) -> Self {
        let names = push.vehicles.as_deref().map(|kept| {
            let names: Vec<String> = serde_json::from_str(kept).unwrap_or_default();
            names.iter().filter_map(|name| NamePattern::parse(name).ok()).collect()
        });
        Self { who: Arc::clone(&push.who), vehicles: names }
    }

    fn kept(&self) -> Option<Arc<str>> {
        let own = self.vehicles.as_ref()?;
        let names: Vec<String> = own.iter().map(ToString::to_string).collect();
        Some(json!(names).to_string().into())
    }
}

/// The result of a request for a push.
#[derive(Clone, Debug)]
pub struct PushMade {
    /// The push, as it was when it became durable.
    pub record: PushRecord,
    /// It existed before, with the same idempotency key.
    pub is_repeat: bool,
}

/// Why a push was not made.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum PushError {
    /// The request is invalid. Correct it.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// Its query failed. Correct it, or try again.
    #[error(transparent)]
    Query(#[from] QueryError),
    /// It would reach more vehicles than its guard allows. Look at a dry run.
    #[error("it would reach {targeted} vehicles and its guard allows {max}{}", of(*.known))]
    Guard {
        /// The number that it would reach.
        targeted: u64,
        /// The allowed number.
        max: u64,
        /// The number of known vehicles, if the bound is a share of them.
        known: Option<u64>,
    },
    /// It cannot be made durable, or its key was used for another push.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The file of commands cannot be read. Check the disk.
    #[error("{reason}")]
    Read {
        /// SQLite's error.
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

impl Downlink {
    /// Makes a push: runs its query, and returns when every targeted row is durable. A push with a
    /// schedule is durable at once, and runs its query at its times.
    ///
    /// # Errors
    /// If it was not made; nothing is sent then.
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
        let next_ms = plan
            .schedule
            .as_ref()
            .map(|schedule| schedule.after(at.0.div_euclid(1_000_000)).unwrap_or(i64::MAX));
        let new = NewPush {
            id: CommandId::random(at),
            name: Arc::clone(&plan.name),
            spec: serde_json::to_string(&request).unwrap_or_default().into(),
            who: Arc::clone(&sender.who),
            vehicles: sender.kept(),
            idempotency,
            next_ms,
        };
        let downlink = self.clone();
        // If the caller disconnects, the work is still completed.
        let made = tokio::spawn(async move {
            match next_ms {
                None => downlink.run_once(plan, new, &sender, at).await,
                Some(_) => downlink.start_schedule(plan, new, sender).await,
            }
        });
        let asked = joined(made).await?;
        let record = self.known_push(asked.push).await?;
        Ok(PushMade { record, is_repeat: asked.is_repeat })
    }

    async fn run_once(
        &self,
        plan: Plan,
        new: NewPush,
        sender: &Sender,
        at: UnixNanos,
    ) -> Result<Asked, PushError> {
        let whose = Whose::New(new);
        let making = Making { plan: &plan, sender, whose, at, cause: None, next_ms: None };
        let asked = self.make(making).await?;
        if !asked.is_repeat {
            drive::start(self, Driven { push: asked.push, run: asked.run, plan }, asked.held);
        }
        Ok(asked)
    }

    /// Begins to wait for the times of a scheduled push.
    async fn start_schedule(
        &self,
        plan: Plan,
        new: NewPush,
        sender: Sender,
    ) -> Result<Asked, PushError> {
        self.check(&plan).await?;
        let asked = self.ask_push(PushJob::Create(new, None)).await?;
        if !asked.is_repeat {
            scheduler::start(self, ScheduledPush { push: asked.push, plan, sender }, None);
        }
        Ok(asked)
    }

    /// The earlier push with the same key.
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
            // It is not shown before it is frozen.
            drop(self.freezing.lock().await);
            is_waited_for = true;
        }
    }

    /// Shows what a push would do; nothing is stored or sent.
    ///
    /// # Errors
    /// If it would not be made.
    pub async fn try_push(
        &self,
        request: &PushRequest,
        sender: &Sender,
    ) -> Result<Json, PushError> {
        let plan = Plan::new(request, &self.options)?;
        let at = self.clock.wall();
        let mut selection = self.find(&plan, at).await?;
        self.choose(&plan, sender, &mut selection, at).await?;
        self.allowed(&plan, &selection, at).await?.check(selection.counts.targeted)?;
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
            "next": plan.schedule.map(|schedule| times(&schedule, at)),
        }))
    }

    fn shown(&self, ask: &CommandRequest, run: &Run, choice: &Choice) -> Json {
        let made = encode(self, ask, run, choice);
        json!({
            "vehicle": choice.vehicle,
            "row": choice.row,
            "fields": choice.fields,
            "payload": made.as_ref().ok().map(|request| STANDARD.encode(&request.payload)),
            "error": made.as_ref().err().map(ToString::to_string),
            "online": choice.is_online,
            "known": choice.decision != RowDecision::Unknown,
            "left-out": choice.decision.left_out(),
        })
    }
}

/// The first times of a schedule.
fn times(schedule: &Schedule, at: UnixNanos) -> Vec<String> {
    let first = schedule.after(at.0.div_euclid(1_000_000));
    let times = std::iter::successors(first, |ms| schedule.after(*ms));
    times.take(TIMES_SHOWN).map(moment).collect()
}

/// A digest of the content of a request.
fn digest(request: &PushRequest) -> [u8; 16] {
    let content = PushRequest { idempotency_key: None, ..request.clone() };
    let text = serde_json::to_string(&content).unwrap_or_default();
    let digest = ring::digest::digest(&ring::digest::SHA256, text.as_bytes());
    let mut half = [0; 16];
    half.copy_from_slice(&digest.as_ref()[..16]);
    half
}
