//! Handles a receipt: which command it is about, whether its sender is entitled, and its effect.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use super::turn::Engine;
use crate::{
    downlink::lifecycle::{Event, State, Verdict},
    mapping::{ReceiptRule, ReceiptText, ReceiptVerdict},
    model::{CommandId, IncomingReceipt},
    telemetry::ReasonLabel,
};

/// The maximum bytes of a receipt's detail that are kept.
const DETAIL_MAX: usize = 1024;

/// A command that a receipt is about.
struct Subject {
    seq: i64,
    vehicle: Arc<str>,
    name: Option<Arc<str>>,
    /// Its state, if it is not in memory any more; `None`: it is in memory.
    closed: Option<State>,
}

impl Engine {
    pub(super) fn receipt(&mut self, receipt: &IncomingReceipt) -> rusqlite::Result<()> {
        self.gathered().acknowledged.push(receipt.ticket);
        let declared = self.declared.load_full();
        let mut outcome = "undeclared";
        for rule in declared.receipts(&receipt.topic) {
            // If a payload makes a library panic, nothing else is affected.
            let read = catch_unwind(AssertUnwindSafe(|| rule.read(&receipt.payload)));
            let Ok(Ok(text)) = read else {
                outcome = "undecodable";
                continue;
            };
            let Some(id) = id_of(&text, receipt) else {
                outcome = "without-id";
                continue;
            };
            match self.subject(id)? {
                None => outcome = "unknown",
                Some(subject) if subject.name.as_deref() != Some(rule.command()) => {
                    outcome = "unknown";
                }
                Some(subject) if !is_entitled(receipt, rule, &subject.vehicle) => {
                    outcome = "forged";
                    break;
                }
                Some(subject) => {
                    outcome = self.says(&subject, &text);
                    break;
                }
            }
        }
        let label = ReasonLabel { reason: outcome };
        self.metrics.downlink_receipts.get_or_create_owned(&label).inc();
        Ok(())
    }

    fn subject(&self, id: CommandId) -> rusqlite::Result<Option<Subject>> {
        if let Some(open) = self.open_commands.by_id(id).and_then(|seq| self.open_commands.get(seq))
        {
            let row = &open.row;
            let (vehicle, name) = (Arc::clone(&row.vehicle), row.name.clone());
            return Ok(Some(Subject { seq: row.seq, vehicle, name, closed: None }));
        }
        Ok(self.writer.find(id)?.map(|found| Subject {
            seq: found.seq,
            vehicle: found.vehicle,
            name: found.name,
            closed: Some(found.state),
        }))
    }

    /// Applies a receipt; returns the label under which it is counted.
    fn says(&mut self, subject: &Subject, text: &ReceiptText) -> &'static str {
        let (verdict, word) = match text.verdict {
            Some(ReceiptVerdict::Progress) => (Verdict::Progress, "progress"),
            Some(ReceiptVerdict::Done) => (Verdict::Done, "done"),
            Some(ReceiptVerdict::Failed) => (Verdict::Failed, "failed"),
            Some(ReceiptVerdict::Rejected) => (Verdict::Rejected, "rejected"),
            None => return "unknown-status",
        };
        let detail = text.detail.as_deref().map(|detail| Arc::from(cut(detail)));
        let event = Event::Receipt(verdict);
        match subject.closed {
            Some(state) => {
                self.apply_late(subject.seq, state, event, &format!("receipt {word}"), detail);
            }
            None => {
                self.apply(subject.seq, event, Some("receipt"), detail);
            }
        }
        word
    }
}

/// The id of its command: from its payload, otherwise from its correlation data.
fn id_of(text: &ReceiptText, receipt: &IncomingReceipt) -> Option<CommandId> {
    let read = |bytes: &[u8]| match <[u8; 16]>::try_from(bytes) {
        Ok(bytes) => Some(CommandId(bytes)),
        Err(_) => std::str::from_utf8(bytes).ok()?.parse().ok(),
    };
    let said = text.id.as_deref().and_then(read);
    said.or_else(|| receipt.correlation.as_deref().and_then(read))
}

/// Whether it comes from the command's vehicle, or from a gateway of it.
fn is_entitled(receipt: &IncomingReceipt, rule: &ReceiptRule, vehicle: &str) -> bool {
    let named = rule.vehicle(&receipt.topic);
    let is_its_own = receipt.vehicle.as_deref() == Some(vehicle);
    named.is_none_or(|named| named == vehicle) && (is_its_own || receipt.is_gateway)
}

/// The beginning of a text, cut between characters.
fn cut(text: &str) -> &str {
    let mut end = text.len().min(DETAIL_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}
