//! Pushes with a schedule: their runs one after the other, and those that are not made.

use std::sync::Arc;

use crate::{
    downlink::{
        engine::{
            job::Refused,
            pushes::{Asked, NewRun, Unmade, asked},
            turn::Engine,
        },
        push::{Counts, RunState},
    },
    model::CommandId,
    telemetry::ReasonLabel,
};

impl Engine {
    /// Begins a run of a scheduled push.
    pub(super) fn begin(&mut self, push: CommandId, run: &NewRun) -> Result<Asked, Refused> {
        let found = self.standing(push)?;
        let seq = self.runs.push_by_id(push).map_or(0, |push| push.seq);
        let run = self.add_run(seq, run);
        Ok(Asked { run, ..found })
    }

    /// Notes a run that is not made.
    pub(super) fn tell(
        &mut self,
        push: CommandId,
        unmade: Option<&Unmade>,
        next_ms: i64,
    ) -> Result<Asked, Refused> {
        let found = self.standing(push)?;
        let seq = self.runs.push_by_id(push).map_or(0, |push| push.seq);
        if let Some(unmade) = unmade {
            let run = NewRun {
                at_ms: unmade.at_ms,
                query: "null".into(),
                counts: Counts::default(),
                abort_above: None,
                cause: Some(Arc::clone(&unmade.cause)),
            };
            let run = self.add_run(seq, &run);
            self.runs.end_run(run, unmade.state, None, self.now_ms);
            let is_skipped = unmade.state == RunState::Skipped;
            self.count_run(if is_skipped { "skipped" } else { "failed" });
        }
        self.runs.change_push(seq, |push| push.next_ms = Some(next_ms));
        Ok(found)
    }

    /// Sets when the next run of a run's push is due, if that has a schedule.
    pub(super) fn is_next(&mut self, run: i64, next_ms: Option<i64>) {
        let Some(push) = self.runs.run(run).map(|run| run.row.push) else { return };
        self.runs.change_push(push, |push| {
            if push.next_ms.is_some() {
                push.next_ms = next_ms.or(push.next_ms);
            }
        });
    }

    /// The number of the next push: at the start, lower numbers are from earlier processes.
    pub(in crate::downlink) fn next_push(&self) -> i64 {
        self.runs.next_push()
    }

    /// The number of scheduled pushes.
    pub(in crate::downlink) fn scheduled_count(&self) -> usize {
        self.runs.standing()
    }

    pub(super) fn count_run(&self, reason: &'static str) {
        self.metrics.downlink_runs.get_or_create(&ReasonLabel { reason }).inc();
    }

    /// A push, if it has a schedule and has not ended.
    fn standing(&self, id: CommandId) -> Result<Asked, Refused> {
        match self.runs.push_by_id(id) {
            None => Err(Refused::PushUnknown(id)),
            Some(push) if push.next_ms.is_none() => {
                Err(Refused::PushEnded { id, state: push.state.as_str() })
            }
            Some(push) => Ok(asked(push)),
        }
    }
}
