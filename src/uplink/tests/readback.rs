//! Lines read back by an independent parser, and a source of values that find mistakes.

use std::collections::BTreeMap;

use influxdb_line_protocol::{FieldValue, parse_lines};

/// A field's value, comparable.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Told {
    Integer(i64),
    Unsigned(u64),
    /// The bits, so that -0 is not 0.
    Float(u64),
    Boolean(bool),
    Text(String),
}

impl Told {
    /// A float; nothing for what line protocol cannot say.
    pub(super) fn float(value: f64) -> Option<Self> {
        value.is_finite().then_some(Self::Float(value.to_bits()))
    }

    /// A 32-bit float, as the decimal digits say that are its shortest.
    pub(super) fn float32(value: f32) -> Option<Self> {
        Self::float(value.to_string().parse().expect("a float's own text"))
    }
}

/// The fields of one point by name.
pub(super) type Point = BTreeMap<String, Told>;

/// What an independent parser reads of lines.
pub(super) fn points(lines: &str) -> Vec<Point> {
    let parsed = parse_lines(lines).map(|line| {
        let line = line.unwrap_or_else(|error| panic!("{error} in {lines:?}"));
        let fields = line.field_set.iter().map(|(name, value)| {
            let value = match value {
                FieldValue::I64(value) => Told::Integer(*value),
                FieldValue::U64(value) => Told::Unsigned(*value),
                FieldValue::F64(value) => Told::Float(value.to_bits()),
                FieldValue::Boolean(value) => Told::Boolean(*value),
                FieldValue::String(value) => Told::Text(value.to_string()),
            };
            (name.to_string(), value)
        });
        fields.collect()
    });
    parsed.collect()
}

/// Pseudo-random values from a seed, special ones often.
pub(super) struct Dice(pub(super) u64);

impl Dice {
    /// 64 bits (splitmix64).
    pub(super) fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Below a bound.
    pub(super) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.bits() % bound as u64).expect("below a usize")
    }

    /// One of several.
    pub(super) fn pick<T: Clone>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())].clone()
    }

    /// An integer, at the ends of its range often.
    pub(super) fn integer(&mut self) -> i64 {
        let any = self.bits().cast_signed();
        self.pick(&[0, 1, -1, i64::MAX, i64::MIN, any, any >> 30, any >> 50])
    }

    /// The same of 32 bits.
    pub(super) fn int(&mut self) -> i32 {
        let any = i32::from_le_bytes(self.bits().to_le_bytes()[..4].try_into().expect("4 bytes"));
        self.pick(&[0, 1, -1, i32::MAX, i32::MIN, any, any >> 20])
    }

    /// A float, NaN and infinities included.
    pub(super) fn double(&mut self) -> f64 {
        let any = f64::from_bits(self.bits());
        self.pick(&[0.0, -0.0, 0.1, 1e300, -33.986_118, f64::NAN, f64::INFINITY, any])
    }

    /// Text of what line protocol and JSON escape.
    pub(super) fn text(&mut self) -> String {
        const PARTS: [&str; 12] =
            ["a", "B7", " ", ",", "=", "\"", "\\", "\n", "\u{e9}", "\u{1f697}", "\t", "\u{0}"];
        (0..self.below(6)).map(|_| self.pick(&PARTS)).collect()
    }

    /// Text that can be a part of a key; without tabs, which the independent parser ends a key at.
    pub(super) fn key(&mut self) -> String {
        let text = self.text().replace(['\n', '\\', '\0', '\t'], "k");
        if text.is_empty() { "k".to_owned() } else { text }
    }
}
