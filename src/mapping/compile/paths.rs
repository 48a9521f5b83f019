//! Paths of a mapping → places in the shape.
//!
//! A path's dots lead into records; a name that contains a dot may be written without quotes if it
//! is unambiguous, and otherwise in double quotes: `"veh.id".x`. A quote in such a name is doubled.
//! Inside the compiler every path is in one unambiguous form: with quotes around the names that
//! need them.

use std::collections::VecDeque;

use super::{lay::join, points::PointsLevel};
use crate::schema::{Form, Kind, Member, Presence, RecordIdx, Shape, Top, nearest};

/// Where a path begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Side {
    /// At the message.
    Message,
    /// At an element of one of the lists of `points`, counted from the outermost.
    Element(u8),
}

/// A member of the shape, found by its path.
#[derive(Clone, Debug)]
pub(super) struct Found {
    /// Where it begins, and the path from there.
    pub(super) path: Path,
    pub(super) member: Member,
}

/// A path with its starting point.
pub(super) type Path = (Side, String);

/// Looks paths up.
#[derive(Clone, Debug)]
pub(super) struct Paths<'a> {
    pub(super) shape: &'a Shape,
    /// The lists that `points` leads through, outermost first.
    pub(super) levels: Vec<PointsLevel>,
}

impl<'a> Paths<'a> {
    /// Finds a path in the innermost element, then in those around it, then in the message; one
    /// that goes through a list of `points` means a field of its elements.
    ///
    /// # Errors
    /// What to tell the operator.
    pub(super) fn find(&self, path: &str) -> Result<Found, String> {
        for (index, level) in self.levels.iter().enumerate().rev() {
            let through = level.through(path);
            for path in [Some(path), through].into_iter().flatten() {
                let key = level.key.as_ref().filter(|key| quoted(&key.name) == quoted_alone(path));
                let found = match key {
                    Some(key) => Some((quoted(&key.name), key.clone())),
                    None => self.member(level.record, path)?,
                };
                if let Some((path, member)) = found {
                    return Ok(Found { path: (Side::of_level(index), path), member });
                }
            }
        }
        if self.shape.top == Top::Record
            && let Some((path, member)) = self.member(self.shape.root, path)?
        {
            return Ok(Found { path: (Side::Message, path), member });
        }
        Err(self.told(path, &self.lost(path, false)))
    }

    /// Finds a path from a record on, through nested records only.
    ///
    /// # Errors
    /// It names two members.
    fn member(&self, from: RecordIdx, path: &str) -> Result<Option<(String, Member)>, String> {
        let mut found = Vec::new();
        self.search(from, &segments(path), "", &mut found);
        match &found[..] {
            [(one, _), (other, _), ..] => Err(format!(
                "`{path}` names both `{one}` and `{other}`; put the name that holds a dot in double \
                 quotes, and each name of the other one"
            )),
            _ => Ok(found.pop()),
        }
    }

    /// Adds the members that the segments name from a record on; stops after the second. The depth
    /// is bounded by the length of the path.
    fn search(
        &self,
        record: RecordIdx,
        segments: &[Segment],
        before: &str,
        found: &mut Vec<(String, Member)>,
    ) {
        let members = &self.shape.records[record.0].members;
        let mut name = String::new();
        for (index, segment) in segments.iter().enumerate() {
            if index > 0 {
                if segment.is_quoted || segments[0].is_quoted {
                    return;
                }
                name.push('.');
            }
            name.push_str(&segment.name);
            let Some(member) = members.iter().find(|member| member.name == name) else { continue };
            let path = match before {
                "" => quoted(&name),
                before => format!("{before}.{}", quoted(&name)),
            };
            match (&segments[index + 1..], &member.kind) {
                ([], _) => found.push((path, member.clone())),
                ([place], Kind::List(scalar)) if place_of(&place.name).is_some() => {
                    let kind = Kind::Scalar(scalar.clone());
                    let (name, presence) = (place.name.clone(), Presence::Explicit);
                    let path = format!("{path}.{name}");
                    found.push((path, Member { name, kind, presence }));
                }
                (rest, Kind::Record(inner)) => self.search(*inner, rest, &path, found),
                _ => {}
            }
            if found.len() > 1 {
                return;
            }
        }
    }

    /// What a member is, for the operator.
    pub(super) fn is_a(&self, path: &str, member: &Member) -> String {
        let Kind::Record(record) = member.kind else { return is_a(member) };
        let record = &self.shape.records[record.0];
        match (record.form, record.members.first()) {
            (Form::Branches, Some(first)) => {
                let names: Vec<&str> = record.members.iter().map(|one| one.name.as_str()).collect();
                let (names, first) = (names.join(" or "), &first.name);
                format!("is of several types ({names}); name one, as in `{path}.{first}`")
            }
            (Form::Places, _) => format!("is a list; name a place, as in `{path}.0`"),
            _ => is_a(member),
        }
    }

    /// Where the search for an unknown path fails, if every dot leads into a record or into the
    /// elements of a list.
    pub(super) fn lost(&self, path: &str, through_lists: bool) -> Unknown<'a> {
        let mut record = self.shape.root;
        let segments = segments(path);
        for (index, Segment { name, .. }) in segments.iter().enumerate() {
            let members = &self.shape.records[record.0].members;
            let member = members.iter().find(|member| member.name == *name);
            match member.map(|member| &member.kind) {
                Some(Kind::Record(inner)) if index + 1 < segments.len() => record = *inner,
                Some(Kind::Records(inner) | Kind::RecordMap { record: inner, .. })
                    if through_lists && index + 1 < segments.len() =>
                {
                    record = *inner;
                }
                _ => return Unknown { record, name: name.clone(), holder: member },
            }
        }
        Unknown { record, name: path.to_owned(), holder: None }
    }

    /// The first path that ends with this one: the operator has probably left out its beginning.
    fn longer(&self, path: &str) -> Option<String> {
        let mut seen = vec![self.shape.root];
        let mut ahead = VecDeque::from([(self.shape.root, String::new())]);
        while let Some((record, before)) = ahead.pop_front() {
            for member in &self.shape.records[record.0].members {
                let found = join(&before, &quoted(&member.name), '.');
                if found.strip_suffix(path).is_some_and(|around| around.ends_with('.')) {
                    return Some(found);
                }
                let (Kind::Record(inner)
                | Kind::Records(inner)
                | Kind::RecordMap { record: inner, .. }) = member.kind
                else {
                    continue;
                };
                if !seen.contains(&inner) && seen.len() < LOOKED_AT_MAX {
                    seen.push(inner);
                    ahead.push_back((inner, found));
                }
            }
        }
        None
    }

    /// The error text for a path that was not found.
    pub(super) fn told(&self, path: &str, unknown: &Unknown<'_>) -> String {
        if let Some(member) = unknown.holder {
            return format!(
                "`{path}`: `{}` {}, so nothing lies below it",
                member.name,
                is_a(member)
            );
        }
        let record = &self.shape.records[unknown.record.0];
        let elements = self.levels.iter().rev().map(|level| &self.shape.records[level.record.0]);
        let names = record.members.iter().chain(elements.flat_map(|element| &element.members));
        let names: Vec<&str> = names.map(|member| member.name.as_str()).collect();
        let near = nearest(&unknown.name, names.iter().copied()).map(str::to_owned);
        let hint = match self.longer(path).or(near) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("it has {}", names.join(", ")),
        };
        format!("`{path}`: {} has no field `{}`; {hint}", record.name, unknown.name)
    }
}

/// How many records are searched for a path whose beginning was left out.
const LOOKED_AT_MAX: usize = 1_000;

/// Where a path was lost.
#[derive(Clone, Debug)]
pub(super) struct Unknown<'a> {
    record: RecordIdx,
    name: String,
    /// A member that was found but has no members of its own.
    holder: Option<&'a Member>,
}

/// How many elements of a list may have a name: the index is below.
const PLACES_MAX: u32 = 65_536;

/// The index of a list element that a name of a path stands for.
pub(super) fn place_of(name: &str) -> Option<u32> {
    let is_plain = name == "0" || !name.starts_with(['0', '+']);
    name.parse().ok().filter(|place| is_plain && *place < PLACES_MAX)
}

impl Side {
    /// The elements of a list of `points`, counted from the outermost.
    pub(super) fn of_level(index: usize) -> Self {
        Self::Element(u8::try_from(index).unwrap_or(u8::MAX))
    }
}

/// A path that is one name, written as [`quoted`] writes it.
fn quoted_alone(path: &str) -> String {
    match quoted_len(path) {
        Some(len) if len == path.len() => quoted(&path[1..len - 1].replace("\"\"", "\"")),
        _ => quoted(path),
    }
}

/// One name of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Segment {
    pub(super) name: String,
    pub(super) is_quoted: bool,
}

/// The names of a path.
pub(super) fn segments(path: &str) -> Vec<Segment> {
    let mut segments = Vec::new();
    let mut rest = path;
    loop {
        let (segment, after) = match quoted_len(rest) {
            Some(len) => {
                let name = rest[1..len - 1].replace("\"\"", "\"");
                (Segment { name, is_quoted: true }, &rest[len..])
            }
            None => {
                let len = rest.find('.').unwrap_or(rest.len());
                (Segment { name: rest[..len].to_owned(), is_quoted: false }, &rest[len..])
            }
        };
        segments.push(segment);
        match after.strip_prefix('.') {
            Some(after) => rest = after,
            None => return segments,
        }
    }
}

/// The length of a whole name in double quotes that a path begins with, its quotes included.
fn quoted_len(path: &str) -> Option<usize> {
    let len = quote_len(path)?;
    (path.len() == len || path[len..].starts_with('.')).then_some(len)
}

/// The length of a text in double quotes, whatever follows it.
pub(super) fn quote_len(path: &str) -> Option<usize> {
    let mut rest = path.strip_prefix('"')?;
    loop {
        let end = rest.find('"')?;
        rest = &rest[end + 1..];
        match rest.strip_prefix('"') {
            Some(after) => rest = after,
            None => return Some(path.len() - rest.len()),
        }
    }
}

/// A name as written in a path.
pub(super) fn quoted(name: &str) -> String {
    if name.contains(['.', '"']) { always_quoted(name) } else { name.to_owned() }
}

/// A name in double quotes.
pub(super) fn always_quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A path with every name in double quotes.
pub(super) fn all_quoted(path: &str) -> String {
    let names = segments(path).into_iter().map(|segment| always_quoted(&segment.name));
    names.collect::<Vec<_>>().join(".")
}

/// A path without its quotes, if it has any.
pub(super) fn unquoted(path: &str) -> Option<String> {
    let names = || segments(path).into_iter().map(|segment| segment.name);
    path.contains('"').then(|| names().collect::<Vec<_>>().join("."))
}

/// What a member is, for the operator.
pub(super) fn is_a(member: &Member) -> String {
    match &member.kind {
        Kind::Scalar(scalar) => format!("is {}", scalar.word()),
        Kind::Record(_) => "is a record".to_owned(),
        Kind::List(_) => "is a list".to_owned(),
        Kind::Map { .. } => "is a map".to_owned(),
        Kind::Records(_) => "is a list of records".to_owned(),
        Kind::RecordMap { .. } => "is a map of records".to_owned(),
        Kind::Unsupported(unsupported) => unsupported.what.clone(),
    }
}
