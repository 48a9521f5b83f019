//! Alarms on the stream, as the mapping files declare them: `[[alarm]]`.
//!
//! An alarm belongs to a mapping: if its `when` holds for a point that the mapping writes, a
//! command is sent to that vehicle, or a message is published. The condition is compiled with the
//! plan and reads its slots; the action is looked up by the alarm's name when the alarm is raised.
//!
//! # The keys of `[[alarm]]`
//! - `name`; `mapping`: the mapping whose points it is evaluated for, of any format except line
//!   protocol.
//! - `when`: as in a mapping, over the received values. Points that the mapping's own `when`
//!   excludes are not evaluated; the first point of a message that is young enough raises the
//!   alarm.
//! - `command = "NAME"`, to the vehicle of the message, with `expires-in`, `execute-within`,
//!   `supersede` and `still` as a push has them; or `publish = { topic, payload = "json", qos }`:
//!   `topic` may have one capture, the vehicle; `qos` is 1 unless said.
//! - `fields`: of the command, or of the JSON that is published. In its texts `{path}` stands for a
//!   value of the payload, a capture of the topic, or a text with either in it. A publish without
//!   `fields` contains the values that `when` uses.
//! - `once-per` (default `1m`, at most `7d`): minimum time between two actions for one vehicle,
//!   however often the condition changes; it survives restarts.
//! - `max-age` (default `1m`): older points raise none.
//!
//! An action is checked when it is loaded, as far as possible: the command and its fields exist,
//! and the fields accept the types of their values.

mod compile;
mod declared;
#[cfg(test)]
mod tests;

pub(super) use compile::Drafts;
pub use declared::{Alarm, AlarmAction, AlarmCommand, AlarmTopic, Alarms};
