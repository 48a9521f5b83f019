//! How a plan reads its payloads: one compiled program per format.

use crate::mapping::{
    avro::Program as AvroProgram, json::Program as JsonProgram,
    protobuf::Program as ProtobufProgram,
};

/// The decode program of a plan.
#[derive(Clone, Debug)]
pub enum Decoder {
    /// Protobuf wire bytes.
    Protobuf(ProtobufProgram),
    /// Avro bytes, after their framing.
    Avro(AvroProgram),
    /// JSON text.
    Json(JsonProgram),
    /// Line protocol: nothing is decoded to slots.
    LineProtocol,
}
