//! The makes of vehicle in the fleet.

/// The physical parameters of a make.
#[derive(Debug)]
pub(super) struct Make {
    pub(super) model: &'static str,
    pub(super) capacity_kwh: f64,
    mass_kg: f64,
    /// Half the air's density times drag coefficient times front area: newtons by the square of
    /// m/s.
    drag: f64,
    charge_kw_max: f64,
}

pub(super) const MAKES: [Make; 5] = [
    make("Kestrel", 52.0, 1650.0, 0.40, 100.0),
    make("Kestrel LR", 77.0, 1830.0, 0.40, 150.0),
    make("Heron", 77.0, 2150.0, 0.52, 135.0),
    make("Wren City", 24.0, 1150.0, 0.38, 40.0),
    make("Osprey Van", 52.0, 2400.0, 0.85, 80.0),
];

const fn make(
    model: &'static str,
    capacity_kwh: f64,
    mass_kg: f64,
    drag: f64,
    charge_kw_max: f64,
) -> Make {
    Make { model, capacity_kwh, mass_kg, drag, charge_kw_max }
}

const GRAVITY: f64 = 9.81;
const ROLLING: f64 = 0.011;
/// The share of the battery's energy that reaches the wheels.
const DRIVE_EFFICIENCY: f64 = 0.9;
/// The share of braking energy that reaches the battery, up to a limit in kilowatts.
const BRAKE_EFFICIENCY: f64 = 0.65;
const BRAKE_KW_MAX: f64 = 55.0;

impl Make {
    /// The battery's output in kilowatts (negative: input) at `speed` m/s, with an acceleration of
    /// `gain` m/s² on a road with the slope `grade`.
    pub(super) fn drive_kw(&self, speed: f64, gain: f64, grade: f64) -> f64 {
        let weight = self.mass_kg * GRAVITY;
        // Wheels and motor must be accelerated too, as if the car were 5 % heavier.
        let force =
            weight * (ROLLING + grade) + self.drag * speed * speed + 1.05 * self.mass_kg * gain;
        let kw = force * speed / 1000.0;
        if kw > 0.0 { kw / DRIVE_EFFICIENCY } else { (kw * BRAKE_EFFICIENCY).max(-BRAKE_KW_MAX) }
    }

    /// Kilowatts of a fast charger, which are reduced as the battery fills.
    pub(super) fn charge_kw(&self, soc: f64) -> f64 {
        let share = ((1.05 - soc / 100.0) / 0.6).min(1.0);
        share * self.charge_kw_max
    }
}
