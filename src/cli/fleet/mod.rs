//! A simulated fleet: what `simulate` and `demo` let drive.
//!
//! From the road to the wire: vehicles that drive, charge and stop ([`drive`]); a mapping read
//! backwards, so that what they sense becomes payloads ([`shape`]); all that each of them will say,
//! message by message ([`script`]); thousands of MQTT connections that publish it ([`client`]).
//!
//! It believes nothing that it has not read from a socket: acknowledged means a PUBACK or PUBREC.

mod client;
mod drive;
mod script;
mod shape;

pub(super) use client::{
    AckLog, Counts, Latencies, Load, LoadError, LoadOptions, Outcome, Pace, Phase, Qos, Version,
    Watch,
};
pub(super) use script::{
    DriveOptions, Live, LiveOptions, Part, Script, Track, Tracks, drives, topic_of,
};
pub(super) use shape::{Files, Format, Shape, ShapeError, Value, read_text};
