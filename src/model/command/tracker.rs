//! Downlink as `mqtt` calls it.

use std::{fmt, sync::Arc};

use super::{AlarmPermit, AlarmRefusal, CommandId, CommandReport, RaisedAlarm};
use crate::model::SessionId;

/// The publish of a receipt or an alarm: it is acknowledged when the receipt or alarm is durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReceiptTicket {
    /// The publishing session.
    pub session: SessionId,
    /// Its number there.
    pub seq: u64,
}

/// A received receipt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IncomingReceipt {
    /// The publish that waits for it.
    pub ticket: ReceiptTicket,
    /// The vehicle of the session.
    pub vehicle: Option<Arc<str>>,
    /// Whether the session is a gateway, which may send receipts for other vehicles.
    pub is_gateway: bool,
    /// Its topic.
    pub topic: Box<str>,
    /// Its correlation data (5.0).
    pub correlation: Option<Box<[u8]>>,
    /// Its payload.
    pub payload: Box<[u8]>,
}

/// Downlink, as `mqtt` sees it. No call blocks.
pub trait CommandTracker: fmt::Debug + Send + Sync {
    /// Changes whenever an answer of [`Self::is_receipt_topic`] may have changed.
    fn generation(&self) -> u64;
    /// Whether receipts are published on this topic.
    fn is_receipt_topic(&self, topic: &str) -> bool;
    /// A receipt arrived.
    fn receipt(&self, receipt: IncomingReceipt);
    /// Whether to report an alarm of a vehicle; returns a permit for it to wait.
    ///
    /// # Errors
    /// The reason not to report it: then its message is handled without the alarm.
    fn admit_alarm(&self, alarm: &str, vehicle: &str) -> Result<AlarmPermit, AlarmRefusal>;
    /// A message has raised an alarm, and is durable.
    fn alarm(&self, raised: RaisedAlarm);
    /// A session of a vehicle has connected or subscribed, so that commands may reach it now.
    fn vehicle_reachable(&self, vehicle: &str);
    /// Outcomes of commands.
    fn report_outcomes(&self, reports: Vec<CommandReport>);
    /// Whether a persistent session may have commands of an earlier connection in its queue.
    fn has_queued(&self, lasting: u64) -> bool;
    /// Whether a command that was found in its queue is still to be sent from there.
    fn is_current(&self, lasting: u64, command: CommandId, attempt: u32) -> bool;
    /// A persistent session is connected as `session`, with these commands in its queue.
    fn session_resumed(&self, lasting: u64, session: SessionId, commands: Vec<CommandId>);
    /// A persistent session has ended, with its queue.
    fn session_ended(&self, lasting: u64);
}
