//! Messages through plans: schema and mapping in, lines or failures out.

mod alarms;
mod allocations;
mod avro;
mod conversions;
mod error_texts;
mod framing;
mod harness;
mod json;
mod kinds;
mod lines;
mod property;
mod protobuf;
mod readback;
mod set;
mod shipped;
mod steps;
mod times;
mod wire;
