//! What a mapping says beyond tags and fields, as it is drawn and as the reference understands it:
//! the forms of time, conversions, equal points.

use std::fmt::Write as _;

use prost_reflect::{DynamicMessage, ReflectMessage as _, Value};

use super::{
    dice::Dice,
    lines::{Field, Point, of_text},
};
use crate::{mapping::Duplicates, model::Cause, uplink::tests::harness::RECEIVED_AT};

/// The fields of every root that the forms are about.
pub(super) const DECLARED: &str = "
    optional sint64 at = 4001; optional string clock = 4002; optional sint64 plus = 4003;
    optional string kind = 4004; optional sint64 ci = 4011; optional uint64 cu = 4012;
    optional string ct = 4013; optional double cd = 4014; repeated sint32 cl = 4015;
";

/// How the point's time is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TimeForm {
    Received,
    Millis,
    Seconds,
    Iso,
}

/// How one value is converted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Conversion {
    /// Times `.0` over ten to `.1`, plus `.2`.
    Scale(i128, u32, i128),
    As(&'static str),
}

/// What was drawn.
#[derive(Debug)]
pub(super) struct Forms {
    pub(super) time: TimeForm,
    pub(super) has_plus: bool,
    pub(super) unset_is_received: bool,
    pub(super) duplicates: Duplicates,
    pub(super) has_when: bool,
    pub(super) conversions: Vec<(&'static str, Conversion)>,
}

/// The reference cannot decide what the plan must do: a text that comes from damage.
#[derive(Debug)]
pub(super) struct Unknown;

impl Forms {
    /// Draws forms. A list as one JSON text keeps its values: the reference is simple there.
    pub(super) fn generate(dice: &mut Dice, is_json: bool) -> Self {
        let times = [TimeForm::Received, TimeForm::Millis, TimeForm::Seconds, TimeForm::Iso];
        let time = *dice.pick(&times);
        let scales = [(1, 7, 0), (1, 1, -40), (-25, 1, 3), (3, 0, 0)]
            .map(|(factor, power, offset)| Conversion::Scale(factor, power, offset));
        let targets = ["float", "integer", "boolean", "string"].map(Conversion::As);
        let mut conversions = Vec::new();
        for name in ["ci", "cu", "ct", "cd", "cl"] {
            if dice.chance(40) && !(is_json && name == "cl") {
                let scale = *dice.pick(&scales);
                let is_scaled = name != "ct" && name != "cd" && dice.chance(50);
                let target = *dice.pick(&targets);
                conversions.push((name, if is_scaled { scale } else { target }));
            }
        }
        Self {
            time,
            has_plus: time != TimeForm::Received && dice.chance(40),
            unset_is_received: time != TimeForm::Received && dice.chance(40),
            duplicates: *dice.pick(&[
                Duplicates::Merge,
                Duplicates::OffsetNs,
                Duplicates::KeepLast,
            ]),
            has_when: dice.chance(20),
            conversions,
        }
    }

    /// The mapping's keys; the tables stand at its end.
    pub(super) fn toml(&self) -> (String, String) {
        let field = match self.time {
            TimeForm::Received => None,
            TimeForm::Millis => Some("field = \"at\", unit = \"ms\""),
            TimeForm::Seconds => Some("field = \"clock\", unit = \"s\""),
            TimeForm::Iso => Some("field = \"clock\", zone = \"Europe/Berlin\""),
        };
        let mut keys = String::new();
        if let Some(field) = field {
            let plus =
                if self.has_plus { ", plus = { field = \"plus\", unit = \"us\" }" } else { "" };
            let unset = if self.unset_is_received { ", unset = \"received\"" } else { "" };
            writeln!(keys, "time = {{ {field}{plus}{unset} }}").expect("text");
        }
        let duplicates = match self.duplicates {
            Duplicates::Merge => "merge",
            Duplicates::OffsetNs => "offset-ns",
            Duplicates::KeepLast => "keep-last",
        };
        writeln!(keys, "duplicates = \"{duplicates}\"").expect("text");
        if self.has_when {
            keys.push_str("when = \"not kind == 'b'\"\n");
        }
        let mut tables = String::from("[mapping.convert]\n");
        for (name, conversion) in &self.conversions {
            match conversion {
                Conversion::Scale(factor, power, offset) => {
                    writeln!(tables, "{name} = {{ factor = {factor}e-{power}, offset = {offset} }}")
                }
                Conversion::As(target) => writeln!(tables, "{name} = {{ as = \"{target}\" }}"),
            }
            .expect("text");
        }
        (keys, tables)
    }

    /// Whether a root's field is the time and so no field.
    pub(super) fn is_taken(&self, name: &str) -> bool {
        match name {
            "at" => self.time == TimeForm::Millis,
            "clock" => matches!(self.time, TimeForm::Seconds | TimeForm::Iso),
            "plus" => self.has_plus,
            _ => false,
        }
    }

    pub(super) fn conversion(&self, name: &str) -> Option<Conversion> {
        let found = self.conversions.iter().find(|(known, _)| *known == name);
        found.map(|(_, conversion)| *conversion)
    }

    /// Whether the filter takes a message.
    pub(super) fn passes(&self, message: &DynamicMessage) -> bool {
        !self.has_when || text(message, "kind").as_deref() != Some("b")
    }

    /// The time of the message's points: `None` for the time of receipt.
    pub(super) fn time(
        &self,
        message: &DynamicMessage,
    ) -> Result<Result<Option<i64>, Cause>, Unknown> {
        /// 1981.
        const UNSET: i128 = 347_155_200_000_000_000;
        let base = match self.time {
            TimeForm::Received => return Ok(Ok(None)),
            TimeForm::Millis => Ok(number(message, "at").map(|at| i128::from(at) * 1_000_000)),
            TimeForm::Seconds | TimeForm::Iso => match text(message, "clock") {
                None => Ok(None),
                Some(text) if text.trim().is_empty() => Ok(None),
                Some(text) if self.unset_is_received && is_zero(&text) => Ok(None),
                Some(text) if self.time == TimeForm::Seconds => seconds(&text)?.map(Some),
                Some(text) => iso(&text).map(Some),
            },
        };
        let Ok(base) = base else { return Ok(Err(Cause::TimeInvalid)) };
        let base = match base {
            Some(base) if !self.unset_is_received || base >= UNSET => base,
            None if !self.unset_is_received => return Ok(Err(Cause::TimeInvalid)),
            _ if !self.has_plus => return Ok(Ok(None)),
            _ => RECEIVED_AT.0.into(),
        };
        let plus = match (self.has_plus, number(message, "plus")) {
            (false, _) => 0,
            (true, Some(plus)) => i128::from(plus) * 1_000,
            (true, None) => return Ok(Err(Cause::TimeInvalid)),
        };
        let Ok(time) = i64::try_from(base + plus) else { return Ok(Err(Cause::TimeInvalid)) };
        let (day, since) = (86_400_000_000_000, i128::from(time) - i128::from(RECEIVED_AT.0));
        let is_within = since <= day && -since <= 3_650 * day;
        Ok(if is_within { Ok(Some(time)) } else { Err(Cause::TimeOutOfBounds) })
    }

    /// What is left of equal points.
    pub(super) fn resolve_equal(&self, points: Vec<Point>) -> Vec<Point> {
        let same = |one: &Point, other: &Point| one.tags == other.tags && one.time == other.time;
        let mut left: Vec<Point> = Vec::new();
        for (index, point) in points.iter().enumerate() {
            let is_last = !points[index + 1..].iter().any(|later| same(point, later));
            let mut point = point.clone();
            match self.duplicates {
                Duplicates::OffsetNs => {
                    // All of one message have one series here.
                    while left.iter().any(|other| same(other, &point)) {
                        point.time += 1;
                    }
                }
                _ if !is_last => continue,
                Duplicates::KeepLast => {}
                Duplicates::Merge => {
                    let earlier = points[..index].iter().rev();
                    for earlier in earlier.filter(|other| same(other, &points[index])) {
                        for field in &earlier.fields {
                            if !point.fields.iter().any(|(known, _)| *known == field.0) {
                                point.fields.push(field.clone());
                            }
                        }
                    }
                    point.fields.sort_by(|one, other| one.0.cmp(&other.0));
                }
            }
            left.push(point);
        }
        left
    }
}

/// What a conversion makes of a value: `None` for nothing.
pub(super) fn converted(
    conversion: Conversion,
    value: &Value,
) -> Result<Result<Option<Field>, Cause>, Unknown> {
    let float = |value: f64| value.is_finite().then(|| Field::Float((value + 0.0).to_bits()));
    let integer = match value {
        Value::I32(value) => Some(i128::from(*value)),
        Value::I64(value) => Some(i128::from(*value)),
        Value::U64(value) => Some(i128::from(*value)),
        _ => None,
    };
    let narrow = |value: i128| match i64::try_from(value) {
        Ok(value) => Ok(Some(Field::Integer(value))),
        Err(_) => Err(Cause::IntegerOutOfRange),
    };
    Ok(match (conversion, value) {
        (Conversion::Scale(factor, power, offset), _) => {
            let value = integer.expect("only integers are scaled");
            let digits = value * factor + offset * 10_i128.pow(power);
            Ok(float(format!("{digits}e-{power}").parse().expect("a float")))
        }
        (Conversion::As("string"), Value::String(text)) => Ok(Some(of_text(text))),
        (Conversion::As("string"), Value::F64(value)) => Ok(value.is_finite().then(|| {
            let text = zmij::Buffer::new().format_finite(*value).replace("e+", "e");
            of_text(text.strip_suffix(".0").unwrap_or(&text))
        })),
        (Conversion::As("string"), _) => {
            Ok(Some(of_text(&integer.expect("an integer").to_string())))
        }
        (Conversion::As("boolean"), Value::F64(value)) if value.is_finite() => {
            Ok(Some(Field::Boolean(*value != 0.0)))
        }
        (Conversion::As("float"), Value::F64(value)) => {
            Ok(value.is_finite().then(|| Field::Float(value.to_bits())))
        }
        (Conversion::As(_), Value::F64(value)) if !value.is_finite() => Ok(None),
        (Conversion::As(_), Value::F64(value)) if value.fract() != 0.0 => {
            Err(Cause::PayloadMismatch)
        }
        (Conversion::As(_), Value::F64(value)) => {
            narrow(format!("{value:.0}").parse().unwrap_or(i128::MAX))
        }
        (Conversion::As(target), Value::String(text)) => return of_words(target, text.trim()),
        (Conversion::As(target), _) => {
            let value = integer.expect("an integer");
            match target {
                "float" => Ok(float(value.to_string().parse().expect("a float"))),
                "boolean" => Ok(Some(Field::Boolean(value != 0))),
                _ => narrow(value),
            }
        }
    })
}

/// What a text becomes; only those that are drawn are known.
fn of_words(target: &str, text: &str) -> Result<Result<Option<Field>, Cause>, Unknown> {
    let number: Option<f64> = match text {
        "" => return Ok(Ok(None)),
        "7" => Some(7.0),
        "-12.0" => Some(-12.0),
        "71.5" => Some(71.5),
        "1e3" => Some(1000.0),
        "yes" | "off" | "x y" | "1,5" => None,
        _ => return Err(Unknown),
    };
    Ok(match (target, number) {
        ("float", Some(number)) => Ok(Some(Field::Float(number.to_bits()))),
        ("boolean", Some(number)) => Ok(Some(Field::Boolean(number != 0.0))),
        ("boolean", None) if matches!(text, "yes" | "off") => {
            Ok(Some(Field::Boolean(text == "yes")))
        }
        #[expect(clippy::cast_possible_truncation, reason = "the numbers above")]
        ("integer", Some(number)) if number.fract() == 0.0 => {
            Ok(Some(Field::Integer(number as i64)))
        }
        _ => Err(Cause::PayloadMismatch),
    })
}

/// Sets the fields that the forms are about to what makes sense, mostly.
pub(super) fn fill(message: &mut DynamicMessage, dice: &mut Dice) {
    let Some(_) = message.descriptor().get_field_by_name("clock") else { return };
    let mut set = |name: &str, value: Option<Value>| match value {
        Some(value) => message.set_field_by_name(name, value),
        None => message.clear_field_by_name(name),
    };
    let millis = RECEIVED_AT.0 / 1_000_000 - i64::try_from(dice.below(100_000)).expect("few");
    let at = match dice.below(10) {
        0 => None,
        1 => Some(*dice.pick(&[0, 5, 315_964_800_000, i64::MAX])),
        _ => Some(millis),
    };
    set("at", at.map(Value::I64));
    let clock = match dice.below(12) {
        0 => None,
        1 => Some((*dice.pick(&["", " ", "soon", "1970-01-01T00:00:00Z", "0"])).to_owned()),
        2..=6 => Some(format!("{}.{}", millis / 1000, dice.below(1 << 30))),
        _ => {
            let (second, fraction) = (dice.below(60), dice.below(1_000_000_000));
            let offset = dice.pick(&["Z", "+01:00", "-11:30", ""]);
            Some(format!("2026-11-22T12:07:{second:02}.{fraction}{offset}"))
        }
    };
    set("clock", clock.map(Value::String));
    let plus = dice.chance(90).then(|| i64::try_from(dice.below(10_000)).expect("few") - 5_000);
    set("plus", plus.map(Value::I64));
    set("kind", dice.chance(80).then(|| Value::String((*dice.pick(&["a", "b"])).to_owned())));
    let words = ["", "7", "-12.0", "71.5", "1e3", "yes", "off", "x y", "1,5"];
    set("ct", dice.chance(80).then(|| Value::String((*dice.pick(&words)).to_owned())));
}

fn text(message: &DynamicMessage, name: &str) -> Option<String> {
    let is_there = message.has_field_by_name(name);
    let value = message.get_field_by_name(name)?;
    value.as_str().filter(|_| is_there).map(str::to_owned)
}

fn number(message: &DynamicMessage, name: &str) -> Option<i64> {
    let is_there = message.has_field_by_name(name);
    message.get_field_by_name(name)?.as_i64().filter(|_| is_there)
}

/// Whether a text is what some write for no time.
fn is_zero(text: &str) -> bool {
    text.chars().all(|character| "0-:.+ TZ".contains(character))
}

/// Seconds with a fraction, digit by digit.
fn seconds(text: &str) -> Result<Result<i128, ()>, Unknown> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let is_plain = [whole, fraction].concat().bytes().all(|byte| byte.is_ascii_digit());
    match text {
        "soon" | "1970-01-01T00:00:00Z" => Ok(Err(())),
        _ if text.starts_with("2026-11-22T12:07:") => Ok(Err(())),
        _ if !is_plain || whole.is_empty() || text.len() > 30 => Err(Unknown),
        _ => {
            let nanos = format!("{fraction:0<9}")[..9].parse::<i128>().expect("digits");
            Ok(Ok(whole.parse::<i128>().expect("digits") * 1_000_000_000 + nanos))
        }
    }
}

/// ISO 8601, by the library's own types.
fn iso(text: &str) -> Result<i128, ()> {
    let text = text.trim();
    if let Ok(timestamp) = text.parse::<jiff::Timestamp>() {
        return Ok(timestamp.as_nanosecond());
    }
    let local: jiff::civil::DateTime = text.parse().map_err(|_| ())?;
    let zoned = local.in_tz("Europe/Berlin").map_err(|_| ())?;
    Ok(zoned.timestamp().as_nanosecond())
}
