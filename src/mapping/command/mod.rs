//! Commands that may be sent to vehicles, as the mapping files declare them: `[[command]]`.
//!
//! A command declares its topic, how its fields are encoded, and the form of the vehicle's receipt.
//! An operator gives the fields as one JSON object. It is checked against the schema, and an error
//! names the field ([`FieldError`]). The `fixed` fields and the command's `id` are added to it.
//!
//! # The keys of `[[command]]`
//! - `name`, `format`, `schema`, `message` as for a mapping.
//! - `topic`: the topic of the command; its one capture is the vehicle. Default:
//!   `vehicles/{vin}/commands/NAME`.
//! - `id`: the field that takes the command's id, a text (or bytes: 16 of them).
//! - `fixed`: fields with a fixed value.
//! - `qos`: 1 (default) or 2. At QoS 0 there is no acknowledgement that it arrived.
//! - `expires-in`, `execute-within`: how long it waits for the vehicle, and the vehicle's receipt
//!   for it.
//! - `order`: when the vehicle's next command may be sent: `at-once`, `after-delivery` (default) or
//!   `after-receipt`.
//! - `[command.receipt]`: `topic` (a capture is the vehicle), `format`, `schema`, `message`; `id`,
//!   `status` and `detail` name fields; `done`, `failed`, `rejected`, `progress` list what `status`
//!   may say. Without `id` a receipt is matched by its correlation data.
//!
//! # Values
//! | schema | JSON |
//! |---|---|
//! | integers | a whole number in range; of 64 bits also a text of digits |
//! | float, double | a number |
//! | bytes, fixed | base64 |
//! | enum | its name, or in protobuf its number |
//! | Timestamp, timestamp-*, date | RFC 3339, or the number as it is on the wire |
//! | other messages of google.protobuf | as protobuf's JSON has them |
//! | Avro union | the first branch that fits |
//! | a field that is left out | absent, its default, or an error if the schema wants it |

mod compile;
mod declared;
mod payload;
mod receipt;
#[cfg(test)]
mod tests;

pub(super) use compile::compile;
pub use declared::{Command, Commands, Order, ReadCommand};
pub use payload::FieldError;
pub use receipt::{ReceiptRule, ReceiptText, ReceiptVerdict, ReceiptWords};
