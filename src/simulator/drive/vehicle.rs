//! One vehicle, simulated in steps.

use super::{
    Chance,
    make::{MAKES, Make},
    place::{Place, Road, Town},
};

/// Longer steps are divided.
const STEP_MAX_S: f64 = 1.0;
/// A driver's acceleration, usual braking, and maximum braking, in m/s².
const GAIN_MAX: f64 = 1.6;
const BRAKE_USUAL: f64 = 1.4;
const BRAKE_MAX: f64 = 3.0;
/// The minimum speed in m/s on the last metres before a halt.
const ROLL_MIN: f64 = 1.0;
/// The distance in kilometres at which a halt counts as reached.
const HALT_KM: f64 = 0.0005;
/// Below this percentage the vehicle looks for the next charger at once.
const SOC_LOW: f64 = 8.0;
/// A charger fails once in this many seconds on average.
const FAULT_EVERY_S: f64 = 1500.0;

/// What a vehicle is doing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Doing {
    /// At rest for `left_s` more seconds.
    Parked { left_s: f64 },
    /// Driving for `left_km` more kilometres.
    Driving { left_km: f64 },
    /// Plugged in, charging up to `until_soc` percent.
    Charging { until_soc: f64 },
    /// Plugged in and full, for `left_s` more seconds.
    Charged { left_s: f64 },
    /// Plugged in, with a failed charger for `left_s` more seconds.
    Faulted { left_s: f64 },
}

/// A vehicle of the fleet.
#[derive(Clone, Debug)]
pub(crate) struct Vehicle {
    chance: Chance,
    make: &'static Make,
    town: &'static Town,
    pub(super) firmware: &'static str,
    pub(super) weather: &'static str,
    pub(super) doing: Doing,
    pub(super) trips: u32,
    pub(super) speed_kmh: f64,
    pub(super) heading: f64,
    pub(super) place: Place,
    pub(super) road: Road,
    pub(super) odometer_km: f64,
    pub(super) soc: f64,
    pub(super) battery_temp: f64,
    pub(super) current_a: f64,
    pub(super) ambient_temp: f64,
    pub(super) humidity: f64,
    pub(super) wind_kmh: f64,
    /// The driver's speed as a share of the speed limit.
    haste: f64,
    /// Seconds until the light turns green.
    red_s: f64,
    /// The maximum charge by command, in percent.
    charge_limit: f64,
}

impl Vehicle {
    /// The `index`-th vehicle of the seed's fleet.
    pub(crate) fn new(seed: u64, index: u64) -> Self {
        let mut chance = Chance::new(seed, index);
        let (town, weather) = Town::pick(seed, &mut chance);
        let place = town.somewhere(&mut chance);
        let heading = chance.one_of(&[0.0, 90.0, 180.0, 270.0]) + chance.between(0.0, 30.0);
        let road = Road::next(None, town, place, heading, &mut chance);
        let doing = match chance.below(10) {
            0..=6 => Doing::Driving { left_km: chance.between(2.0, 40.0) },
            7..=8 => Doing::Parked { left_s: chance.between(10.0, 300.0) },
            _ => Doing::Charging { until_soc: chance.between(80.0, 100.0) },
        };
        let is_moving = matches!(doing, Doing::Driving { .. });
        let ambient_temp = weather.temp + chance.between(-1.0, 1.0);
        Self {
            make: &MAKES[chance.below(MAKES.len())],
            firmware: chance.one_of(&["4.2.1", "4.2.3", "5.0.0", "5.1.0-rc2"]),
            weather: weather.word,
            doing,
            trips: 1,
            speed_kmh: if is_moving { chance.between(5.0, 20.0) } else { 0.0 },
            odometer_km: chance.between(500.0, 180_000.0),
            soc: chance.between(25.0, 78.0),
            battery_temp: ambient_temp + chance.between(2.0, 12.0),
            current_a: 0.0,
            ambient_temp,
            humidity: weather.humidity,
            wind_kmh: weather.wind_kmh,
            haste: chance.between(0.92, 1.04),
            red_s: 0.0,
            charge_limit: 100.0,
            town,
            heading,
            place,
            road,
            chance,
        }
    }

    /// Advances by `seconds`.
    pub(crate) fn step(&mut self, seconds: f64) {
        let mut left = seconds;
        while left > STEP_MAX_S {
            self.step_once(STEP_MAX_S);
            left -= STEP_MAX_S;
        }
        self.step_once(left);
    }

    /// Limits the charge to `percent` from now on.
    pub(crate) fn limit_charge(&mut self, percent: u8) {
        self.charge_limit = f64::from(percent);
    }

    pub(super) fn model(&self) -> &'static str {
        self.make.model
    }

    /// The battery's voltage, which falls as it empties.
    pub(super) fn voltage(&self) -> f64 {
        330.0 + 0.7 * self.soc + 0.02 * self.current_a
    }

    pub(super) fn altitude(&self) -> f64 {
        self.town.altitude(self.place)
    }

    fn step_once(&mut self, seconds: f64) {
        let power_kw = match self.doing {
            Doing::Driving { left_km } => self.drive(left_km, seconds),
            Doing::Charging { until_soc } => self.charge(until_soc, seconds),
            Doing::Parked { left_s } => {
                self.rest(left_s - seconds, |left_s| Doing::Parked { left_s });
                -0.2
            }
            Doing::Charged { left_s } => {
                self.rest(left_s - seconds, |left_s| Doing::Charged { left_s });
                0.0
            }
            Doing::Faulted { left_s } if left_s > seconds => {
                self.doing = Doing::Faulted { left_s: left_s - seconds };
                0.0
            }
            Doing::Faulted { .. } => {
                self.doing = Doing::Charging { until_soc: 80.0 };
                0.0
            }
        };
        let capacity_kwh = self.make.capacity_kwh;
        let charged = power_kw * seconds / 3600.0 / capacity_kwh * 100.0;
        self.soc = (self.soc + charged).clamp(0.0, 100.0);
        self.current_a = power_kw * 1000.0 / self.voltage();
        let warmed = power_kw.abs() * seconds / capacity_kwh * 0.006;
        let cooled = (self.battery_temp - self.ambient_temp - 3.0) * seconds / 1800.0;
        self.battery_temp += warmed - cooled;
        self.ambient_temp += self.chance.between(-0.01, 0.01) * seconds;
        self.wind_kmh = (self.wind_kmh + self.chance.between(-0.5, 0.5)).clamp(0.0, 90.0);
    }

    /// Drives on, and returns the kilowatts into the battery (mostly negative).
    fn drive(&mut self, left_km: f64, seconds: f64) -> f64 {
        // Lights, pumps, screens, heating and cooling.
        let comfort_kw = 0.4 + 0.04 * (self.ambient_temp - 21.0).abs();
        if self.red_s > 0.0 {
            self.red_s -= seconds;
            if self.red_s <= 0.0 {
                self.cross();
            }
            return -comfort_kw;
        }
        let before = self.speed_kmh / 3.6;
        let change = self.wanted(left_km, seconds) - before;
        let change = change.clamp(-BRAKE_MAX * seconds, GAIN_MAX * seconds);
        let speed = (before + change).max(0.0);
        self.speed_kmh = speed * 3.6;
        let km = speed * seconds / 1000.0;
        let height = self.altitude();
        self.place = self.place.moved(km, self.heading);
        let grade = if km > 0.0 { (self.altitude() - height) / (km * 1000.0) } else { 0.0 };
        self.odometer_km += km;
        self.heading = (self.heading + self.chance.between(-1.0, 1.0)).rem_euclid(360.0);
        self.road.left_km -= km;
        let spent_kw = self.make.drive_kw(speed, change / seconds, grade) + comfort_kw;
        self.arrive(left_km - km);
        -spent_kw
    }

    /// The driver's target speed in m/s at the end of the step, given the road, its traffic and the
    /// next halts.
    fn wanted(&mut self, left_km: f64, seconds: f64) -> f64 {
        self.haste = (self.haste + self.chance.between(-0.004, 0.004)).clamp(0.88, 1.08);
        let slowed = 1.0 - 0.2 * f64::from(self.road.traffic);
        let cruise = self.road.limit_kmh * self.haste * slowed / 3.6;
        let crossing = foreseen(self.road.end_kmh / 3.6, self.road.left_km * 1000.0, seconds);
        let end = foreseen(0.0, left_km * 1000.0, seconds);
        cruise.min(crossing).min(end).max(ROLL_MIN)
    }

    /// After the step: the road continues, or a light, a crossing or the trip's end is reached.
    fn arrive(&mut self, left_km: f64) {
        if left_km <= HALT_KM {
            self.speed_kmh = 0.0;
            self.doing = if self.soc < 45.0 {
                Doing::Charging { until_soc: self.chance.between(80.0, 100.0) }
            } else {
                Doing::Parked { left_s: self.chance.between(30.0, 900.0) }
            };
            return;
        }
        let left_km = if self.soc < SOC_LOW { left_km.min(0.4) } else { left_km };
        self.doing = Doing::Driving { left_km };
        if self.road.red_s > 0.0 && self.road.left_km <= HALT_KM {
            self.speed_kmh = 0.0;
            self.red_s = self.road.red_s;
        } else if self.road.left_km <= 0.0 {
            self.cross();
        }
    }

    fn cross(&mut self) {
        self.red_s = 0.0;
        self.heading = (self.heading + self.road.turn).rem_euclid(360.0);
        let limit = Some(self.road.next_limit_kmh());
        self.road = Road::next(limit, self.town, self.place, self.heading, &mut self.chance);
    }

    fn rest(&mut self, left_s: f64, on: impl FnOnce(f64) -> Doing) {
        self.doing = if left_s > 0.0 {
            on(left_s)
        } else {
            self.trips += 1;
            Doing::Driving { left_km: self.chance.between(2.0, 60.0) }
        };
    }

    fn charge(&mut self, until_soc: f64, seconds: f64) -> f64 {
        if self.soc >= until_soc.min(self.charge_limit) {
            self.doing = Doing::Charged { left_s: self.chance.between(30.0, 600.0) };
            return 0.0;
        }
        if self.chance.once_in(FAULT_EVERY_S / seconds) {
            self.doing = Doing::Faulted { left_s: self.chance.between(20.0, 200.0) };
            return 0.0;
        }
        self.make.charge_kw(self.soc)
    }
}

/// The maximum speed in m/s for another step, so that usual braking still reaches `end` m/s within
/// `metres`.
fn foreseen(end: f64, metres: f64, seconds: f64) -> f64 {
    let lost = BRAKE_USUAL * seconds;
    (lost * lost + end * end + 2.0 * BRAKE_USUAL * metres.max(0.0)).sqrt() - lost
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

    /// FL-2, checked every second: the readings are possible for a real car.
    #[test]
    fn readings_stay_plausible_over_hours_of_many_vehicles() {
        let mut seen = [false; 5];
        for index in 0..20 {
            let mut vehicle = Vehicle::new(1, index);
            for second in 0..15_000 {
                let before = vehicle.clone();
                vehicle.step(1.0);
                let at = format!("vehicle {index}, second {second}: {before:?} {vehicle:?}");
                assert!((0.0..=100.0).contains(&vehicle.soc), "{at}");
                let gain = (vehicle.speed_kmh - before.speed_kmh) / 3.6;
                assert!((-BRAKE_MAX - 0.01..=GAIN_MAX + 0.01).contains(&gain), "{at}");
                assert!((0.0..=before.road.limit_kmh * 1.15).contains(&vehicle.speed_kmh), "{at}");
                assert!((-30.0..=70.0).contains(&vehicle.battery_temp), "{at}");
                assert!((300.0..=430.0).contains(&vehicle.voltage()), "{at}");
                assert!(vehicle.town.distance_km(vehicle.place) < 30.0, "{at}");
                let km = vehicle.odometer_km - before.odometer_km;
                assert!((0.0..0.04).contains(&km), "{at}");
                assert!(km == 0.0 || matches!(before.doing, Doing::Driving { .. }), "{at}");
                seen[match vehicle.doing {
                    Doing::Driving { .. } => 0,
                    Doing::Parked { .. } => 1,
                    Doing::Charging { .. } => 2,
                    Doing::Charged { .. } => 3,
                    Doing::Faulted { .. } => 4,
                }] = true;
            }
        }
        assert_eq!(seen, [true; 5], "drives, stops, charges, is full, has a fault");
    }

    #[test]
    fn driving_takes_what_electric_cars_take_and_gets_somewhere() {
        for index in 0..20 {
            let mut vehicle = Vehicle::new(2, index);
            vehicle.soc = 90.0;
            vehicle.doing = Doing::Driving { left_km: 25.0 };
            let from = vehicle.odometer_km;
            let mut seconds = 0;
            while matches!(vehicle.doing, Doing::Driving { .. }) {
                vehicle.step(1.0);
                seconds += 1;
                assert!(seconds < 7200, "it never arrives: {vehicle:?}");
            }
            let km = vehicle.odometer_km - from;
            let kwh = (90.0 - vehicle.soc) / 100.0 * vehicle.make.capacity_kwh;
            let each_100_km = kwh / km * 100.0;
            assert!((24.9..25.1).contains(&km), "{km} km");
            assert!((8.0..40.0).contains(&each_100_km), "{each_100_km} kWh, {vehicle:?}");
            let mean_kmh = km * 3600.0 / f64::from(seconds);
            assert!((12.0..90.0).contains(&mean_kmh), "{mean_kmh} km/h, {vehicle:?}");
        }
    }

    #[test]
    fn charging_stops_at_the_limit_that_it_was_told() {
        let mut vehicle = Vehicle::new(2, 5);
        vehicle.soc = 40.0;
        vehicle.doing = Doing::Charging { until_soc: 90.0 };
        vehicle.limit_charge(60);
        let mut seconds = 0;
        while !matches!(vehicle.doing, Doing::Charged { .. }) {
            vehicle.step(1.0);
            seconds += 1;
            assert!(seconds < 20_000, "it charges for ever: {vehicle:?}");
        }
        assert!((60.0..60.2).contains(&vehicle.soc), "{vehicle:?}");
    }

    #[test]
    fn long_steps_are_as_plausible_as_short_ones() {
        let (mut by_ones, mut at_once) = (Vehicle::new(3, 4), Vehicle::new(3, 4));
        (0..600).for_each(|_| by_ones.step(1.0));
        (0..60).for_each(|_| at_once.step(10.0));
        assert_eq!(format!("{by_ones:?}"), format!("{at_once:?}"));
    }
}
