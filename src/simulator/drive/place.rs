//! Where vehicles drive: towns, their weather, and the roads in and around them.

use super::Chance;

const KM_A_DEGREE: f64 = 111.2;
/// Beyond this distance a vehicle takes the turns that lead back.
const HOME_KM: f64 = 12.0;
const WEATHERS: [&str; 5] = ["Clear", "Clouds", "Rain", "Drizzle", "Mist"];

/// A home town for a part of the fleet. All are inland, so that no road leads into water.
#[derive(Debug)]
pub(super) struct Town {
    lat: f64,
    lon: f64,
    alt: f64,
    /// Degrees Celsius of a typical day.
    temp: f64,
}

const TOWNS: [Town; 6] = [
    Town { lat: 52.520, lon: 13.405, alt: 34.0, temp: 11.0 },
    Town { lat: 48.137, lon: 11.575, alt: 520.0, temp: 9.0 },
    Town { lat: 45.764, lon: 4.835, alt: 173.0, temp: 15.0 },
    Town { lat: 34.033, lon: -5.000, alt: 400.0, temp: 26.0 },
    Town { lat: 59.858, lon: 17.639, alt: 15.0, temp: 3.0 },
    Town { lat: 40.417, lon: -3.704, alt: 660.0, temp: 21.0 },
];

/// The weather over one town.
#[derive(Clone, Copy, Debug)]
pub(super) struct Weather {
    pub(super) word: &'static str,
    pub(super) temp: f64,
    pub(super) humidity: f64,
    pub(super) wind_kmh: f64,
}

impl Town {
    /// One of the towns, and its weather for this seed: the same for all vehicles in it.
    pub(super) fn pick(seed: u64, chance: &mut Chance) -> (&'static Self, Weather) {
        let idx = chance.below(TOWNS.len());
        let own = u64::MAX - 1 - u64::try_from(idx).expect("a handful");
        let mut sky = Chance::new(seed, own);
        let town = &TOWNS[idx];
        let word = sky.one_of(&WEATHERS);
        let is_wet = matches!(word, "Rain" | "Drizzle" | "Mist");
        let weather = Weather {
            word,
            temp: town.temp + sky.between(-4.0, 4.0),
            humidity: if is_wet { sky.between(78.0, 97.0) } else { sky.between(35.0, 70.0) },
            wind_kmh: sky.between(2.0, 30.0),
        };
        (town, weather)
    }

    /// A random place in town.
    pub(super) fn somewhere(&self, chance: &mut Chance) -> Place {
        let lat = self.lat + chance.between(-0.05, 0.05);
        Place { lat, lon: self.lon + chance.between(-0.08, 0.08) }
    }

    /// Hills: a smooth function of the position, so that the same place has the same height.
    pub(super) fn altitude(&self, place: Place) -> f64 {
        self.alt + 12.0 * (place.lat * 190.0).sin() + 9.0 * (place.lon * 140.0).cos() + 21.0
    }

    /// Kilometres from the centre to a place.
    pub(super) fn distance_km(&self, place: Place) -> f64 {
        let (north, east) = self.way_home(place);
        north.hypot(east)
    }

    /// Kilometres north and east from a place to the centre.
    fn way_home(&self, place: Place) -> (f64, f64) {
        let east = (self.lon - place.lon) * KM_A_DEGREE * place.lat.to_radians().cos();
        ((self.lat - place.lat) * KM_A_DEGREE, east)
    }
}

/// A position on the ground.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Place {
    pub(super) lat: f64,
    pub(super) lon: f64,
}

impl Place {
    /// The place after `km` kilometres in the direction `heading`.
    pub(super) fn moved(self, km: f64, heading: f64) -> Self {
        let angle = heading.to_radians();
        let lat = self.lat + km * angle.cos() / KM_A_DEGREE;
        let east = km * angle.sin() / (KM_A_DEGREE * self.lat.to_radians().cos());
        Self { lat, lon: self.lon + east }
    }
}

/// A stretch of road up to the next crossing, and that crossing.
#[derive(Clone, Copy, Debug)]
pub(super) struct Road {
    pub(super) limit_kmh: f64,
    pub(super) left_km: f64,
    /// 0 free to 3 jammed.
    pub(super) traffic: u8,
    /// The speed at which the crossing can be passed.
    pub(super) end_kmh: f64,
    /// The turn there, in degrees to the right.
    pub(super) turn: f64,
    /// How long the light there is red for an arriving vehicle; 0: no light, or a green one.
    pub(super) red_s: f64,
    next_limit_kmh: f64,
}

impl Road {
    /// The road after the crossing: its kind depends on the distance from the town.
    pub(super) fn next(
        limit_kmh: Option<f64>,
        town: &Town,
        place: Place,
        heading: f64,
        chance: &mut Chance,
    ) -> Self {
        let distance_km = town.distance_km(place);
        let limits: &[f64] = match distance_km {
            ..4.0 => &[30.0, 30.0, 50.0, 50.0, 50.0],
            ..8.0 => &[50.0, 50.0, 80.0, 80.0],
            _ => &[80.0, 110.0, 110.0],
        };
        let limit_kmh = limit_kmh.unwrap_or_else(|| chance.one_of(limits));
        let next_limit_kmh = chance.one_of(limits);
        let turn = if distance_km > HOME_KM {
            homeward(town.way_home(place), heading)
        } else {
            chance.one_of(&[-90.0, 0.0, 0.0, 90.0])
        };
        let turn_kmh: f64 = match limit_kmh {
            ..60.0 => 22.0,
            ..100.0 => 35.0,
            _ => 60.0,
        };
        let straight_kmh = limit_kmh.min(next_limit_kmh);
        let is_red = limit_kmh <= 50.0 && chance.once_in(3.0);
        let red_s = if is_red { chance.between(4.0, 40.0) } else { 0.0 };
        let passed_kmh = if turn == 0.0 { straight_kmh } else { turn_kmh.min(straight_kmh) };
        Self {
            limit_kmh,
            left_km: limit_kmh * chance.between(0.006, 0.03),
            traffic: chance.one_of(&[0, 0, 0, 0, 1, 1, 2, 3]),
            end_kmh: if red_s > 0.0 { 0.0 } else { passed_kmh },
            turn,
            red_s,
            next_limit_kmh,
        }
    }

    /// The speed limit of the road after the next crossing.
    pub(super) fn next_limit_kmh(&self) -> f64 {
        self.next_limit_kmh
    }
}

/// The turn that leads most directly home.
fn homeward((north, east): (f64, f64), heading: f64) -> f64 {
    let towards = |turn: f64| {
        let angle = (heading + turn).to_radians();
        north * angle.cos() + east * angle.sin()
    };
    let better = |a: f64, b: f64| if towards(b) > towards(a) { b } else { a };
    [-90.0, 90.0].into_iter().fold(0.0, better)
}
