//! The sensor readings of a vehicle, under the names that schemas use.

use super::{
    super::shape::{Field, Kind, Value},
    vehicle::{Doing, Vehicle},
};

/// The readings of a vehicle for these fields, in their order; an unknown one is absent.
///
/// A field is matched by its path, ignoring letter case and separators: `battery.soc`,
/// `batterySoc`.
pub(crate) fn values_for(vehicle: &Vehicle, fields: &[Field]) -> Vec<Value> {
    fields.iter().map(|field| typed(reading(vehicle, field), &field.kind)).collect()
}

fn reading(vehicle: &Vehicle, field: &Field) -> Value {
    let plain: String = field.path.chars().filter(char::is_ascii_alphanumeric).collect();
    match plain.to_ascii_lowercase().as_str() {
        "model" => text(vehicle.model()),
        "firmware" => text(vehicle.firmware),
        "tripid" | "trip" => Value::Text(format!("{:08}", vehicle.trips)),
        "speedkmh" | "speed" => rounded(vehicle.speed_kmh, 100.0),
        "mode" | "gear" => text(mode(vehicle)),
        "odometerkm" | "odometer" => rounded(vehicle.odometer_km, 1000.0),
        "batterysoc" | "soc" => rounded(vehicle.soc, 100.0),
        "batterytemp" => rounded(vehicle.battery_temp, 10.0),
        "batteryvoltage" | "voltage" => rounded(vehicle.voltage(), 10.0),
        "batterycurrent" | "current" => rounded(vehicle.current_a, 10.0),
        "batterycharging" | "charging" => text(charging(vehicle)),
        "positionlat" | "lat" | "latitude" => rounded(vehicle.place.lat, 1e6),
        "positionlon" | "lon" | "longitude" => rounded(vehicle.place.lon, 1e6),
        "positionalt" | "alt" | "altitude" => rounded(vehicle.altitude(), 10.0),
        "positionspeedkmh" | "gpsspeedkmh" | "gpsspeed" => rounded(vehicle.speed_kmh, 10.0),
        "heading" | "positionheading" => rounded(vehicle.heading, 10.0),
        "ambienttemp" | "temperature" => rounded(vehicle.ambient_temp, 10.0),
        "humidity" => rounded(vehicle.humidity, 1.0),
        "weather" => text(vehicle.weather),
        "windspeedkmh" => rounded(vehicle.wind_kmh, 10.0),
        "traffic" => Value::Integer(i64::from(vehicle.road.traffic)),
        "speedlimitkmh" | "speedlimit" => rounded(vehicle.road.limit_kmh, 1.0),
        _ => Value::Absent,
    }
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

/// Rounds to the resolution of a sensor: `steps` steps a unit.
fn rounded(value: f64, steps: f64) -> Value {
    Value::Float((value * steps).round() / steps)
}

fn mode(vehicle: &Vehicle) -> &'static str {
    match vehicle.doing {
        Doing::Driving { .. } => "D",
        Doing::Parked { .. }
        | Doing::Charging { .. }
        | Doing::Charged { .. }
        | Doing::Faulted { .. } => "P",
    }
}

fn charging(vehicle: &Vehicle) -> &'static str {
    match vehicle.doing {
        Doing::Driving { .. } | Doing::Parked { .. } => "UNPLUGGED",
        Doing::Charging { .. } => "CHARGING",
        Doing::Charged { .. } => "COMPLETE",
        Doing::Faulted { .. } => "FAULT",
    }
}

/// The reading in the field's kind, if that loses nothing important.
fn typed(value: Value, kind: &Kind) -> Value {
    match (kind, value) {
        (Kind::Float, value @ Value::Float(_)) => value,
        #[expect(clippy::cast_possible_truncation, reason = "readings are far from the bounds")]
        (Kind::Integer, Value::Float(value)) => Value::Integer(value.round() as i64),
        (Kind::Integer, value @ Value::Integer(_)) => value,
        (Kind::Text, value @ Value::Text(_)) => value,
        (Kind::Choice(names), Value::Text(value)) if names.contains(&value) => Value::Text(value),
        _ => Value::Absent,
    }
}
