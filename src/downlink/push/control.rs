//! Reads, lists, pauses, resumes, aborts and deletes pushes.

use std::sync::Arc;

use super::{PushError, PushRecord, RunRecord};
use crate::{
    downlink::{Downlink, ReadError, Refused, engine::PushJob},
    model::CommandId,
};

impl Downlink {
    /// A push, with its latest run and the sums of all its runs.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub async fn push_record(&self, id: CommandId) -> Result<Option<PushRecord>, ReadError> {
        self.read(move |reader| reader.push(id)).await
    }

    pub(super) async fn known_push(&self, id: CommandId) -> Result<PushRecord, PushError> {
        Ok(self.push_record(id).await?.ok_or(Refused::PushUnknown(id))?)
    }

    /// Pushes, newest first; only of one sender, if one is given.
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

    /// Pauses a push: none of its commands is sent until it is resumed.
    ///
    /// # Errors
    /// If it has ended, or if the change cannot be made durable.
    pub async fn pause_push(&self, id: CommandId, who: Arc<str>) -> Result<(), Refused> {
        self.change_push(PushJob::Pause(id, who)).await
    }

    /// Resumes a push.
    ///
    /// # Errors
    /// As [`Downlink::pause_push`].
    pub async fn resume_push(&self, id: CommandId, who: Arc<str>) -> Result<(), Refused> {
        self.change_push(PushJob::Resume(id, who)).await
    }

    /// Aborts a push, and cancels its commands that are not delivered.
    ///
    /// # Errors
    /// As [`Downlink::pause_push`].
    pub async fn abort_push(&self, id: CommandId, who: Arc<str>) -> Result<(), Refused> {
        self.change_push(PushJob::Abort(id, who)).await
    }

    /// Deletes a push that has ended; its commands are kept like any others.
    ///
    /// # Errors
    /// If it has not ended, or if the change cannot be made durable.
    pub async fn forget_push(&self, id: CommandId, who: Arc<str>) -> Result<(), Refused> {
        self.change_push(PushJob::Forget(id, who)).await
    }

    async fn change_push(&self, job: PushJob) -> Result<(), Refused> {
        self.ask_push(job).await?;
        self.pushes_changed.send_modify(|count| *count += 1);
        Ok(())
    }
}
