//! One interface for all formats: payload bytes → the plan's slots.

use std::ops::Range;

use crate::{
    mapping::Decoder,
    uplink::{DecodeError, Limits, Slots, avro, json, protobuf},
};

/// Walks the whole payload once and stores the values that the plan needs.
///
/// `payload` is the part after the framing of the plan's `select`, and is smaller than 4 GiB. The
/// caller has called [`Slots::begin_message`].
///
/// # Errors
/// The first thing that is malformed or over a bound.
pub(crate) fn message(
    decoder: &Decoder,
    payload: &[u8],
    slots: &mut Slots,
    limits: &Limits,
) -> Result<(), DecodeError> {
    match decoder {
        Decoder::Protobuf(program) => protobuf::message(program, payload, slots, limits),
        Decoder::Avro(program) => avro::message(program, payload, slots, limits),
        Decoder::Json(program) => json::message(program, payload, slots, limits),
        Decoder::LineProtocol => Ok(()),
    }
}

/// Walks one element of a list of `points`, whose range [`message`] has noted. The caller has
/// called [`Slots::begin_element`].
///
/// # Errors
/// The first thing that is malformed or over a bound.
pub(crate) fn element(
    decoder: &Decoder,
    payload: &[u8],
    level: usize,
    range: Range<usize>,
    slots: &mut Slots,
    limits: &Limits,
) -> Result<(), DecodeError> {
    match decoder {
        Decoder::Protobuf(program) => {
            protobuf::element(program, payload, level, range, slots, limits)
        }
        Decoder::Avro(program) => avro::element(program, payload, level, range, slots, limits),
        Decoder::Json(program) => json::element(program, payload, level, range, slots, limits),
        Decoder::LineProtocol => Ok(()),
    }
}
