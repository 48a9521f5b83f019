//! A block of columns as the server's client library lays it out: a head, the columns' types and
//! lengths, and each column's values, of fixed width behind a map of nulls or of their own lengths
//! behind offsets.

use serde_json::Value as Json;

const BOOL: u8 = 1;
const INT: u8 = 4;
const BIGINT: u8 = 5;
const FLOAT: u8 = 6;
const DOUBLE: u8 = 7;
const VARCHAR: u8 = 8;
const TIMESTAMP: u8 = 9;
const NCHAR: u8 = 10;
const UBIGINT: u8 = 14;

/// The number of a type.
pub(super) fn kind(name: &str) -> u8 {
    match name {
        "BOOL" => BOOL,
        "INT" => INT,
        "BIGINT" => BIGINT,
        "FLOAT" => FLOAT,
        "DOUBLE" => DOUBLE,
        "VARCHAR" => VARCHAR,
        "TIMESTAMP" => TIMESTAMP,
        "NCHAR" => NCHAR,
        "BIGINT UNSIGNED" => UBIGINT,
        _ => panic!("a type {name}"),
    }
}

/// How many rows a block has.
pub(super) fn rows(block: &[u8]) -> u32 {
    u32::from_le_bytes(block[8..12].try_into().unwrap())
}

/// Encodes rows of `/rest/sql` as a block.
pub(super) fn of(kinds: &[u8], rows: &[Json]) -> Vec<u8> {
    let (mut types, mut lengths, mut values) = (Vec::new(), Vec::new(), Vec::new());
    for (at, kind) in kinds.iter().enumerate() {
        let cells: Vec<&Json> = rows.iter().map(|row| &row[at]).collect();
        let (front, data) = match *kind {
            VARCHAR | NCHAR => texts(*kind, &cells),
            _ => numbers(*kind, &cells),
        };
        types.push(*kind);
        types.extend(8_u32.to_le_bytes());
        lengths.extend(u32::try_from(data.len()).unwrap().to_le_bytes());
        values.extend(front);
        values.extend(data);
    }
    let length = 28 + types.len() + lengths.len() + values.len();
    let mut block = Vec::with_capacity(length);
    for part in [1, length, rows.len(), kinds.len(), 1 << 31] {
        block.extend(u32::try_from(part).unwrap().to_le_bytes());
    }
    block.extend(0_u64.to_le_bytes());
    [block, types, lengths, values].concat()
}

fn numbers(kind: u8, cells: &[&Json]) -> (Vec<u8>, Vec<u8>) {
    let mut nulls = vec![0_u8; cells.len().div_ceil(8)];
    let mut data = Vec::new();
    for (row, cell) in cells.iter().enumerate() {
        if cell.is_null() {
            nulls[row / 8] |= 0x80 >> (row % 8);
        }
        let whole = || cell.as_i64().unwrap_or_default();
        match kind {
            BOOL => data.push(u8::from(cell.as_bool().unwrap_or_default())),
            INT => data.extend(i32::try_from(whole()).unwrap().to_le_bytes()),
            BIGINT => data.extend(whole().to_le_bytes()),
            UBIGINT => data.extend(cell.as_u64().unwrap_or_default().to_le_bytes()),
            FLOAT => {
                let text = cell.as_f64().unwrap_or_default().to_string();
                data.extend(text.parse::<f32>().unwrap().to_le_bytes());
            }
            DOUBLE => data.extend(cell.as_f64().unwrap_or_default().to_le_bytes()),
            TIMESTAMP => {
                let at = cell.as_str().map(|text| text.parse::<jiff::Timestamp>().unwrap());
                let nanos = at.map_or(0, jiff::Timestamp::as_nanosecond);
                data.extend(i64::try_from(nanos).unwrap().to_le_bytes());
            }
            _ => unreachable!("a number of type {kind}"),
        }
    }
    (nulls, data)
}

fn texts(kind: u8, cells: &[&Json]) -> (Vec<u8>, Vec<u8>) {
    let (mut offsets, mut data) = (Vec::new(), Vec::new());
    for cell in cells {
        let Some(text) = cell.as_str() else {
            offsets.extend((-1_i32).to_le_bytes());
            continue;
        };
        offsets.extend(i32::try_from(data.len()).unwrap().to_le_bytes());
        let bytes: Vec<u8> = match kind {
            NCHAR => text.chars().flat_map(|letter| u32::from(letter).to_le_bytes()).collect(),
            _ => text.as_bytes().to_vec(),
        };
        data.extend(u16::try_from(bytes.len()).unwrap().to_le_bytes());
        data.extend(bytes);
    }
    (offsets, data)
}
