//! How many letters there are by cause and vehicle, and what to do about each cause.

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;

use crate::{
    dead_letter::{Letters, ListError},
    model::{Cause, DeadLetter, UnixNanos},
};

/// The most vehicles of one cause that are counted one by one: a million vehicles must not cost a
/// million names in memory.
const VEHICLES_COUNTED_MAX: usize = 8192;

/// Letters by cause, most first. `letters` is the sum of those of the causes.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Their number.
    pub letters: u64,
    /// How many more cannot be read: a newer version wrote them.
    pub unread: u64,
    /// Letters by cause.
    pub causes: Vec<CauseSummary>,
}

/// The letters of one cause. `letters` is the sum of those of `vehicles`, `other_vehicles` and
/// `without_vehicle`.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct CauseSummary {
    /// The cause's name.
    pub cause: &'static str,
    /// What it means.
    pub means: &'static str,
    /// How many letters it has.
    pub letters: u64,
    /// When the first of them was set aside, RFC 3339.
    pub first: String,
    /// When the last was.
    pub last: String,
    /// Those with the most letters, most first.
    pub vehicles: Vec<VehicleSummary>,
    /// Letters of vehicles that are not among `vehicles`.
    pub other_vehicles: u64,
    /// Letters whose vehicle is not known.
    pub without_vehicle: u64,
    /// What to do.
    #[serde(flatten)]
    pub remedy: Remedy,
}

/// The letters that one vehicle has of a cause.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct VehicleSummary {
    /// Which.
    pub vehicle: String,
    /// How many; at least so many where the cause has more vehicles than are counted.
    pub letters: u64,
}

/// What to do about a cause.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Remedy {
    /// What to mend first.
    pub mend: &'static str,
    /// The command that shows the letters.
    pub show: String,
    /// The command that heals them, once that is mended.
    pub heal: String,
}

impl Remedy {
    pub(super) fn of(cause: Cause) -> Self {
        let command = |verb| format!("fleetline dead-letter {verb} --cause {cause}");
        Self { mend: cause.remedy(), show: command("list"), heal: command("replay") }
    }
}

/// Counts letters; of each cause at most so many vehicles are named.
///
/// # Errors
/// If the log cannot be read.
pub fn summarize(letters: Letters, vehicles_max: usize) -> Result<Summary, ListError> {
    let mut summary = Summary::default();
    let mut counts: BTreeMap<Cause, Count> = BTreeMap::new();
    for found in letters {
        match found {
            Ok((_, letter)) => {
                summary.letters += 1;
                let fresh = || Count::new(letter.time, VEHICLES_COUNTED_MAX);
                counts.entry(letter.cause).or_insert_with(fresh).add(letter);
            }
            Err(ListError::Letter { .. }) => summary.unread += 1,
            Err(error) => return Err(error),
        }
    }
    let causes = counts.into_iter().map(|(cause, count)| count.summary(cause, vehicles_max));
    summary.causes = causes.collect();
    summary.causes.sort_by_key(|cause| std::cmp::Reverse(cause.letters));
    Ok(summary)
}

/// The letters of one cause, as far as they have been read.
#[derive(Debug)]
struct Count {
    letters: u64,
    first: UnixNanos,
    last: UnixNanos,
    /// At most `vehicles_max`.
    vehicles: HashMap<String, u64>,
    vehicles_max: usize,
    others: u64,
    nameless: u64,
}

impl Count {
    fn new(first: UnixNanos, vehicles_max: usize) -> Self {
        let vehicles = HashMap::new();
        Self { letters: 0, first, last: first, vehicles, vehicles_max, others: 0, nameless: 0 }
    }

    fn add(&mut self, letter: DeadLetter) {
        self.letters += 1;
        self.first = self.first.min(letter.time);
        self.last = self.last.max(letter.time);
        let Some(vehicle) = letter.vehicle else {
            self.nameless += 1;
            return;
        };
        if self.vehicles.len() == self.vehicles_max && !self.vehicles.contains_key(&vehicle) {
            self.evict_half();
        }
        *self.vehicles.entry(vehicle).or_default() += 1;
    }

    /// Moves the half of the vehicles with the fewest letters into `others`.
    fn evict_half(&mut self) {
        let mut by_letters = self.named();
        for (_, letters) in by_letters.split_off(self.vehicles_max / 2) {
            self.others += letters;
        }
        self.vehicles = by_letters.into_iter().collect();
    }

    /// Takes the vehicles, those with the most letters first.
    fn named(&mut self) -> Vec<(String, u64)> {
        let mut named: Vec<_> = self.vehicles.drain().collect();
        named.sort_unstable_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        named
    }

    fn summary(mut self, cause: Cause, vehicles_max: usize) -> CauseSummary {
        let mut named = self.named();
        let rest = named.split_off(named.len().min(vehicles_max));
        let vehicles =
            named.into_iter().map(|(vehicle, letters)| VehicleSummary { vehicle, letters });
        CauseSummary {
            cause: cause.as_str(),
            means: cause.explain(),
            letters: self.letters,
            first: self.first.to_string(),
            last: self.last.to_string(),
            vehicles: vehicles.collect(),
            other_vehicles: self.others + rest.iter().map(|(_, letters)| letters).sum::<u64>(),
            without_vehicle: self.nameless,
            remedy: Remedy::of(cause),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letter(vehicle: &str, seconds: i64) -> DeadLetter {
        DeadLetter {
            time: UnixNanos(seconds * 1_000_000_000),
            vehicle: Some(vehicle.to_owned()),
            topic: None,
            mapping: None,
            cause: Cause::TimeInvalid,
            detail: String::new(),
            payload: None,
            content_type: None,
            line: None,
            answer: None,
        }
    }

    /// The vehicle with the most letters stays named, and no letter is lost from the sums.
    #[test]
    fn any_number_of_vehicles_takes_bounded_memory_and_the_one_with_most_letters_is_named() {
        let mut count = Count::new(UnixNanos(0), 16);
        for n in 0..10_000 {
            count.add(letter(&format!("V{n}"), n));
            if n % 10 == 0 {
                count.add(letter("loud", n));
            }
            assert!(count.vehicles.len() <= 16);
        }
        let summary = count.summary(Cause::TimeInvalid, 1);
        assert_eq!(summary.letters, 11_000);
        assert_eq!(
            summary.vehicles,
            [VehicleSummary { vehicle: "loud".to_owned(), letters: 1000 }]
        );
        assert_eq!(summary.other_vehicles, 10_000);
        assert_eq!((summary.first.as_str(), summary.without_vehicle), ("1970-01-01T00:00:00Z", 0));
        assert_eq!(summary.last, "1970-01-01T02:46:39Z");
    }
}
