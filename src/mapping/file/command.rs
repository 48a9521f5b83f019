//! The keys of a `[[command]]`.

use std::time::Duration;

use super::{ConstantValue, Format, Placed, table::Table, text::FORMATS};
use crate::{mapping::Order, model::parse_duration};

/// One `[[command]]`.
#[derive(Clone, Debug)]
pub(crate) struct CommandText {
    /// Relative to the schemas directory.
    pub(crate) file: String,
    /// The line of its header.
    pub(crate) line: u32,
    pub(crate) name: Placed<String>,
    pub(crate) topic: Option<Placed<String>>,
    pub(crate) payload: PayloadKeys,
    pub(crate) id: Option<Placed<String>>,
    pub(crate) fixed: Vec<(Placed<String>, ConstantValue)>,
    pub(crate) qos: Option<u8>,
    pub(crate) expires_in: Option<Duration>,
    pub(crate) execute_within: Option<Placed<Duration>>,
    pub(crate) order: Option<Order>,
    pub(crate) receipt: Option<ReceiptKeys>,
}

/// How a payload is encoded.
#[derive(Clone, Debug)]
pub(crate) struct PayloadKeys {
    pub(crate) format: Placed<Format>,
    pub(crate) schema: Placed<String>,
    /// Given for protobuf and Avro.
    pub(crate) message: Option<Placed<String>>,
}

/// `[command.receipt]`.
#[derive(Clone, Debug)]
pub(crate) struct ReceiptKeys {
    pub(crate) line: u32,
    pub(crate) topic: Placed<String>,
    pub(crate) payload: PayloadKeys,
    pub(crate) id: Option<Placed<String>>,
    pub(crate) status: Placed<String>,
    pub(crate) done: Vec<Placed<String>>,
    pub(crate) failed: Vec<Placed<String>>,
    pub(crate) rejected: Vec<Placed<String>>,
    pub(crate) progress: Vec<Placed<String>>,
    pub(crate) detail: Option<Placed<String>>,
}

pub(super) const COMMAND_KEYS: &[&str] = &[
    "name",
    "topic",
    "format",
    "schema",
    "message",
    "id",
    "fixed",
    "qos",
    "expires-in",
    "execute-within",
    "order",
    "receipt",
];

const RECEIPT_KEYS: &[&str] = &[
    "topic", "format", "schema", "message", "id", "status", "done", "failed", "rejected",
    "progress", "detail",
];

pub(super) const A_DURATION: &str = "a duration such as 30s, 5m, 1h or 7d, at least 1ms";

/// Reads one command's keys.
pub(super) fn read_command(table: &mut Table<'_, '_>) -> Option<CommandText> {
    let name = table.required_text("name");
    let payload = read_payload(table);
    let topic = table.text("topic");
    let id = table.text("id");
    let fixed = table.values("fixed");
    // The state of a command depends on acknowledgements, which QoS 0 does not have.
    let qos = table.number_of("qos", &[1, 2]).map(|qos| qos.value);
    let duration = |text: &str| parse_duration(text).filter(|duration| !duration.is_zero());
    let expires_in = table.text_as("expires-in", A_DURATION, duration).map(|it| it.value);
    let execute_within = table.text_as("execute-within", A_DURATION, duration);
    let order = table.choice("order", &Order::ALL).map(|order| order.value);
    let receipt = match table.has("receipt") {
        true => Some(read_receipt(&mut table.table("receipt", RECEIPT_KEYS)?)?),
        false => None,
    };
    Some(CommandText {
        file: table.source.path.clone(),
        line: table.line,
        name: name?,
        topic,
        payload: payload?,
        id,
        fixed,
        qos,
        expires_in,
        execute_within,
        order,
        receipt,
    })
}

fn read_payload(table: &mut Table<'_, '_>) -> Option<PayloadKeys> {
    // All formats except line protocol, which has no schema to check a command against.
    let formats: Vec<_> =
        FORMATS.into_iter().filter(|(_, format)| *format != Format::LineProtocol).collect();
    let format = table.required_choice("format", &formats);
    let schema = table.required_text("schema");
    let format = format?;
    let has_message = format.value != Format::Json;
    let message = table.text_if(has_message, "message", "only protobuf and avro name a message");
    if has_message && message.is_none() {
        return None;
    }
    Some(PayloadKeys { format, schema: schema?, message })
}

fn read_receipt(table: &mut Table<'_, '_>) -> Option<ReceiptKeys> {
    let topic = table.required_text("topic");
    let payload = read_payload(table);
    let status = table.required_text("status");
    Some(ReceiptKeys {
        line: table.line,
        id: table.text("id"),
        done: table.texts("done"),
        failed: table.texts("failed"),
        rejected: table.texts("rejected"),
        progress: table.texts("progress"),
        detail: table.text("detail"),
        topic: topic?,
        payload: payload?,
        status: status?,
    })
}
