//! The states of pushes and runs, and their reports.

use serde_json::{Map, Value, json};

use crate::{
    downlink::{
        lifecycle::State,
        record::{moment, raw},
        store::{PushRow, RunRow},
    },
    model::words,
};

words! {
    /// How far a push is.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub enum PushState;

    /// It continues: its commands are on their way, at its rate and in its waves, or it stands and
    /// its next run is to come.
    Running = "running",
    /// None of its commands leaves, and no run begins, until it is resumed.
    Paused = "paused",
    /// All of its commands have been let go; some may not have ended.
    Done = "done",
    /// It was stopped, by an operator or by its own bound; what was not delivered is taken back.
    Aborted = "aborted",
    /// Its run could not be made; its cause says why.
    Failed = "failed",
}

words! {
    /// How far a run is.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub enum RunState;

    /// Its rows are being made durable; nothing leaves.
    Freezing = "freezing",
    /// Its commands are on their way.
    Running = "running",
    /// All of its commands have been let go.
    Done = "done",
    /// It was stopped.
    Aborted = "aborted",
    /// It could not be made; its cause says why.
    Failed = "failed",
    /// Its time was missed; its cause says which and why.
    Skipped = "skipped",
}

words! {
    /// Whether the effect of a command was seen in what its vehicle sends.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub enum Verified;

    /// Not yet.
    Open = "open",
    /// It was seen.
    Yes = "yes",
    /// It was not seen in time.
    No = "no",
}

macro_rules! coded {
    ($($List:ident),+) => {
        $(impl $List {
            /// As it is stored.
            pub(in crate::downlink) fn code(self) -> u8 {
                self as u8
            }

            /// Out of what was stored.
            pub(in crate::downlink) fn of_code(code: u8) -> Option<Self> {
                Self::ALL.get(usize::from(code)).copied()
            }
        })+
    };
}
coded!(PushState, RunState, Verified);

impl PushState {
    /// Whether nothing of it will begin any more.
    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Done | Self::Aborted | Self::Failed)
    }
}

/// The decisions about the rows of a run. All others add up to `rows`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Rows of the answer for which `having` holds.
    pub rows: u64,
    /// Rows of unknown vehicles.
    pub unknown: u64,
    /// Rows of vehicles that had an earlier row.
    pub duplicate: u64,
    /// Rows of vehicles that got a command within `once-per`.
    pub once_per: u64,
    /// Rows of vehicles with `downlink.open-max` open commands.
    pub open_max: u64,
    /// Rows of vehicles that the sender's token does not allow.
    pub not_allowed: u64,
    /// Rows that make a command.
    pub targeted: u64,
}

/// The report of a run, or of all runs of a push, counted in vehicles.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// The decisions about the rows.
    pub counts: Counts,
    /// Commands by their states, in the order of [`State::ALL`]; they sum to `targeted`.
    pub states: [u64; State::ALL.len()],
    /// Commands by whether their effect was seen, in the order of [`Verified::ALL`].
    pub verified: [u64; Verified::ALL.len()],
}

impl Report {
    pub(in crate::downlink) fn count(
        &mut self,
        state: State,
        verified: Option<Verified>,
        count: u64,
    ) {
        self.states[usize::from(state.code())] += count;
        if let Some(verified) = verified {
            self.verified[usize::from(verified.code())] += count;
        }
    }

    /// Counts targeted rows without a command: `coming` have none yet, the rest never got one
    /// because their run was not frozen.
    pub(in crate::downlink) fn count_unmade(&mut self, coming: u64) {
        let unmade = self.unmade();
        let coming = coming.min(unmade);
        self.count(State::Queued, None, coming);
        self.count(State::Cancelled, None, unmade - coming);
    }

    /// The number of targeted rows without a command.
    pub(in crate::downlink) fn unmade(&self) -> u64 {
        self.counts.targeted.saturating_sub(self.states.iter().sum())
    }

    /// Adds another report.
    pub(in crate::downlink) fn add(&mut self, other: &Self) {
        let (own, others) = (&mut self.counts, &other.counts);
        own.rows += others.rows;
        own.unknown += others.unknown;
        own.duplicate += others.duplicate;
        own.once_per += others.once_per;
        own.open_max += others.open_max;
        own.not_allowed += others.not_allowed;
        own.targeted += others.targeted;
        for (own, others) in self.states.iter_mut().zip(other.states) {
            *own += others;
        }
        for (own, others) in self.verified.iter_mut().zip(other.verified) {
            *own += others;
        }
    }

    /// The JSON form in the API.
    #[must_use]
    pub fn json(&self) -> Value {
        let states = State::ALL.iter().zip(self.states);
        let states: Map<String, Value> =
            states.map(|(state, count)| (state.as_str().to_owned(), json!(count))).collect();
        let verified = Verified::ALL.iter().zip(self.verified);
        let verified: Map<String, Value> =
            verified.map(|(it, count)| (it.as_str().to_owned(), json!(count))).collect();
        let counts = &self.counts;
        json!({
            "rows": counts.rows,
            "unknown": counts.unknown,
            "left-out": {
                "duplicate": counts.duplicate,
                "once-per": counts.once_per,
                "open-max": counts.open_max,
                "not-allowed": counts.not_allowed,
            },
            "targeted": counts.targeted,
            "states": states,
            "verified": verified,
        })
    }

    /// From the result of [`Report::json`].
    pub(in crate::downlink) fn of_json(json: &Value) -> Self {
        let count = |value: &Value| value.as_u64().unwrap_or(0);
        let mut report = Self::default();
        let counts = &mut report.counts;
        counts.rows = count(&json["rows"]);
        counts.unknown = count(&json["unknown"]);
        counts.duplicate = count(&json["left-out"]["duplicate"]);
        counts.once_per = count(&json["left-out"]["once-per"]);
        counts.open_max = count(&json["left-out"]["open-max"]);
        counts.not_allowed = count(&json["left-out"]["not-allowed"]);
        counts.targeted = count(&json["targeted"]);
        for (own, state) in report.states.iter_mut().zip(State::ALL) {
            *own = count(&json["states"][state.as_str()]);
        }
        for (own, verified) in report.verified.iter_mut().zip(Verified::ALL) {
            *own = count(&json["verified"][verified.as_str()]);
        }
        report
    }
}

/// A push with its report.
#[derive(Clone, Debug)]
pub struct PushRecord {
    pub(in crate::downlink) push: PushRow,
    pub(in crate::downlink) latest: Option<RunRecord>,
    pub(in crate::downlink) sums: Report,
    /// Commands that have not ended.
    pub(in crate::downlink) open: u64,
}

impl PushRecord {
    /// Its number in the order of creation.
    #[must_use]
    pub fn seq(&self) -> i64 {
        self.push.seq
    }

    /// Who submitted it.
    #[must_use]
    pub fn who(&self) -> &str {
        &self.push.who
    }

    /// Whether it and all its commands have ended.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.push.state.is_final() && self.open == 0
    }

    /// The JSON form in the API.
    #[must_use]
    pub fn json(&self) -> Value {
        let push = &self.push;
        let latest = self.latest.as_ref();
        let spec = raw(&push.spec);
        json!({
            "id": push.id.to_string(),
            "name": &*push.name,
            "state": push.state.as_str(),
            "cause": latest.and_then(|run| run.run.cause.as_deref()),
            "created": moment(push.created_ms),
            "by": &*push.who,
            "request": spec,
            "run": latest.map(|run| moment(run.run.at_ms)),
            "report": latest.map(|run| run.report.json()).unwrap_or(Report::default().json()),
            "sums": self.sums.json(),
            "next": push.next_ms.filter(|_| push.state == PushState::Running).map(moment),
            "open": self.open,
            "ended": push.ended_ms.map(moment),
        })
    }
}

/// A run with its report.
#[derive(Clone, Debug)]
pub struct RunRecord {
    pub(in crate::downlink) run: RunRow,
    pub(in crate::downlink) report: Report,
    /// The number of targeted rows without a command yet.
    pub(in crate::downlink) coming: u64,
    pub(in crate::downlink) open: u64,
}

impl RunRecord {
    /// Its number among all runs.
    #[must_use]
    pub fn seq(&self) -> i64 {
        self.run.seq
    }

    /// The JSON form in the API.
    #[must_use]
    pub fn json(&self) -> Value {
        let run = &self.run;
        json!({
            "at": moment(run.at_ms),
            "state": run.state.as_str(),
            "cause": run.cause.as_deref(),
            "query": raw(&run.query),
            "waves": run.wave,
            "report": self.report.json(),
            "open": self.open,
            "ended": run.ended_ms.map(moment),
        })
    }
}
