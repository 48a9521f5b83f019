//! `points` → the lists that it leads through.
//!
//! A path may lead through several lists, as from units to their signals to the samples of each: a
//! point is an element of the last. A payload that is a list itself is the outermost one, and then
//! `points` may be absent. A map of records is a list whose elements have a key. A list whose
//! elements are lists or maps themselves leads on into those: they have no name to write.

use super::{
    build::{Build, LineProblems},
    paths::{Path, Paths, Segment, Side, is_a, quoted, segments, unquoted},
};
use crate::{
    mapping::file::Placed,
    schema::{Form, INNER_NAME, Kind, Member, Presence, RecordIdx, Scalar, Top},
};

/// How deep lists of `points` may nest: each level costs one more walk over its bytes.
const LEVELS_MAX: usize = 8;

/// The default name of the key of a map of points; `point-key` changes it.
const KEY_NAME: &str = "key";

/// One list that `points` leads through.
#[derive(Clone, Debug)]
pub(super) struct PointsLevel {
    /// Its path in the element, or the message, that holds it; empty for the payload itself.
    pub(super) name: String,
    /// Its path from the payload on.
    pub(super) full: String,
    /// What an element is.
    pub(super) record: RecordIdx,
    /// The key of an element, as if it were a member of it.
    pub(super) key: Option<Member>,
}

impl PointsLevel {
    /// The rest of a path inside the element, if the path leads through the list.
    pub(super) fn through<'p>(&self, path: &'p str) -> Option<&'p str> {
        let plain = unquoted(&self.full);
        let spelled = [Some(self.full.as_str()), plain.as_deref()].into_iter().flatten();
        let mut spelled = spelled.filter(|full| !full.is_empty());
        spelled.find_map(|full| path.strip_prefix(full)?.strip_prefix('.'))
    }
}

/// A list on the path of `points`: its path, its record, its key.
type List = (String, RecordIdx, Option<Scalar>);

impl Build<'_> {
    /// The lists that `points` leads through.
    pub(super) fn points(&mut self) -> Vec<PointsLevel> {
        let shape = self.paths.shape;
        let mut lists: Vec<List> = Vec::new();
        match shape.top {
            Top::Record => {}
            Top::Records => lists.push((String::new(), shape.root, None)),
            Top::RecordMap => lists.push((String::new(), shape.root, Some(Scalar::String))),
        }
        if let Some((_, record, _)) = lists.first() {
            let root = self.paths.inner(*record, &mut lists);
            debug_assert_eq!(lists.last().map(|last| last.1), Some(root));
        }
        if let Some(points) = &self.text.points
            && !self.paths.lists(
                lists.last().map_or(shape.root, |(_, record, _)| *record),
                &segments(&points.value),
                "",
                &mut lists,
            )
        {
            let what = self.no_points(points);
            self.told.push((points.line, format!("`points`: {what}")));
            lists.clear();
        }
        if let Some(points) = self.text.points.as_ref().filter(|_| lists.len() > LEVELS_MAX) {
            let what = format!("`points`: it leads through more than {LEVELS_MAX} lists");
            self.told.push((points.line, what));
        }
        let last_map = lists.iter().rposition(|(_, _, key)| key.is_some());
        if let (Some(key), None) = (&self.text.point_key, last_map) {
            let what = "remove `point-key`: `points` leads through no map, so there is no key";
            self.told.push((key.name.line, what.to_owned()));
        }
        let mut levels: Vec<PointsLevel> = Vec::new();
        for (index, (name, record, key)) in lists.into_iter().enumerate() {
            let around = levels.last().map_or("", |level| &level.full);
            let is_inner = levels.last().is_some_and(|level| self.paths.is_inner(level.record));
            let full = match (around, is_inner) {
                (around, true) => around.to_owned(),
                ("", false) => name.clone(),
                (around, false) => format!("{around}.{name}"),
            };
            let own = self.text.point_key.as_ref().filter(|_| last_map == Some(index));
            let key_name = own.map_or(KEY_NAME, |key| &key.name.value);
            let key = key.map(|scalar| Member {
                name: key_name.to_owned(),
                kind: Kind::Scalar(scalar),
                presence: Presence::Explicit,
            });
            levels.push(PointsLevel { name, full, record, key });
        }
        levels
    }

    /// Why `points` names no list.
    fn no_points(&self, points: &Placed<String>) -> String {
        let without_points = Paths { shape: self.paths.shape, levels: Vec::new() };
        match without_points.find(&points.value) {
            Ok(found) => format!(
                "`{}` {}; it must be a list or a map of records",
                points.value,
                is_a(&found.member)
            ),
            Err(_) => without_points.told(&points.value, &without_points.lost(&points.value, true)),
        }
    }

    /// The keys of maps that the mapping does not use otherwise. They are tags, so that points of
    /// one time have different series; or one is a field, if the mapping says so.
    pub(super) fn point_keys(&mut self) -> Vec<(Placed<String>, Path, Scalar)> {
        let mut tags = Vec::new();
        let line = self.text.points.as_ref().map_or(self.text.line, |points| points.line);
        for (index, level) in self.paths.levels.iter().enumerate() {
            let Some(Member { name, kind: Kind::Scalar(scalar), .. }) = &level.key else {
                continue;
            };
            let path = (Side::of_level(index), quoted(name));
            let own = self.text.point_key.as_ref().filter(|key| key.name.value == *name);
            if self.taken.contains(&path) || own.is_some_and(|key| key.is_field) {
                continue;
            }
            let line = own.map_or(line, |key| key.name.line);
            tags.push((Placed { value: name.clone(), line }, path, scalar.clone()));
        }
        for (_, path, _) in &tags {
            self.wanted.insert(path.clone());
            self.taken.insert(path.clone());
        }
        tags
    }

    /// Values of the outer lists that are not written, because the mapping does not name them.
    pub(super) fn left_out(&self, paths: &[String]) -> LineProblems {
        let line = self.text.points.as_ref().map_or(self.text.line, |points| points.line);
        let told = paths.iter().map(|path| {
            let what = format!(
                "`{path}` lies in a list on the way to `points` and is not written; name it in \
                 `tags` or in `fields.rename`, or exclude it"
            );
            (line, what)
        });
        told.collect()
    }
}

impl Paths<'_> {
    /// Whether a record is a list or map that is an element of one.
    fn is_inner(&self, record: RecordIdx) -> bool {
        self.shape.records[record.0].form == Form::Inner
    }

    /// Adds the lists that are directly the elements of a list; returns the record inside.
    fn inner(&self, record: RecordIdx, into: &mut Vec<List>) -> RecordIdx {
        let mut record = record;
        while self.is_inner(record) {
            let held = self.shape.records[record.0].members.first().map(|member| &member.kind);
            let key = match held {
                Some(Kind::Records(held)) => {
                    record = *held;
                    None
                }
                Some(Kind::RecordMap { key, record: held }) => {
                    record = *held;
                    Some(key.clone())
                }
                _ => unreachable!("an inner record has one list or map of records"),
            };
            into.push((INNER_NAME.to_owned(), record, key));
        }
        record
    }

    /// Adds the lists on a path, which must end at one of them; false if it does not.
    fn lists(
        &self,
        record: RecordIdx,
        segments: &[Segment],
        before: &str,
        into: &mut Vec<List>,
    ) -> bool {
        let members = &self.shape.records[record.0].members;
        let mut name = String::new();
        for (index, segment) in segments.iter().enumerate() {
            if index > 0 {
                if segment.is_quoted || segments[0].is_quoted {
                    return false;
                }
                name.push('.');
            }
            name.push_str(&segment.name);
            let Some(member) = members.iter().find(|member| member.name == name) else { continue };
            let path = match before {
                "" => quoted(&name),
                before => format!("{before}.{}", quoted(&name)),
            };
            let rest = &segments[index + 1..];
            let (inner, key) = match &member.kind {
                Kind::Record(inner) if self.lists(*inner, rest, &path, into) => return true,
                Kind::Records(inner) => (*inner, None),
                Kind::RecordMap { key, record } => (*record, Some(key.clone())),
                _ => continue,
            };
            let known = into.len();
            into.push((path, inner, key));
            let inner = self.inner(inner, into);
            if rest.is_empty() || self.lists(inner, rest, "", into) {
                return true;
            }
            into.truncate(known);
        }
        false
    }
}
