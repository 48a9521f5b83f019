//! The walk over lists: those of `points` with the values around their elements, and lists of
//! scalars of which some elements have a name.

use std::collections::BTreeSet;

use super::{
    lay::{Here, LaidField, Walk, join},
    paths::{Path, place_of, quoted},
    points::PointsLevel,
};
use crate::{
    mapping::{FieldForm, Level, Pick, Place, SlotIdx},
    schema::{Form, INNER_NAME, Kind, Member, Scalar},
};

impl Walk<'_> {
    /// Lays a list of `points` out: its key, then its element.
    pub(super) fn level(&mut self, index: usize, level: &PointsLevel, is_included: bool) -> Level {
        let start = self.next;
        self.points_at = 0;
        let is_last = index + 1 == self.wanted.levels.len();
        // If the payload is a list, its elements take the place of the message.
        let is_on_the_way = !is_last && !level.full.is_empty();
        let prefix = if is_on_the_way { self.prefix(index) } else { String::new() };
        let here = Here {
            path: "",
            name: &prefix,
            is_field: !self.wanted.is_probe,
            is_included: is_included && !is_on_the_way,
            is_on_the_way,
        };
        let key = level.key.as_ref().and_then(|key| self.key(key, &here));
        let has_branches = self.wanted.shape.records[level.record.0].form == Form::Branches;
        let presence = if key.is_some() || has_branches { self.take(1) } else { None };
        let mut record = self.record(level.record, &here, presence);
        if let Some((slot, scalar)) = &key {
            record.implicit.add(*slot, scalar);
        }
        Level { name: level.name.clone(), start, key, record }
    }

    /// The prefix of names in an element of an outer list.
    fn prefix(&self, index: usize) -> String {
        let levels = self.wanted.levels[..=index].iter().filter(|level| level.name != INNER_NAME);
        let names = levels.flat_map(|level| {
            super::paths::segments(&level.name).into_iter().map(|segment| segment.name)
        });
        names.filter(|name| !name.is_empty()).collect::<Vec<_>>().join("_")
    }

    /// The slot of a key; it is a tag, the time or a field.
    fn key(&mut self, key: &Member, here: &Here<'_>) -> Option<(SlotIdx, Scalar)> {
        let Kind::Scalar(scalar) = &key.kind else { return None };
        let slot = self.take(1)?;
        let path = (self.side, quoted(&key.name));
        let own = self.wanted.text.point_key.as_ref();
        let name = match self.patterns.name_of(&path) {
            Some(name) => name.to_owned(),
            // The name that the mapping gives it, without the prefix.
            None if own.is_some_and(|own| own.name.value == key.name) => key.name.clone(),
            None => join(here.name, &key.name, '_'),
        };
        self.slots.insert(path.clone(), slot);
        self.names.insert(path.clone(), name.clone());
        if self.wanted.key_field.as_ref() == Some(&path) {
            let form = FieldForm::Scalar(scalar.clone());
            let convert = self.patterns.conversion_of(&path);
            let path = path.1;
            self.fields.push(LaidField { path, name, slot, form, convert, picked: Vec::new() });
        }
        Some((slot, scalar.clone()))
    }

    /// Lays a list of scalars out. Elements that the mapping names by their index get a slot of
    /// their own and are not written with the list.
    pub(super) fn list(
        &mut self,
        scalar: &Scalar,
        here: &Here<'_>,
        is_wanted: bool,
    ) -> Option<Place> {
        let path: Path = (self.side, here.path.to_owned());
        let mut places = match self.wanted.is_probe {
            true => BTreeSet::new(),
            false => self.patterns.places(&path),
        };
        places.extend(self.wanted.paths.iter().filter_map(|(side, other)| {
            let place = other.strip_prefix(here.path)?.strip_prefix('.')?;
            place_of(place).filter(|_| *side == self.side)
        }));
        let kind = Kind::List(scalar.clone());
        let form = here.is_field.then(|| self.form(&kind)).flatten();
        if form.is_none() && !is_wanted && places.is_empty() {
            return None;
        }
        let slot = self.take(1)?;
        self.slots.insert(path.clone(), slot);
        for place in &places {
            self.place(*place, scalar, here, slot);
        }
        if let Some(form) = form {
            let convert = self.patterns.conversion_of(&path);
            let name = here.name.to_owned();
            let picked = places.into_iter().collect();
            self.fields.push(LaidField { path: path.1, name, slot, form, convert, picked });
        }
        Some(Place::List(slot, scalar.clone()))
    }

    /// Gives one element of a list its slot and its name.
    fn place(&mut self, place: u32, scalar: &Scalar, here: &Here<'_>, list: SlotIdx) {
        let path: Path = (self.side, format!("{}.{place}", here.path));
        let name = match self.patterns.name_of(&path) {
            Some(name) => name.to_owned(),
            None => join(here.name, &place.to_string(), '_'),
        };
        let is_included = self.patterns.includes(&path) || here.is_field;
        let is_excluded = self.patterns.excludes(&path);
        let may_be = is_included && !is_excluded && !self.wanted.taken.contains(&path);
        self.names.insert(path.clone(), name.clone());
        let Some(slot) = self.take(1) else { return };
        self.slots.insert(path.clone(), slot);
        self.picks.push((self.side, Pick { list, index: place, slot }));
        let form = self.form(&Kind::Scalar(scalar.clone()));
        if let Some(form) = form.filter(|_| may_be) {
            let convert = self.patterns.conversion_of(&path);
            let path = path.1;
            self.fields.push(LaidField { path, name, slot, form, convert, picked: Vec::new() });
        }
    }
}
