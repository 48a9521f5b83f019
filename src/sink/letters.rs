//! The dead letters of a batch, made durable before the cursor passes its lines.

use crate::{
    model::{Cause, DeadLetter, line},
    sink::{delivery::Context, rewrite, split::Refused},
    store::{Store, Unsendable},
};

/// The most letters that are made durable together: a batch that is refused whole holds so many in
/// memory.
const LETTERS_MAX: usize = 2_048;

/// Gathers the dead letters of one batch and writes them to the log.
pub(super) struct Letters<'a> {
    context: &'a Context,
    /// At most [`LETTERS_MAX`].
    gathered: Vec<DeadLetter>,
    /// Letters that are durable.
    pub(super) recorded: u64,
}

impl<'a> Letters<'a> {
    pub(super) fn new(context: &'a Context) -> Self {
        Self { context, gathered: Vec::new(), recorded: 0 }
    }

    /// Rewrites the batch for a store without unsigned integers; lines with values beyond its range
    /// become dead letters.
    pub(super) async fn rewrite(&mut self, lines: &[u8]) -> Vec<u8> {
        let mut signed = Vec::with_capacity(lines.len());
        for line in line::lines(lines) {
            if let Err(error) = rewrite::signed(line, &mut signed) {
                self.push(line, Cause::IntegerOutOfRange, error.to_string(), None).await;
            }
        }
        signed
    }

    /// Adds lines that must not be sent.
    pub(super) async fn unsendable(&mut self, lines: Vec<(Vec<u8>, Unsendable)>) {
        for (line, Unsendable { cause, detail }) in lines {
            self.push(&line, cause, detail, None).await;
        }
    }

    /// Adds a line that the store refused.
    pub(super) async fn refused(&mut self, body: &[u8], refused: &Refused) {
        let line = &body[refused.bytes.clone()];
        let answer = Some(refused.answer.clone());
        let cause = Store::cause_of(&refused.answer);
        self.push(line, cause, "the store refused the point".to_owned(), answer).await;
    }

    async fn push(&mut self, line: &[u8], cause: Cause, detail: String, answer: Option<String>) {
        self.gathered.push(DeadLetter {
            time: self.context.clock.wall(),
            vehicle: self.context.catalog.load().vehicle(line),
            topic: None,
            mapping: None,
            cause,
            detail,
            payload: None,
            content_type: None,
            line: Some(line.strip_suffix(b"\n").unwrap_or(line).to_vec()),
            answer,
        });
        if self.gathered.len() >= LETTERS_MAX {
            self.record().await;
        }
    }

    /// Makes the letters durable. If the log has halted, this never returns: the cursor stays
    /// before the batch, and a restart sends it again.
    pub(super) async fn record(&mut self) {
        if self.gathered.is_empty() {
            return;
        }
        let n_letters = self.gathered.len() as u64;
        if let Err(halted) = self.context.dead_letters.record(&self.gathered).await {
            self.context.state.saw_disk(Some(halted.to_string()));
            std::future::pending::<()>().await;
        }
        self.gathered.clear();
        self.recorded += n_letters;
    }
}
