//! Paths of a mapping → places in the shape.

use crate::schema::{Kind, Member, RecordIdx, Shape, nearest};

/// Where a path begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Side {
    /// At the element of `points`.
    Element,
    /// At the message.
    Message,
}

/// A member of the shape, found by its path.
#[derive(Clone, Debug)]
pub(super) struct Found<'a> {
    /// Where it begins, and the path from there.
    pub(super) path: Path,
    pub(super) member: &'a Member,
}

/// A path from one of its two ends.
pub(super) type Path = (Side, String);

/// Looks paths up.
#[derive(Clone, Copy, Debug)]
pub(super) struct Paths<'a> {
    pub(super) shape: &'a Shape,
    /// The path and the record that `points` names.
    pub(super) points: Option<(&'a str, RecordIdx)>,
}

impl<'a> Paths<'a> {
    /// Finds a path in the element, then in the message; one that goes through `points` means the
    /// element's field.
    ///
    /// # Errors
    /// What to tell the operator.
    pub(super) fn find(&self, path: &str) -> Result<Found<'a>, String> {
        if let Some((points, element)) = self.points {
            let through = path.strip_prefix(points).and_then(|rest| rest.strip_prefix('.'));
            for path in [Some(path), through].into_iter().flatten() {
                if let Ok(member) = self.member(element, path) {
                    return Ok(Found { path: (Side::Element, path.to_owned()), member });
                }
            }
        }
        match self.member(self.shape.root, path) {
            Ok(member) => Ok(Found { path: (Side::Message, path.to_owned()), member }),
            Err(unknown) => Err(self.told(path, &unknown)),
        }
    }

    /// Finds a path from a record on; only nested records may stand on the way.
    pub(super) fn member(&self, from: RecordIdx, path: &str) -> Result<&'a Member, Unknown<'a>> {
        let mut record = from;
        let mut rest = path;
        loop {
            let (name, after) = rest.split_once('.').unwrap_or((rest, ""));
            let members = &self.shape.records[record.0].members;
            let Some(member) = members.iter().find(|member| member.name == name) else {
                return Err(Unknown { record, name: name.to_owned(), holder: None });
            };
            if after.is_empty() {
                return Ok(member);
            }
            match &member.kind {
                Kind::Record(inner) => record = *inner,
                _ => return Err(Unknown { record, name: name.to_owned(), holder: Some(member) }),
            }
            rest = after;
        }
    }

    /// What to tell of a path that was found nowhere.
    fn told(&self, path: &str, unknown: &Unknown<'_>) -> String {
        if let Some(member) = unknown.holder {
            return format!(
                "`{path}`: `{}` {}, so nothing lies below it",
                member.name,
                is_a(member)
            );
        }
        let record = &self.shape.records[unknown.record.0];
        let element = self.points.map(|(_, element)| &self.shape.records[element.0]);
        let names = record.members.iter().chain(element.into_iter().flat_map(|e| &e.members));
        let names: Vec<&str> = names.map(|member| member.name.as_str()).collect();
        let hint = match nearest(&unknown.name, names.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("it has {}", names.join(", ")),
        };
        format!("`{path}`: {} has no field `{}`; {hint}", record.name, unknown.name)
    }
}

/// Where a path was lost.
#[derive(Clone, Debug)]
pub(super) struct Unknown<'a> {
    record: RecordIdx,
    name: String,
    /// A member that was found but holds nothing to go on in.
    holder: Option<&'a Member>,
}

/// What a member is, for the operator.
pub(super) fn is_a(member: &Member) -> String {
    match &member.kind {
        Kind::Scalar(scalar) => format!("is {}", scalar.word()),
        Kind::Record(_) => "is a record".to_owned(),
        Kind::List(_) => "is a list".to_owned(),
        Kind::Map { .. } => "is a map".to_owned(),
        Kind::Records(_) => "is a list of records".to_owned(),
        Kind::Unsupported(why) => why.clone(),
    }
}
