//! One vehicle: what it does, second by second.

use super::Chance;

const KM_A_DEGREE: f64 = 111.2;
/// A road goes on at least so far before a corner.
const BLOCK_KM: f64 = 0.3;
const MODELS: [&str; 5] = ["Kestrel", "Kestrel LR", "Heron", "Wren City", "Osprey Van"];
const WEATHERS: [&str; 5] = ["Clear", "Clouds", "Rain", "Drizzle", "Mist"];
const LIMITS_KMH: [f64; 5] = [30.0, 50.0, 50.0, 80.0, 110.0];
/// Towns that a fleet starts from, as latitude, longitude and height.
const TOWNS: [(f64, f64, f64); 6] = [
    (52.520, 13.405, 34.0),
    (48.137, 11.575, 520.0),
    (45.764, 4.835, 173.0),
    (33.971, -6.849, 75.0),
    (59.329, 18.068, 28.0),
    (41.385, 2.173, 12.0),
];

/// What a vehicle is doing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Doing {
    /// At rest for so many more seconds.
    Parked { left_s: f64 },
    /// On its way for so many more kilometres.
    Driving { left_km: f64 },
    /// Plugged in, charging up to so many percent.
    Charging { until_soc: f64 },
    /// Plugged in, and the charger has given up for so many more seconds.
    Faulted { left_s: f64 },
}

/// A vehicle of the fleet.
#[derive(Clone, Debug)]
pub(in crate::cli) struct Vehicle {
    chance: Chance,
    pub(super) model: &'static str,
    pub(super) firmware: &'static str,
    pub(super) weather: &'static str,
    pub(super) doing: Doing,
    pub(super) trips: u32,
    pub(super) speed_kmh: f64,
    pub(super) limit_kmh: f64,
    pub(super) heading: f64,
    pub(super) lat: f64,
    pub(super) lon: f64,
    pub(super) base_alt: f64,
    pub(super) odometer_km: f64,
    pub(super) soc: f64,
    pub(super) battery_temp: f64,
    pub(super) current_a: f64,
    pub(super) ambient_temp: f64,
    pub(super) humidity: f64,
    pub(super) wind_kmh: f64,
    pub(super) traffic: u8,
    capacity_kwh: f64,
    to_corner_km: f64,
}

impl Vehicle {
    /// The `index`-th vehicle of the fleet of that seed.
    pub(in crate::cli) fn new(seed: u64, index: u64) -> Self {
        let mut chance = Chance::new(seed, index);
        let (lat, lon, base_alt) = chance.one_of(&TOWNS);
        let ambient_temp = chance.between(-5.0, 32.0);
        let left_km = chance.between(2.0, 40.0);
        let doing = match chance.next() % 10 {
            0..=6 => Doing::Driving { left_km },
            7..=8 => Doing::Parked { left_s: chance.between(10.0, 300.0) },
            _ => Doing::Charging { until_soc: chance.between(80.0, 100.0) },
        };
        let moving = matches!(doing, Doing::Driving { .. });
        Self {
            model: chance.one_of(&MODELS),
            firmware: chance.one_of(&["4.2.1", "4.2.3", "5.0.0", "5.1.0-rc2"]),
            weather: chance.one_of(&WEATHERS),
            doing,
            trips: 1,
            speed_kmh: if moving { chance.between(5.0, 30.0) } else { 0.0 },
            limit_kmh: chance.one_of(&LIMITS_KMH),
            heading: chance.one_of(&[0.0, 90.0, 180.0, 270.0]) + chance.between(0.0, 30.0),
            lat: lat + chance.between(-0.1, 0.1),
            lon: lon + chance.between(-0.15, 0.15),
            base_alt,
            odometer_km: chance.between(500.0, 180_000.0),
            soc: chance.between(25.0, 78.0),
            battery_temp: ambient_temp + chance.between(2.0, 12.0),
            current_a: 0.0,
            ambient_temp,
            humidity: chance.between(30.0, 95.0),
            wind_kmh: chance.between(0.0, 35.0),
            traffic: 0,
            capacity_kwh: chance.one_of(&[24.0, 40.0, 52.0, 77.0]),
            to_corner_km: BLOCK_KM,
            chance,
        }
    }

    /// Moves on by `seconds`, best a few at a time.
    pub(in crate::cli) fn step(&mut self, seconds: f64) {
        let power_kw = match self.doing {
            Doing::Driving { left_km } => self.drive(left_km, seconds),
            Doing::Parked { left_s } => {
                self.rest(left_s - seconds);
                -0.2
            }
            Doing::Charging { until_soc } => self.charge(until_soc),
            Doing::Faulted { left_s } => {
                let left_s = left_s - seconds;
                self.doing = if left_s > 0.0 {
                    Doing::Faulted { left_s }
                } else {
                    Doing::Charging { until_soc: 80.0 }
                };
                0.0
            }
        };
        let charged = power_kw * seconds / 3600.0 / self.capacity_kwh * 100.0;
        self.soc = (self.soc + charged).clamp(0.0, 100.0);
        self.current_a = power_kw * 1000.0 / self.voltage();
        let warmed = power_kw.abs() * seconds / self.capacity_kwh * 0.006;
        let cooled = (self.battery_temp - self.ambient_temp - 3.0) * seconds / 1800.0;
        self.battery_temp += warmed - cooled;
        self.ambient_temp += self.chance.between(-0.01, 0.01) * seconds;
        self.wind_kmh = (self.wind_kmh + self.chance.between(-0.5, 0.5)).clamp(0.0, 90.0);
    }

    /// The battery's voltage falls as it empties.
    pub(super) fn voltage(&self) -> f64 {
        330.0 + 0.7 * self.soc + 0.02 * self.current_a
    }

    /// Hills: smooth in the position, so that the same place has the same height.
    pub(super) fn altitude(&self) -> f64 {
        self.base_alt + 12.0 * (self.lat * 190.0).sin() + 9.0 * (self.lon * 140.0).cos() + 21.0
    }

    fn drive(&mut self, left_km: f64, seconds: f64) -> f64 {
        let slowed = 1.0 - 0.2 * f64::from(self.traffic);
        let wanted = (self.limit_kmh * slowed * self.chance.between(0.85, 1.1)).max(8.0);
        let change = (wanted - self.speed_kmh).clamp(-9.0 * seconds, 7.0 * seconds);
        self.speed_kmh = (self.speed_kmh + change).clamp(0.0, self.limit_kmh * 1.15);
        let km = self.speed_kmh * seconds / 3600.0;
        self.odometer_km += km;
        let angle = self.heading.to_radians();
        self.lat += km * angle.cos() / KM_A_DEGREE;
        self.lon += km * angle.sin() / (KM_A_DEGREE * self.lat.to_radians().cos());
        self.heading = (self.heading + self.chance.between(-1.5, 1.5)).rem_euclid(360.0);
        self.to_corner_km -= km;
        if self.to_corner_km <= 0.0 {
            self.turn();
        }
        let left_km = left_km - km;
        let power = self.chance.between(0.1, 0.2) * self.speed_kmh + change * 2.2 / seconds + 0.6;
        if left_km > 0.0 && self.soc > 8.0 {
            self.doing = Doing::Driving { left_km };
            return -power;
        }
        self.speed_kmh = 0.0;
        self.doing = if self.soc < 45.0 {
            Doing::Charging { until_soc: self.chance.between(80.0, 100.0) }
        } else {
            Doing::Parked { left_s: self.chance.between(30.0, 900.0) }
        };
        -0.2
    }

    fn turn(&mut self) {
        let corner = self.chance.one_of(&[-90.0, 0.0, 0.0, 90.0]);
        self.heading = (self.heading + corner).rem_euclid(360.0);
        self.limit_kmh = self.chance.one_of(&LIMITS_KMH);
        self.speed_kmh = self.speed_kmh.min(self.limit_kmh * 1.15);
        self.traffic = self.chance.one_of(&[0, 0, 0, 1, 1, 2, 3]);
        self.to_corner_km = BLOCK_KM + self.chance.between(0.0, 3.0);
    }

    fn rest(&mut self, left_s: f64) {
        self.speed_kmh = 0.0;
        self.doing = if left_s > 0.0 {
            Doing::Parked { left_s }
        } else {
            self.trips += 1;
            Doing::Driving { left_km: self.chance.between(2.0, 60.0) }
        };
    }

    fn charge(&mut self, until_soc: f64) -> f64 {
        self.speed_kmh = 0.0;
        if self.soc >= until_soc {
            self.doing = Doing::Parked { left_s: self.chance.between(30.0, 600.0) };
            return 0.0;
        }
        if self.chance.once_in(5000.0) {
            self.doing = Doing::Faulted { left_s: self.chance.between(20.0, 200.0) };
            return 0.0;
        }
        // A fast charger slows down as the battery fills.
        (1.05 - self.soc / 100.0).min(0.6) * self.capacity_kwh * 1.6
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_determines_the_drive() {
        let drive = |seed| {
            let mut vehicle = Vehicle::new(seed, 3);
            (0..500).for_each(|_| vehicle.step(1.0));
            format!("{vehicle:?}")
        };
        assert_eq!(drive(7), drive(7));
        assert_ne!(drive(7), drive(8));
    }

    #[test]
    fn readings_stay_plausible_over_a_day_of_many_vehicles() {
        let mut seen = (false, false, false, false);
        for index in 0..20 {
            let mut vehicle = Vehicle::new(1, index);
            for second in 0..4320 {
                let before = vehicle.clone();
                vehicle.step(10.0);
                let at = format!("vehicle {index}, step {second}: {vehicle:?}");
                assert!((0.0..=100.0).contains(&vehicle.soc), "{at}");
                assert!(vehicle.speed_kmh >= 0.0 && vehicle.speed_kmh <= 127.0, "{at}");
                assert!((-60.0..=90.0).contains(&vehicle.battery_temp), "{at}");
                assert!((250.0..=450.0).contains(&vehicle.voltage()), "{at}");
                assert!(vehicle.odometer_km >= before.odometer_km, "{at}");
                let moved = vehicle.odometer_km > before.odometer_km;
                assert!(!moved || matches!(before.doing, Doing::Driving { .. }), "{at}");
                match vehicle.doing {
                    Doing::Driving { .. } => seen.0 = true,
                    Doing::Parked { .. } => seen.1 = true,
                    Doing::Charging { .. } => seen.2 = true,
                    Doing::Faulted { .. } => seen.3 = true,
                }
            }
        }
        assert_eq!(seen, (true, true, true, true), "drives, stops, charges, has a fault");
    }
}
