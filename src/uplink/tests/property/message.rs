//! Random messages, wires that protobuf allows but no encoder writes, and damaged ones.

use std::collections::HashMap;

use prost_reflect::{
    DynamicMessage, FieldDescriptor, Kind, MapKey, MessageDescriptor, Value,
    prost::encoding::{decode_varint, encode_varint},
};

use super::{dice::Dice, forms};

/// A message in which most fields are set.
pub(super) fn generate(descriptor: &MessageDescriptor, dice: &mut Dice) -> DynamicMessage {
    let mut message = DynamicMessage::new(descriptor.clone());
    for field in descriptor.fields() {
        if dice.chance(70) {
            let value = field_value(&field, dice);
            message.set_field(&field, value);
        }
    }
    forms::fill(&mut message, dice);
    message
}

/// A value of a field.
fn field_value(field: &FieldDescriptor, dice: &mut Dice) -> Value {
    let kind = field.kind();
    if field.is_map() {
        let entry = kind.as_message().expect("an entry");
        let (key, value) = (entry.map_entry_key_field(), entry.map_entry_value_field());
        let mut map = HashMap::new();
        for _ in 0..dice.below(4) {
            map.insert(map_key(&key.kind(), dice), value_of(&value.kind(), dice));
        }
        return Value::Map(map);
    }
    if field.is_list() {
        return Value::List((0..dice.below(5)).map(|_| value_of(&kind, dice)).collect());
    }
    value_of(&kind, dice)
}

fn map_key(kind: &Kind, dice: &mut Dice) -> MapKey {
    match value_of(kind, dice) {
        Value::String(_) => MapKey::String(if dice.chance(95) { word(dice) } else { text(dice) }),
        Value::I32(value) => MapKey::I32(value),
        Value::I64(value) => MapKey::I64(value),
        Value::U64(value) => MapKey::U64(value),
        Value::Bool(value) => MapKey::Bool(value),
        other => panic!("{other:?} is no key"),
    }
}

/// One value of a kind.
#[expect(clippy::cast_possible_truncation, reason = "any bits will do")]
fn value_of(kind: &Kind, dice: &mut Dice) -> Value {
    let bits = dice.edge();
    match kind {
        Kind::Double => Value::F64(f64::from_bits(dice.bits())),
        Kind::Float => Value::F32(f32::from_bits(dice.bits() as u32)),
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => Value::I32(bits as i32),
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => Value::I64(bits as i64),
        Kind::Uint32 | Kind::Fixed32 => Value::U32(bits as u32),
        Kind::Uint64 | Kind::Fixed64 => Value::U64(bits >> usize::from(dice.chance(80))),
        Kind::Bool => Value::Bool(bits & 1 == 1),
        Kind::String => Value::String(if dice.chance(90) { word(dice) } else { text(dice) }),
        Kind::Bytes => Value::Bytes((0..dice.below(9)).map(|_| dice.bits() as u8).collect()),
        Kind::Enum(_) => Value::EnumNumber(*dice.pick(&[0, 1, 5, -1, 100_000, 7, i32::MIN])),
        Kind::Message(message) if is_time(message) => time(message, dice),
        Kind::Message(message) => Value::Message(generate(message, dice)),
    }
}

fn is_time(message: &MessageDescriptor) -> bool {
    matches!(message.full_name(), "google.protobuf.Timestamp" | "google.protobuf.Duration")
}

/// A time that is mostly in range.
fn time(message: &MessageDescriptor, dice: &mut Dice) -> Value {
    let mut value = DynamicMessage::new(message.clone());
    let is_wild = dice.chance(4);
    let seconds = if is_wild {
        dice.edge().cast_signed()
    } else {
        i64::try_from(dice.below(1 << 30)).expect("fits")
    };
    let nanos = if is_wild { -5 } else { i32::try_from(dice.below(1_000_000_000)).expect("fits") };
    value.set_field_by_number(1, Value::I64(seconds));
    value.set_field_by_number(2, Value::I32(nanos));
    Value::Message(value)
}

/// A text without harm.
fn word(dice: &mut Dice) -> String {
    (0..dice.below(6)).map(|_| *dice.pick(&['a', 'Z', '0', '_', 'é', ' ', ',', '=', '"'])).collect()
}

/// A text with everything that line protocol gives a meaning.
fn text(dice: &mut Dice) -> String {
    const HOSTILE: [char; 17] = [
        'a',
        ' ',
        ',',
        '=',
        '"',
        '\\',
        '\n',
        '\r',
        '\t',
        '\0',
        'i',
        '#',
        '\'',
        '{',
        '\u{10ffff}',
        '\u{7f}',
        '1',
    ];
    (0..dice.below(12)).map(|_| *dice.pick(&HOSTILE)).collect()
}

/// One field of a wire: its number, its wire type, and all its bytes with the payload apart.
struct Piece {
    number: u32,
    wire_type: u8,
    /// Of wire type 2 without its length; else the value's bytes (of a group also its end).
    bytes: Vec<u8>,
}

/// Another wire for the same message, or for one that merges to something else: what counts is that
/// plan and reference read it alike.
pub(super) fn rewire(descriptor: &MessageDescriptor, wire: &[u8], dice: &mut Dice) -> Vec<u8> {
    let mut pieces = Vec::new();
    for piece in pieces_of(wire) {
        // An entry without its key or its value has the default there.
        if descriptor.is_map_entry() && dice.chance(10) {
            continue;
        }
        let field = descriptor.get_field(piece.number);
        let kind = field.as_ref().map(FieldDescriptor::kind);
        let message = kind.as_ref().and_then(Kind::as_message);
        let is_map = field.as_ref().is_some_and(FieldDescriptor::is_map);
        let is_list = field.as_ref().is_some_and(FieldDescriptor::is_list);
        match (message, &kind) {
            (Some(message), _) if piece.wire_type == 2 => {
                let bytes = rewire(message, &piece.bytes, dice);
                if !is_map && dice.chance(15) {
                    // A message may come in parts.
                    pieces.push(Piece { bytes: rewire(message, &piece.bytes, dice), ..piece });
                }
                pieces.push(Piece { bytes, ..piece });
            }
            (None, Some(kind)) if piece.wire_type == 2 && !is_text(kind) && dice.chance(50) => {
                pieces.extend(unpacked(kind, &piece));
            }
            // One element as a packed run of one.
            (None, _) if is_list && piece.wire_type != 2 && dice.chance(30) => {
                pieces.push(Piece { wire_type: 2, ..piece });
            }
            _ => pieces.push(piece),
        }
        if dice.chance(5) {
            pieces.push(unknown(dice));
        }
    }
    if dice.chance(50) {
        for at in (1..pieces.len()).rev() {
            pieces.swap(at, dice.below(at + 1));
        }
    }
    let mut wire = Vec::new();
    for piece in &pieces {
        encode_varint(u64::from(piece.number << 3 | u32::from(piece.wire_type)), &mut wire);
        if piece.wire_type == 2 {
            encode_varint(piece.bytes.len() as u64, &mut wire);
        }
        wire.extend_from_slice(&piece.bytes);
    }
    wire
}

fn is_text(kind: &Kind) -> bool {
    matches!(kind, Kind::String | Kind::Bytes)
}

/// Cuts a wire that is well formed into its fields.
fn pieces_of(mut wire: &[u8]) -> Vec<Piece> {
    let mut pieces = Vec::new();
    while !wire.is_empty() {
        let tag = decode_varint(&mut wire).expect("well formed");
        let number = u32::try_from(tag >> 3).expect("a number");
        let wire_type = u8::try_from(tag & 7).expect("three bits");
        let bytes = take(&mut wire, number, wire_type);
        pieces.push(Piece { number, wire_type, bytes });
    }
    pieces
}

/// Takes one field's bytes.
fn take(wire: &mut &[u8], number: u32, wire_type: u8) -> Vec<u8> {
    let before = *wire;
    let length = match wire_type {
        0 => {
            decode_varint(wire).expect("well formed");
            before.len() - wire.len()
        }
        1 => 8,
        5 => 4,
        2 => {
            let length = usize::try_from(decode_varint(wire).expect("well formed")).expect("fits");
            let bytes = wire[..length].to_vec();
            *wire = &wire[length..];
            return bytes;
        }
        _ => {
            loop {
                let tag = decode_varint(wire).expect("well formed");
                let inner = u32::try_from(tag >> 3).expect("a number");
                let wire_type = u8::try_from(tag & 7).expect("three bits");
                if wire_type == 4 {
                    assert_eq!(inner, number, "groups nest");
                    break;
                }
                take(wire, inner, wire_type);
            }
            before.len() - wire.len()
        }
    };
    *wire = &before[length..];
    before[..length].to_vec()
}

/// The elements of a packed field one by one.
fn unpacked(kind: &Kind, piece: &Piece) -> Vec<Piece> {
    let wire_type = match kind {
        Kind::Double | Kind::Fixed64 | Kind::Sfixed64 => 1,
        Kind::Float | Kind::Fixed32 | Kind::Sfixed32 => 5,
        _ => 0,
    };
    let mut rest = piece.bytes.as_slice();
    let mut pieces = Vec::new();
    while !rest.is_empty() {
        let bytes = take(&mut rest, piece.number, wire_type);
        pieces.push(Piece { number: piece.number, wire_type, bytes });
    }
    pieces
}

/// A field that no schema here has.
fn unknown(dice: &mut Dice) -> Piece {
    let mut end = Vec::new();
    encode_varint(20_000 << 3 | 4, &mut end);
    let (wire_type, bytes) = match dice.below(4) {
        0 => (0, vec![0x80, 1]),
        1 => (1, vec![7; 8]),
        2 => (2, b"\xff\xfe".to_vec()),
        _ => (3, [&[0x08, 1][..], &end].concat()),
    };
    Piece { number: 20_000, wire_type, bytes }
}

/// Changes, cuts or doubles some bytes.
pub(super) fn damage(wire: &mut Vec<u8>, dice: &mut Dice) {
    if wire.is_empty() {
        return wire.push(dice.bits().to_le_bytes()[0]);
    }
    let at = dice.below(wire.len());
    match dice.below(5) {
        0 => wire.truncate(at),
        1 => wire.insert(at, dice.bits().to_le_bytes()[0]),
        2 => {
            wire.remove(at);
        }
        3 => wire[at] ^= 1 << dice.below(8),
        _ => wire[at] = *dice.pick(&[0, 0x7f, 0x80, 0xff]),
    }
}
