//! Points of a fleet that drives: the same as lines, as the sink cuts them into requests, and as
//! rows, as a program that knows SQLite would insert them.

use std::fmt::Write as _;

use bytes::Bytes;
use fleetline::model::{FieldType, Measurement};

/// Vehicles that take turns.
pub(crate) const VEHICLES: usize = 1000;
/// Shards that the vehicles are spread over; each has its own requests.
pub(crate) const SHARDS: usize = 2;
/// Lines of a request, as the sink cuts them by default.
pub(crate) const REQUEST_LINES: usize = 10_000;
/// Nanoseconds from one point of a vehicle to the next.
pub(crate) const STEP: i64 = 1_000_000_000;
/// 2026-11-01T00:00:00Z
pub(crate) const START: i64 = 1_793_491_200_000_000_000;

const FLOATS: [&str; 8] =
    ["speed_kmh", "odometer_km", "soc", "battery_temp", "lat", "lon", "alt", "ambient_temp"];
const INTEGERS: [&str; 2] = ["traffic", "gear"];

/// A point.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Point {
    pub(crate) vehicle: usize,
    pub(crate) time: i64,
    pub(crate) floats: [f64; 8],
    pub(crate) integers: [i64; 2],
    pub(crate) is_charging: bool,
    pub(crate) mode: &'static str,
}

/// What one shard ships at once.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) shard: u16,
    pub(crate) lines: Bytes,
    pub(crate) points: Vec<Point>,
}

/// The fleet's points, in the order of time.
#[derive(Clone, Debug, Default)]
pub(crate) struct Points {
    /// Requests so far.
    n_requests: usize,
}

impl Points {
    /// The requests with the next `n_points`, which are whole requests of every shard.
    pub(crate) fn next(&mut self, n_points: usize) -> Vec<Request> {
        let n_requests = n_points / REQUEST_LINES;
        (0..n_requests).map(|_| self.request()).collect()
    }

    fn request(&mut self) -> Request {
        let (shard, n) = (self.n_requests % SHARDS, self.n_requests / SHARDS);
        self.n_requests += 1;
        let vehicles = VEHICLES / SHARDS;
        let points: Vec<Point> = (n * REQUEST_LINES..(n + 1) * REQUEST_LINES)
            .map(|at| point(at % vehicles * SHARDS + shard, at / vehicles))
            .collect();
        let mut lines = String::new();
        for point in &points {
            write_line(&mut lines, point);
        }
        let shard = u16::try_from(shard).unwrap_or(0);
        Request { shard, lines: lines.into(), points }
    }
}

/// The name of a vehicle.
pub(crate) fn vin(vehicle: usize) -> String {
    format!("WDB{vehicle:014}")
}

/// What a mapping would say of the points.
pub(crate) fn measurement() -> Measurement {
    let fields = FLOATS.map(|name| (name.to_owned(), FieldType::Float)).into_iter();
    let integers = INTEGERS.map(|name| (name.to_owned(), FieldType::Integer));
    let others = [("charging", FieldType::Boolean), ("mode", FieldType::String)];
    Measurement {
        vehicle_tag: Some("vin".to_owned()),
        tags: vec!["vin".to_owned(), "model".to_owned()],
        fields: fields
            .chain(integers)
            .chain(others.map(|(name, kind)| (name.to_owned(), kind)))
            .collect(),
    }
}

/// The `n`-th point of a vehicle. Values have the digits that sensors give.
#[expect(clippy::cast_precision_loss, reason = "the numbers are far below 2^52")]
fn point(vehicle: usize, n: usize) -> Point {
    let (v, t) = (vehicle as f64, n as f64);
    let wave = (t / 60.0 + v).sin();
    let digits = |value: f64, unit: f64| (value * unit).round() / unit;
    Point {
        vehicle,
        // Vehicles do not report at the same nanosecond.
        time: START + i64::try_from(n).unwrap_or(0) * STEP + i64::try_from(vehicle).unwrap_or(0),
        floats: [
            digits(60.0 + 50.0 * wave, 100.0),
            digits(10_000.0 + v * 7.0 + t / 50.0, 1000.0),
            digits(50.0 + 40.0 * (t / 3000.0 + v).cos(), 10.0),
            digits(25.0 + 5.0 * wave, 10.0),
            digits(48.0 + v / 500.0 + t * 1.7e-5, 1e6),
            digits(11.0 + v / 700.0 + t * 2.3e-5, 1e6),
            digits(400.0 + 30.0 * (t / 200.0).sin(), 10.0),
            digits(12.0 + 3.0 * (t / 9000.0).sin(), 10.0),
        ],
        integers: [i64::from(wave > 0.5) + 1, i64::from(wave > 0.0) * 4],
        is_charging: n / 600 % 7 == vehicle % 7,
        mode: ["N", "D", "R", "P"][(n / 90 + vehicle) % 4],
    }
}

fn write_line(lines: &mut String, point: &Point) {
    let vin = vin(point.vehicle);
    let model = ["ID.4", "e-Golf", "Twizy"][point.vehicle % 3];
    let mut put = |text: std::fmt::Arguments<'_>| lines.write_fmt(text).expect("memory suffices");
    put(format_args!("telemetry,vin={vin},model={model}"));
    let mut separator = ' ';
    for (name, value) in FLOATS.iter().zip(point.floats) {
        put(format_args!("{separator}{name}={value}"));
        separator = ',';
    }
    for (name, value) in INTEGERS.iter().zip(point.integers) {
        put(format_args!(",{name}={value}i"));
    }
    let charging = if point.is_charging { "t" } else { "f" };
    put(format_args!(",charging={charging},mode=\"{}\" {}\n", point.mode, point.time));
}
