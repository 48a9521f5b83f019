//! Messages through plans: schema and mapping in, lines or failures out.

mod framing;
mod harness;
mod protobuf;
mod wire;
