//! Alarms on the stream, as the mapping files declare them: `[[alarm]]`.
//!
//! An alarm belongs to a mapping: where its `when` holds for a point that the mapping writes, it
//! leads to a command to that vehicle, or to a publish. The condition is compiled with the plan and
//! asks its slots; the action is looked up by the alarm's name when it is raised.
//!
//! # The keys of `[[alarm]]`
//! - `name`; `mapping`: whose points it asks, of any format but line protocol.
//! - `when`: as in a mapping, over the payload as it came. What the mapping's own `when` leaves out
//!   is not asked; of a message's points the first that is young enough raises it.
//! - `command = "NAME"`, to the vehicle of the message, with `expires-in`, `execute-within`,
//!   `supersede` and `still` as a push has them; or `publish = { topic, payload = "json", qos }`:
//!   `topic` may have one capture, the vehicle; `qos` is 1 unless said.
//! - `fields`: of the command, or of the JSON that is published. In its texts `{path}` stands for a
//!   value of the payload, a capture of the topic, or a text with either in it. A publish without
//!   `fields` says what `when` asks.
//! - `once-per` (default `1m`, at most `7d`): a vehicle that was told is not told again so soon,
//!   however often it is above and below: it survives restarts.
//! - `max-age` (default `1m`): older points raise none.
//!
//! What can be known of an action is checked when it is loaded: the command is there, its fields
//! are, and take what they are given.

mod compile;
mod declared;
#[cfg(test)]
mod tests;

pub(super) use compile::Drafts;
pub use declared::{Alarm, AlarmAction, AlarmCommand, AlarmTopic, Alarms};
