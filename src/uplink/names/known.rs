//! The known names, and how many were new on each day: plain values without I/O.

use std::{
    borrow::Cow,
    collections::{HashMap, HashSet},
    fmt,
};

use super::NameOptions;
use crate::model::line::{fields, lines, measurement_of, tags, unescape};

/// What a name is the name of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Kind {
    Field,
    Tag,
}

/// A new name with the day on which it was new, counted from 1970; names that existed before have
/// day 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NewName {
    pub(super) day: u32,
    pub(super) measurement: Box<str>,
    pub(super) kind: Kind,
    pub(super) name: Box<str>,
}

/// Why the names of a message are too many.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TooManyNew {
    measurement: String,
    /// The first of its new names.
    name: String,
    bound: Bound,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Bound {
    /// How many are new, and how many may be new per day.
    Fields(usize, usize),
    Tags(usize, usize),
    Measurements(usize),
    Length(usize),
    Memory(usize),
}

impl fmt::Display for TooManyNew {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { measurement, name, bound } = self;
        match bound {
            Bound::Fields(new, max) => write!(
                f,
                "{new} fields, `{name}` first, are new to measurement `{measurement}`, which may \
                 get {max} a day (uplink.new-names.fields-per-day)"
            ),
            Bound::Tags(new, max) => write!(
                f,
                "{new} tags, `{name}` first, are new to measurement `{measurement}`, which may get \
                 {max} a day (uplink.new-names.tags-per-day)"
            ),
            Bound::Measurements(max) => write!(
                f,
                "measurement `{measurement}` is new, and {max} a day may be \
                 (uplink.new-names.measurements-per-day)"
            ),
            Bound::Length(max) => write!(
                f,
                "a new name of measurement `{measurement}` is longer than {max} bytes \
                 (uplink.new-names.bytes-max)"
            ),
            Bound::Memory(max) => write!(
                f,
                "`{name}` is new to measurement `{measurement}`, and the names that are known take \
                 {max} bytes already (uplink.new-names.memory-max)"
            ),
        }
    }
}

/// How many were new on the last day with new names.
#[derive(Clone, Copy, Debug, Default)]
struct Day {
    day: u32,
    new: usize,
}

impl Day {
    fn on(self, day: u32) -> usize {
        if self.day == day { self.new } else { 0 }
    }

    fn add(&mut self, day: u32, new: usize) {
        *self = Self { day, new: self.on(day) + new };
    }
}

/// The names of one kind that a measurement has.
#[derive(Debug, Default)]
struct Names {
    known: HashSet<Box<str>>,
    day: Day,
}

#[derive(Debug, Default)]
struct Measurement {
    fields: Names,
    tags: Names,
}

impl Measurement {
    fn of(&self, kind: Kind) -> &Names {
        match kind {
            Kind::Field => &self.fields,
            Kind::Tag => &self.tags,
        }
    }

    fn of_mut(&mut self, kind: Kind) -> &mut Names {
        match kind {
            Kind::Field => &mut self.fields,
            Kind::Tag => &mut self.tags,
        }
    }
}

/// Bytes of memory that a name takes in a set, in addition to its own bytes.
const NAME_OVERHEAD: usize = 40;

/// All known names.
#[derive(Debug, Default)]
pub(super) struct Known {
    measurements: HashMap<Box<str>, Measurement>,
    day: Day,
    memory: usize,
    n_names: usize,
}

/// A name of a line, with its measurement and kind.
type LineName<'a> = (Cow<'a, str>, Kind, Cow<'a, str>);

/// All names in lines.
fn names_of(buffer: &[u8]) -> impl Iterator<Item = LineName<'_>> {
    lines(buffer).flat_map(|line| {
        let measurement = unescape(measurement_of(line));
        let tags = tags(line).map(|(key, _)| (Kind::Tag, key));
        let fields = fields(line).map(|(key, _)| (Kind::Field, key));
        let names = tags.chain(fields);
        names.map(move |(kind, key)| (measurement.clone(), kind, unescape(key)))
    })
}

impl Known {
    /// Whether every name of these lines is known.
    pub(super) fn has_all(&self, buffer: &[u8]) -> bool {
        lines(buffer).all(|line| {
            let measurement = unescape(measurement_of(line));
            self.measurements.get(&*measurement).is_some_and(|known| {
                tags(line).all(|(key, _)| known.tags.known.contains(&*unescape(key)))
                    && fields(line).all(|(key, _)| known.fields.known.contains(&*unescape(key)))
            })
        })
    }

    /// Adds the names of these lines, all or none, and returns those that were new.
    ///
    /// # Errors
    /// If more are new than this day's bounds allow.
    pub(super) fn admit(
        &mut self,
        buffer: &[u8],
        day: u32,
        options: &NameOptions,
    ) -> Result<Vec<NewName>, TooManyNew> {
        let mut seen = HashSet::new();
        let mut new: Vec<NewName> = Vec::new();
        for (measurement, kind, name) in names_of(buffer) {
            if !self.has(&measurement, kind, &name)
                && seen.insert((measurement.clone(), kind, name.clone()))
            {
                let measurement = measurement.into_owned().into();
                new.push(NewName { day, measurement, kind, name: name.into_owned().into() });
            }
        }
        self.check(&new, day, options)?;
        for name in &new {
            self.add(name);
        }
        Ok(new)
    }

    fn has(&self, measurement: &str, kind: Kind, name: &str) -> bool {
        let known = self.measurements.get(measurement);
        known.is_some_and(|known| known.of(kind).known.contains(name))
    }

    /// Whether all of these may be new.
    fn check(&self, new: &[NewName], day: u32, options: &NameOptions) -> Result<(), TooManyNew> {
        let told = |name: &NewName, bound| TooManyNew {
            measurement: name.measurement.chars().take(options.name_bytes_max).collect(),
            name: name.name.chars().take(options.name_bytes_max).collect(),
            bound,
        };
        let mut counts: HashMap<(&str, Kind), (usize, &NewName)> = HashMap::new();
        let mut measurements = HashSet::new();
        let mut memory = self.memory;
        for name in new {
            let max = options.name_bytes_max;
            if name.name.len().max(name.measurement.len()) > max {
                return Err(told(name, Bound::Length(max)));
            }
            memory += self.cost(name);
            if memory > options.memory_max {
                return Err(told(name, Bound::Memory(options.memory_max)));
            }
            if !self.measurements.contains_key(&name.measurement) {
                measurements.insert(&name.measurement);
                if self.day.on(day) + measurements.len() > options.measurements_a_day {
                    return Err(told(name, Bound::Measurements(options.measurements_a_day)));
                }
            }
            counts.entry((&*name.measurement, name.kind)).or_insert((0, name)).0 += 1;
        }
        let mut counts: Vec<_> = counts.into_iter().collect();
        counts.sort_unstable_by_key(|(key, _)| *key);
        for ((measurement, kind), (n_new, first)) in counts {
            let known = self.measurements.get(measurement);
            let before = known.map_or(0, |known| known.of(kind).day.on(day));
            let (max, bound) = match kind {
                Kind::Field => (options.fields_a_day, Bound::Fields(n_new, options.fields_a_day)),
                Kind::Tag => (options.tags_a_day, Bound::Tags(n_new, options.tags_a_day)),
            };
            if before + n_new > max {
                return Err(told(first, bound));
            }
        }
        Ok(())
    }

    /// Upper bound of the bytes of memory that a name takes.
    fn cost(&self, name: &NewName) -> usize {
        let of_measurement = match self.measurements.contains_key(&name.measurement) {
            true => 0,
            false => name.measurement.len() + size_of::<Measurement>() + NAME_OVERHEAD,
        };
        of_measurement + name.name.len() + NAME_OVERHEAD
    }

    /// Adds a name; one of day 0 counts for no day. False if it was known.
    pub(super) fn add(&mut self, name: &NewName) -> bool {
        if self.has(&name.measurement, name.kind, &name.name) {
            return false;
        }
        self.memory += self.cost(name);
        self.n_names += 1;
        let counted = usize::from(name.day > 0);
        if !self.measurements.contains_key(&name.measurement) {
            self.day.add(name.day, counted);
        }
        let known = self.measurements.entry(name.measurement.clone()).or_default();
        let names = known.of_mut(name.kind);
        names.known.insert(name.name.clone());
        if counted > 0 {
            names.day.add(name.day, counted);
        }
        true
    }

    /// How many names are known.
    pub(super) fn names_count(&self) -> usize {
        self.n_names
    }
}
