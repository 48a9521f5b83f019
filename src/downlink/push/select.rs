//! Selects the rows of a run: runs the query and decides about each row.

use std::{collections::HashSet, sync::Arc};

use serde_json::{Map, Value as Json};

use super::{Counts, PushError, Sender, plan::Plan};
use crate::{
    downlink::{
        Downlink,
        prepare::{RequestError, find, is_vehicle, wrong},
        query_spec::QuerySpec,
    },
    mapping::{Command, FieldError, json_of},
    model::{Column, PresenceFilter, Reach, Row, UnixNanos, Value},
};

/// How recent a vehicle's last point must be to count it as known, for a share of the known
/// vehicles.
const KNOWN_SINCE_NANOS: i64 = 7 * 86_400_000_000_000;
/// The page size when presence is read.
const PAGE: usize = 10_000;

/// The first row of a vehicle, and the decision about it.
#[derive(Debug)]
pub(super) struct Choice {
    pub(super) vehicle: String,
    pub(super) row: Map<String, Json>,
    /// The fields of the row's command.
    pub(super) fields: Map<String, Json>,
    pub(super) decision: RowDecision,
    pub(super) is_online: bool,
}

/// The decision about a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RowDecision {
    /// It makes a command.
    Target,
    Unknown,
    NotAllowed,
    OncePer,
    OpenMax,
}

impl RowDecision {
    /// Why it makes no command.
    pub(super) const fn left_out(self) -> Option<&'static str> {
        match self {
            Self::Target | Self::Unknown => None,
            Self::NotAllowed => Some("not-allowed"),
            Self::OncePer => Some("once-per"),
            Self::OpenMax => Some("open-max"),
        }
    }
}

/// All rows, in the order of the answer.
#[derive(Debug)]
pub(super) struct Selection {
    pub(super) choices: Vec<Choice>,
    pub(super) counts: Counts,
    /// The query as it ran.
    pub(super) query: Json,
}

/// Gathers rows as they arrive.
struct Gathering<'p> {
    plan: &'p Plan,
    places: Option<Result<Places, PushError>>,
    counts: Counts,
    seen: HashSet<String>,
    choices: Vec<Choice>,
}

/// The indices of the columns.
struct Places {
    names: Vec<String>,
    vehicle: usize,
}

impl<'p> Gathering<'p> {
    fn new(plan: &'p Plan) -> Self {
        Self {
            plan,
            places: None,
            counts: Counts::default(),
            seen: HashSet::new(),
            choices: Vec::new(),
        }
    }

    /// Takes the columns; checks that the needed ones exist.
    fn columns(&mut self, columns: &[Column]) {
        if self.places.is_some() {
            return;
        }
        let names: Vec<&str> = columns.iter().map(|column| &*column.name).collect();
        let lacks = |member: &str, name: &str| {
            let message = format!(
                "`{member}` names `{name}`, and the answer's columns are {}",
                names.join(", ")
            );
            PushError::Request(wrong(member, message))
        };
        let missing = |wanted: &str| !names.contains(&wanted);
        let having = self.plan.having.iter().flat_map(|having| having.paths());
        let having = having.into_iter().find(|path| missing(path));
        let field = self.plan.template.columns().into_iter().find(|column| missing(column));
        // The second column of a portable answer is the vehicle.
        let vehicle = match &self.plan.vehicle {
            None => Ok(1),
            Some(name) => {
                names.iter().position(|known| known == name).ok_or_else(|| lacks("vehicle", name))
            }
        };
        self.places = Some(match (having, field, vehicle) {
            (Some(path), ..) => Err(lacks("having", &path)),
            (_, Some(column), _) => Err(lacks("fields", column)),
            (.., Err(error)) => Err(error),
            (.., Ok(vehicle)) => {
                Ok(Places { names: names.iter().map(ToString::to_string).collect(), vehicle })
            }
        });
    }

    fn row(&mut self, columns: &[Column], row: Row) {
        self.columns(columns);
        let Some(Ok(places)) = &self.places else { return };
        let value = |name: &str| {
            let at = places.names.iter().position(|known| known == name)?;
            row.get(at).filter(|value| **value != Value::Null)
        };
        if self.plan.having.as_ref().is_some_and(|having| !having.holds(value)) {
            return;
        }
        self.counts.rows += 1;
        let vehicle = match row.get(places.vehicle) {
            Some(Value::String(name)) => name.clone(),
            Some(Value::Integer(number)) => number.to_string(),
            Some(Value::Unsigned(number)) => number.to_string(),
            _ => String::new(),
        };
        if !self.seen.insert(vehicle.clone()) {
            self.counts.duplicate += 1;
            return;
        }
        let decision =
            if is_vehicle(&vehicle) { RowDecision::Target } else { RowDecision::Unknown };
        let fields = self.plan.template.fill(&value);
        let names = places.names.iter().cloned();
        let row = names.zip(row.iter().map(json_of)).collect();
        self.choices.push(Choice { vehicle, row, fields, decision, is_online: false });
    }
}

impl Downlink {
    /// Checks what can be checked without an answer: the command, its fields, and the columns that
    /// they need.
    pub(super) async fn check(&self, plan: &Plan) -> Result<(), PushError> {
        let (declared, name) = (self.declared(), plan.ask.command.as_deref().unwrap_or_default());
        let command = find(&declared, name)?;
        let QuerySpec::Portable(portable) = &plan.question else {
            return Ok(check_fields(command, plan, &[])?);
        };
        let (request, _) = portable.at(self.clock.wall())?;
        let columns = self.queries.columns(request).await?;
        let mut gathering = Gathering::new(plan);
        gathering.columns(&columns);
        gathering.places.map_or(Ok(()), |places| places.map(|_| ()))?;
        Ok(check_fields(command, plan, &columns)?)
    }

    /// Runs a push's query, and determines which of its vehicles are known.
    pub(super) async fn find(&self, plan: &Plan, at: UnixNanos) -> Result<Selection, PushError> {
        self.check(plan).await?;
        let mut gathering = Gathering::new(plan);
        let query = self.gather(&mut gathering, at).await?;
        let Gathering { places, counts, choices, .. } = gathering;
        if let Some(Err(error)) = places {
            return Err(error);
        }
        let mut selection = Selection { choices, counts, query };
        self.look_for(plan, &mut selection, at).await?;
        Ok(selection)
    }

    /// Decides about each row.
    pub(super) async fn choose(
        &self,
        plan: &Plan,
        sender: &Sender,
        selection: &mut Selection,
        at: UnixNanos,
    ) -> Result<(), PushError> {
        self.leave_out(plan, sender, selection, at).await?;
        for choice in &selection.choices {
            let counts = &mut selection.counts;
            *match choice.decision {
                RowDecision::Target => &mut counts.targeted,
                RowDecision::Unknown => &mut counts.unknown,
                RowDecision::NotAllowed => &mut counts.not_allowed,
                RowDecision::OncePer => &mut counts.once_per,
                RowDecision::OpenMax => &mut counts.open_max,
            } += 1;
        }
        Ok(())
    }

    async fn gather(
        &self,
        gathering: &mut Gathering<'_>,
        at: UnixNanos,
    ) -> Result<Json, PushError> {
        let plan = gathering.plan;
        let see = |columns: &[Column], row: Option<Row>| match row {
            None => gathering.columns(columns),
            Some(row) => gathering.row(columns, row),
        };
        plan.question.run(&self.queries, at, see).await
    }

    /// Determines which vehicles are connected, and which are known. A row of a portable answer is
    /// a stored point of its vehicle.
    async fn look_for(
        &self,
        plan: &Plan,
        selection: &mut Selection,
        at: UnixNanos,
    ) -> Result<(), PushError> {
        let declared = self.declared();
        let command = plan.ask.command.as_deref().and_then(|name| declared.find(name));
        let mut unseen = Vec::new();
        for choice in &mut selection.choices {
            let sighting = self.presence.find(&choice.vehicle);
            // A vehicle that has sent nothing yet may still have a session.
            let is_reached = command.is_some_and(|command| {
                let topic = command.topic(&choice.vehicle);
                self.edge.reach(&choice.vehicle, &topic, command.qos()) != Reach::Away
            });
            choice.is_online =
                is_reached || sighting.as_ref().is_some_and(|seen| !seen.sessions.is_empty());
            if sighting.is_none()
                && !is_reached
                && choice.decision == RowDecision::Target
                && plan.question.is_native()
            {
                unseen.push(choice.vehicle.clone());
            }
        }
        if unseen.is_empty() {
            return Ok(());
        }
        let (from, to) = (UnixNanos(0), UnixNanos(i64::MAX - 1).min(at.saturating_add(DAY_NANOS)));
        let known = self.queries.vehicles_with_points(Some(&unseen), from, to).await?;
        let unknown: HashSet<&String> =
            unseen.iter().filter(|vehicle| !known.contains(*vehicle)).collect();
        for choice in &mut selection.choices {
            if unknown.contains(&choice.vehicle) {
                choice.decision = RowDecision::Unknown;
            }
        }
        Ok(())
    }

    async fn leave_out(
        &self,
        plan: &Plan,
        sender: &Sender,
        selection: &mut Selection,
        at: UnixNanos,
    ) -> Result<(), PushError> {
        let recent = match plan.once_per {
            None => HashSet::new(),
            Some(once_per) => {
                let before = i64::try_from(once_per.as_millis()).unwrap_or(i64::MAX);
                let since_ms = at.0.div_euclid(1_000_000).saturating_sub(before);
                let name = Arc::clone(&plan.name);
                self.read(move |reader| reader.vehicles_since(&name, since_ms)).await?
            }
        };
        let (open_max, supersede) = (self.options.open_max, plan.ask.supersede.clone());
        let crowded =
            self.read(move |reader| reader.crowded(open_max, supersede.as_deref())).await?;
        for choice in &mut selection.choices {
            if choice.decision != RowDecision::Target {
                continue;
            }
            if !sender.may_address(&choice.vehicle) {
                choice.decision = RowDecision::NotAllowed;
            } else if recent.contains(&choice.vehicle) {
                choice.decision = RowDecision::OncePer;
            } else if crowded.contains(&choice.vehicle) {
                choice.decision = RowDecision::OpenMax;
            }
        }
        Ok(())
    }

    /// The maximum number of vehicles of a run.
    pub(super) async fn allowed(
        &self,
        plan: &Plan,
        selection: &Selection,
        at: UnixNanos,
    ) -> Result<Allowed, PushError> {
        let vehicles_max = plan.guard.vehicles_max;
        let is_any = selection.choices.iter().any(|choice| choice.decision == RowDecision::Target);
        let Some(share) = plan.guard.share_max.filter(|_| is_any) else {
            return Ok(Allowed { vehicles_max, share: None });
        };
        let (from, to) = (at.saturating_add(-KNOWN_SINCE_NANOS), at.saturating_add(DAY_NANOS));
        let mut known = self.queries.vehicles_with_points(None, from, to).await?;
        let (filter, mut after) = (PresenceFilter::default(), None::<String>);
        loop {
            let (page, is_more) = self.presence.page(&filter, after.as_deref(), PAGE);
            after = page.last().map(|last| last.vehicle.to_string());
            known.extend(page.into_iter().map(|sighting| sighting.vehicle.to_string()));
            if !is_more {
                break;
            }
        }
        let known = known.len() as u64;
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "counts of vehicles are far below 2^53"
        )]
        let max = (share * known as f64) as u64;
        Ok(Allowed { vehicles_max, share: Some((max, known)) })
    }
}

/// Checks a push's fields against its command before there is a row; a column of unknown type may
/// have any type.
fn check_fields(command: &Command, plan: &Plan, columns: &[Column]) -> Result<(), RequestError> {
    let kind = |name: &str| {
        let column = columns.iter().find(|column| column.name == *name)?;
        Some(column.kind)
    };
    let invalid = |error: FieldError| RequestError::Field { field: error.field, what: error.what };
    command.check(&plan.template, &kind).map_err(invalid)
}

/// The maximum number of vehicles of a run.
#[derive(Clone, Copy, Debug)]
pub(super) struct Allowed {
    vehicles_max: Option<u64>,
    /// Also at most this number, which is a share of this number of known vehicles.
    share: Option<(u64, u64)>,
}

impl Allowed {
    /// Refuses a run with more vehicles.
    pub(super) fn check(self, targeted: u64) -> Result<(), PushError> {
        if let Some(max) = self.vehicles_max.filter(|max| targeted > *max) {
            return Err(PushError::Guard { targeted, max, known: None });
        }
        match self.share.filter(|(max, _)| targeted > *max) {
            Some((max, known)) => Err(PushError::Guard { targeted, max, known: Some(known) }),
            None => Ok(()),
        }
    }
}

/// The clock of a vehicle may be ahead.
const DAY_NANOS: i64 = 86_400_000_000_000;
