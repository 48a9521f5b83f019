//! The point's time: its field, how it is read, what it is relative to.

use jiff::tz::TimeZone;

use super::{build::Build, lay::Laid, paths::Path};
use crate::{
    mapping::{
        Time, TimeReading, TimeValue,
        file::{Format, Placed, TimeFieldText, TimeText, TimeUnit},
        time_zone,
    },
    schema::{Kind, Scalar, Unit},
};

/// A time before slots are known.
#[derive(Debug)]
pub(super) struct TimeOrigin {
    pub(super) base: Origin,
    pub(super) plus: Option<Origin>,
    unset_is_received: bool,
}

/// One of its fields.
#[derive(Debug)]
pub(super) struct Origin {
    pub(super) path: Path,
    scalar: Scalar,
    reading: TimeReading,
}

impl Origin {
    fn value(&self, laid: &Laid) -> Option<TimeValue> {
        let slot = *laid.slots.get(&self.path)?;
        Some(TimeValue { slot, scalar: self.scalar.clone(), reading: self.reading.clone() })
    }
}

impl TimeOrigin {
    /// The time over slots.
    pub(super) fn time(&self, laid: &Laid) -> Option<Time> {
        let plus = match &self.plus {
            Some(plus) => Some(plus.value(laid)?),
            None => None,
        };
        let unset_is_received = self.unset_is_received;
        Some(Time { base: self.base.value(laid)?, plus, unset_is_received })
    }
}

impl Build<'_> {
    /// The point's time.
    pub(super) fn time(&mut self) -> Option<TimeOrigin> {
        let time = self.text.time.as_ref()?;
        let zone = self.zone(time);
        let base = self.time_field(&time.base, "time", zone.clone());
        let plus = time.plus.as_ref().map(|plus| self.time_field(plus, "plus", None));
        if let (Some(base), Some(zone)) = (&base, &time.zone)
            && !matches!(base.reading, TimeReading::Iso8601(_))
        {
            let what = "remove `zone`: it is for `unit = \"iso8601\"`, a count has none";
            self.told.push((zone.line, what.to_owned()));
        }
        let plus = match plus {
            Some(plus) => Some(plus?),
            None => None,
        };
        Some(TimeOrigin { base: base?, plus, unset_is_received: time.unset.is_some() })
    }

    /// The zone of texts without an offset.
    fn zone(&mut self, time: &TimeText) -> Option<TimeZone> {
        let zone = time.zone.as_ref()?;
        let found = time_zone(&zone.value);
        if found.is_none() {
            let what = format!(
                "`zone`: there is no time zone `{}`; write a name such as Europe/Berlin, or an offset \
                 such as +01:00",
                zone.value
            );
            self.told.push((zone.line, what));
        }
        found
    }

    /// One field of the time.
    fn time_field(
        &mut self,
        text: &TimeFieldText,
        key: &str,
        zone: Option<TimeZone>,
    ) -> Option<Origin> {
        let (path, kind) = self.take(&text.field, key)?;
        let Kind::Scalar(scalar) = kind else {
            self.tell_no_time(&text.field, key);
            return None;
        };
        match reading(&scalar, text.unit.as_ref(), key, zone) {
            Ok(reading) => {
                let is_json = self.text.format.value == Format::Json;
                let has_digits = is_json && matches!(scalar, Scalar::Float64);
                if has_digits {
                    self.digits.insert(path.clone());
                }
                let scalar = if has_digits { Scalar::Digits } else { scalar };
                Some(Origin { path, scalar, reading })
            }
            Err(Some(what)) => {
                let line = text.unit.as_ref().map_or(text.field.line, |unit| unit.line);
                self.told.push((line, format!("`{key}`: `{}` {what}", text.field.value)));
                None
            }
            Err(None) => {
                self.tell_no_time(&text.field, key);
                None
            }
        }
    }

    fn tell_no_time(&mut self, field: &Placed<String>, key: &str) {
        let name = &field.value;
        let is = self.paths.find(name).map(|found| self.paths.is_a(name, &found.member));
        let is = is.unwrap_or_default();
        let must = match key {
            "time" => "a number, a text or a timestamp",
            _ => "a number, a text or a duration",
        };
        self.told.push((field.line, format!("`{key}`: `{name}` {is}; it must be {must}")));
    }
}

/// How a field is read as a time, or as a span of time.
///
/// # Errors
/// What is wrong; `None` if a field of this type cannot be a time.
fn reading(
    scalar: &Scalar,
    unit: Option<&Placed<TimeUnit>>,
    key: &str,
    zone: Option<TimeZone>,
) -> Result<TimeReading, Option<String>> {
    let is_moment = key == "time";
    let say = |is: &str| format!("is {is}; say what it counts with `unit` (s, ms, us, ns)");
    match (scalar, unit.map(|unit| unit.value)) {
        (Scalar::Integer | Scalar::Unsigned, Some(TimeUnit::Count(unit))) => {
            Ok(TimeReading::Count(unit))
        }
        (
            Scalar::Float64 | Scalar::Float32 | Scalar::Digits | Scalar::String,
            Some(TimeUnit::Count(unit)),
        ) => Ok(TimeReading::Decimal(unit)),
        // Text without a unit is ISO 8601.
        (Scalar::String, Some(TimeUnit::Iso8601) | None) if is_moment => {
            Ok(TimeReading::Iso8601(zone))
        }
        (Scalar::Timestamp | Scalar::Ticks(_), None) if is_moment => {
            Ok(TimeReading::Count(Unit::Nanos))
        }
        (Scalar::Duration | Scalar::Ticks(_), None) if !is_moment => {
            Ok(TimeReading::Count(Unit::Nanos))
        }
        (Scalar::Timestamp | Scalar::Ticks(_) | Scalar::Duration, Some(_)) => {
            Err(Some(format!("is {} and brings its unit; remove `unit`", scalar.word())))
        }
        (Scalar::String, _) => Err(Some(say("a string"))),
        (Scalar::Integer | Scalar::Unsigned | Scalar::Float64 | Scalar::Float32, None) => {
            Err(Some(say(scalar.word())))
        }
        (
            Scalar::Integer | Scalar::Unsigned | Scalar::Float64 | Scalar::Float32,
            Some(TimeUnit::Iso8601),
        ) => Err(Some(format!(
            "is {}, and ISO 8601 is text; `unit` must be one of s, ms, us, ns",
            scalar.word()
        ))),
        _ => Err(None),
    }
}
