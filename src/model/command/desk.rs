//! What the vehicle edge tells downlink.

use std::{fmt, sync::Arc};

use super::{AlarmPlace, AlarmRefusal, CommandId, CommandReport, RaisedAlarm};
use crate::model::SessionId;

/// The publish that brought a receipt, or raised an alarm: it is acknowledged when that is durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReceiptTicket {
    /// Whose it is.
    pub session: SessionId,
    /// Its number there.
    pub seq: u64,
}

/// A receipt as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IncomingReceipt {
    /// Who waits for it.
    pub ticket: ReceiptTicket,
    /// The vehicle that its session speaks for.
    pub vehicle: Option<Arc<str>>,
    /// Whether the session may speak for other vehicles too.
    pub is_gateway: bool,
    /// Where it was published.
    pub topic: Box<str>,
    /// The correlation data of a 5.0 vehicle.
    pub correlation: Option<Box<[u8]>>,
    /// What it says.
    pub payload: Box<[u8]>,
}

/// Downlink, as the vehicle edge sees it. Nothing here waits.
pub trait CommandDesk: fmt::Debug + Send + Sync {
    /// Changes whenever an answer of [`Self::is_receipt_topic`] might.
    fn generation(&self) -> u64;
    /// Whether receipts are published there.
    fn is_receipt_topic(&self, topic: &str) -> bool;
    /// A receipt came.
    fn receipt(&self, receipt: IncomingReceipt);
    /// Whether an alarm of a vehicle is to be brought, and its place among those that wait.
    ///
    /// # Errors
    /// Why not: its message goes on without.
    fn admit_alarm(&self, alarm: &str, vehicle: &str) -> Result<AlarmPlace, AlarmRefusal>;
    /// A message has raised an alarm, and is durable.
    fn alarm(&self, raised: RaisedAlarm);
    /// A session that speaks for a vehicle has come, or has subscribed to something.
    fn here(&self, vehicle: &str);
    /// What became of commands.
    fn reported(&self, reports: Vec<CommandReport>);
    /// Whether a session that lasts is believed to have commands of an earlier connection.
    fn holds(&self, lasting: u64) -> bool;
    /// Whether a command that was found in its queue is to be sent from there.
    fn is_current(&self, lasting: u64, command: CommandId, attempt: u32) -> bool;
    /// It is connected, there, and these are the commands that its queue had.
    fn resumed(&self, lasting: u64, session: SessionId, commands: Vec<CommandId>);
    /// It has ended, with all that it had.
    fn ended(&self, lasting: u64);
}
