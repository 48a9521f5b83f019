//! Pushes looked at, listed and steered.

use std::sync::Arc;

use super::{PushError, PushRecord, RunRecord};
use crate::{
    downlink::{Downlink, ReadError, Refused, engine::PushJob},
    model::CommandId,
};

impl Downlink {
    /// A push, with its latest run and the sums of all.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub async fn push_record(&self, id: CommandId) -> Result<Option<PushRecord>, ReadError> {
        self.read(move |reader| reader.push(id)).await
    }

    pub(super) async fn known_push(&self, id: CommandId) -> Result<PushRecord, PushError> {
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
