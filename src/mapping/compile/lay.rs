//! The walk over the shape that gives each wanted value its slot and each field its name.
//!
//! Wanted are every value that is not excluded, as a field, and all values that `tags`, `time`,
//! `vehicle`, `points` and `when` name, excluded or not. A record without wanted values is not
//! entered, so a recursive schema is allowed if the recursion is excluded.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    paths::{self, Path, Side, is_a},
    patterns::Patterns,
    points::PointsLevel,
};
use crate::{
    mapping::{
        FieldForm, Implicit, Layout, Pick, Place, RecordLayout, SlotIdx,
        file::{BytesForm, MappingText, RepeatedForm},
    },
    schema::{Kind, Member, Presence, RecordIdx, Scalar, Shape, Unsupported},
};

/// The input of the walk.
#[derive(Debug)]
pub(super) struct Wanted<'a> {
    pub(super) text: &'a MappingText,
    pub(super) shape: &'a Shape,
    /// The lists that `points` leads through.
    pub(super) levels: &'a [PointsLevel],
    /// Whether the payload itself is the outermost list.
    pub(super) is_top: bool,
    /// Paths in the outer lists of `points` that the mapping names as fields.
    pub(super) named: BTreeSet<Path>,
    /// The key of a map of points that is a field.
    pub(super) key_field: Option<Path>,
    /// Paths that need a slot in addition to the fields.
    pub(super) paths: BTreeSet<Path>,
    /// Paths that are a tag, the time or the vehicle, and so are not fields.
    pub(super) taken: BTreeSet<Path>,
    /// JSON numbers whose digits are needed.
    pub(super) digits: BTreeSet<Path>,
    /// How deep records may nest.
    pub(super) depth_max: usize,
    /// Whether nothing is a field: only the paths get slots, and no problems are noted.
    pub(super) is_probe: bool,
}

/// The result of the walk.
#[derive(Debug)]
pub(super) struct Laid {
    pub(super) layout: Layout,
    /// In the order of writing.
    pub(super) fields: Vec<LaidField>,
    /// The slot of each wanted path: a value's, a list's, or a record's presence.
    pub(super) slots: BTreeMap<Path, SlotIdx>,
    /// New names by path, as far as the paths exist; for tags.
    pub(super) names: BTreeMap<Path, String>,
    /// The lines of the mapping file, and what is wrong.
    pub(super) problems: Vec<(u32, String)>,
    /// The lines of the schema file, and what no field can hold.
    pub(super) schema_problems: Vec<(u32, String)>,
    /// Elements of lists that have a slot of their own.
    pub(super) picks: Vec<(Side, Pick)>,
    /// Values of the outer lists that are not written.
    pub(super) left_out: Vec<String>,
}

/// A field to be written.
#[derive(Clone, Debug)]
pub(super) struct LaidField {
    pub(super) path: String,
    pub(super) name: String,
    pub(super) slot: SlotIdx,
    pub(super) form: FieldForm,
    /// Its index among the mapping's conversions.
    pub(super) convert: Option<usize>,
    /// For a list: the elements that are not written with it, because they have a name.
    pub(super) picked: Vec<u32>,
}

/// The largest slot table: far more than a line needs, far below the range of `u16`.
pub(super) const SLOTS_MAX: u16 = 8192;

/// How many members the walk may visit: a schema in which many paths lead to one record can have
/// exponentially many paths.
const MEMBERS_MAX: usize = 100_000;

/// Lays a mapping's values out.
pub(super) fn lay(wanted: &Wanted<'_>) -> Laid {
    let mut walk = Walk {
        wanted,
        side: Side::Message,
        next: 0,
        fields: Vec::new(),
        points_at: 0,
        slots: BTreeMap::new(),
        names: BTreeMap::new(),
        problems: Vec::new(),
        schema_problems: Vec::new(),
        members_count: 0,
        patterns: Patterns::new(wanted.text, wanted.levels),
        picks: Vec::new(),
        left_out: Vec::new(),
        ancestors: Vec::new(),
        is_too_deep: false,
    };
    let is_included = walk.patterns.include_all();
    let is_field = !wanted.is_probe;
    let root = Here { path: "", name: "", is_field, is_included, is_on_the_way: false };
    let message = match wanted.is_top {
        true => RecordLayout {
            slots: 0..0,
            presence: None,
            members: vec![],
            implicit: Implicit::default(),
        },
        false => walk.record(wanted.shape.root, &root, None),
    };
    let mut parts = vec![(std::mem::take(&mut walk.fields), walk.points_at)];
    let mut levels = Vec::new();
    for (index, level) in wanted.levels.iter().enumerate() {
        walk.side = Side::of_level(index);
        levels.push(walk.level(index, level, is_included));
        parts.push((std::mem::take(&mut walk.fields), walk.points_at));
    }
    // The fields of an element are at the position of its list.
    let mut fields = Vec::new();
    for (mut around, points_at) in parts.into_iter().rev() {
        let at = points_at.min(around.len());
        around.splice(at..at, fields);
        fields = around;
    }
    walk.problems.extend(walk.patterns.problems(&walk.names));
    let layout = Layout { message, levels, slots_count: walk.next };
    Laid {
        layout,
        fields,
        slots: walk.slots,
        names: walk.names,
        problems: walk.problems,
        schema_problems: walk.schema_problems,
        picks: walk.picks,
        left_out: walk.left_out,
    }
}

/// A place in the walk.
pub(super) struct Here<'p> {
    /// The path so far; empty at a root.
    pub(super) path: &'p str,
    /// The name so far; empty at a root.
    pub(super) name: &'p str,
    /// Whether values here become fields if they are included, unless they are excluded or taken.
    pub(super) is_field: bool,
    /// Whether everything here is included.
    pub(super) is_included: bool,
    /// Whether only values that the mapping names are written: in an element of an outer list.
    pub(super) is_on_the_way: bool,
}

pub(super) struct Walk<'a> {
    pub(super) wanted: &'a Wanted<'a>,
    pub(super) side: Side,
    /// The next free slot.
    pub(super) next: u16,
    pub(super) fields: Vec<LaidField>,
    /// Index in `fields` at which those of the next list's elements are inserted.
    pub(super) points_at: usize,
    pub(super) slots: BTreeMap<Path, SlotIdx>,
    pub(super) names: BTreeMap<Path, String>,
    problems: Vec<(u32, String)>,
    schema_problems: Vec<(u32, String)>,
    /// Members visited so far.
    members_count: usize,
    pub(super) patterns: Patterns<'a>,
    /// Elements of lists that have a slot of their own.
    pub(super) picks: Vec<(Side, Pick)>,
    left_out: Vec<String>,
    /// The records that contain the current position.
    ancestors: Vec<RecordIdx>,
    /// Whether a record that is too deep has been reported.
    is_too_deep: bool,
}

impl Walk<'_> {
    /// Lays one record out.
    pub(super) fn record(
        &mut self,
        index: RecordIdx,
        here: &Here<'_>,
        presence: Option<SlotIdx>,
    ) -> RecordLayout {
        let start = self.next;
        let mut layout = RecordLayout {
            slots: start..start,
            presence,
            members: Vec::new(),
            implicit: Implicit::default(),
        };
        self.ancestors.push(index);
        let shape = self.wanted.shape;
        for (at, member) in shape.records[index.0].members.iter().enumerate() {
            if !self.may_go_on() {
                break;
            }
            if let Some(place) = self.member(member, here) {
                if let (Place::Slot(slot, scalar), Presence::Implicit) = (&place, member.presence) {
                    layout.implicit.add(*slot, scalar);
                }
                layout.members.push((at, place));
            }
        }
        self.ancestors.pop();
        layout.slots.end = self.next;
        layout
    }

    /// Counts a member; false if there are too many, which is reported once.
    fn may_go_on(&mut self) -> bool {
        self.members_count += 1;
        if self.members_count == MEMBERS_MAX + 1 {
            let what = format!(
                "more than {MEMBERS_MAX} paths lead through the schema; exclude the records that \
                 lead to many others with `fields.exclude`"
            );
            self.problems.push((self.line(), what));
        }
        self.members_count <= MEMBERS_MAX
    }

    /// Lays one member out, if anything of it is wanted.
    fn member(&mut self, member: &Member, here: &Here<'_>) -> Option<Place> {
        let path = join(here.path, &paths::quoted(&member.name), '.');
        let key = (self.side, path.clone());
        let name = match self.patterns.name_of(&key) {
            Some(name) => name.to_owned(),
            None => join(here.name, &member.name, '_'),
        };
        if self.is_points(&path) {
            self.points_at = self.fields.len();
            return Some(Place::Points);
        }
        let is_included = self.patterns.includes(&key) || here.is_included;
        let is_excluded = self.patterns.excludes(&key);
        let may_be = here.is_field && !is_excluded && !self.wanted.taken.contains(&key);
        let is_field = may_be && (is_included || self.wanted.named.contains(&key));
        let is_wanted = self.wanted.paths.contains(&key);
        self.names.insert(key.clone(), name.clone());
        match &member.kind {
            Kind::Record(inner) => {
                let is_inside = self.ancestors.contains(inner);
                let holds_included = may_be && self.patterns.may_include_below(&key, is_inside);
                if !is_field && !is_wanted && !holds_included && !self.is_wanted_below(&path) {
                    return None;
                }
                let here = Here {
                    path: &path,
                    name: &name,
                    is_field: may_be,
                    is_included,
                    is_on_the_way: here.is_on_the_way,
                };
                self.nested(*inner, &here, key)
            }
            Kind::Unsupported(unsupported) if unsupported.is_always_null => None,
            Kind::Records(_) | Kind::RecordMap { .. } | Kind::Unsupported(_) if is_field => {
                self.refuse(&path, member);
                None
            }
            Kind::Records(_) | Kind::RecordMap { .. } | Kind::Unsupported(_) => None,
            Kind::List(scalar) => {
                let inside = Here { path: &path, name: &name, is_field, ..*here };
                self.list(scalar, &inside, is_wanted)
            }
            kind if is_field || is_wanted => {
                let form = is_field.then(|| self.form(kind)).flatten();
                self.value(kind, key, name, form, is_wanted)
            }
            _ => {
                if may_be && here.is_on_the_way && self.patterns.include_all() {
                    self.left_out.push(path);
                }
                None
            }
        }
    }

    /// Lays a nested record out.
    fn nested(&mut self, inner: RecordIdx, here: &Here<'_>, key: Path) -> Option<Place> {
        let line = self.line();
        let record = &self.wanted.shape.records[inner.0].name;
        if here.is_field && here.is_included && self.ancestors.contains(&inner) {
            self.problems.push((
                line,
                format!(
                    "`{}` contains itself ({record}); add \"{}\" to `fields.exclude`",
                    here.path, here.path
                ),
            ));
            return None;
        }
        if self.ancestors.len() >= self.wanted.depth_max {
            // Reported once, because a record that is too deep has many neighbours that are too.
            if std::mem::replace(&mut self.is_too_deep, true) {
                return None;
            }
            self.problems.push((
                line,
                format!(
                    "`{}` nests deeper than {}; add \"{}\" to `fields.exclude`",
                    here.path, self.wanted.depth_max, here.path
                ),
            ));
            return None;
        }
        let presence = self.take(1)?;
        self.slots.insert(key, presence);
        Some(Place::Record(self.record(inner, here, Some(presence))))
    }

    /// Gives a value its slot.
    fn value(
        &mut self,
        kind: &Kind,
        key: Path,
        name: String,
        form: Option<FieldForm>,
        is_wanted: bool,
    ) -> Option<Place> {
        if form.is_none() && !is_wanted {
            return None;
        }
        let with_digits = Kind::Scalar(Scalar::Digits);
        let kind = if self.wanted.digits.contains(&key) { &with_digits } else { kind };
        let slots = if let Kind::Scalar(scalar) = kind { scalar.slots() } else { 1 };
        let slot = self.take(slots)?;
        self.slots.insert(key.clone(), slot);
        if let Some(form) = form {
            let convert = self.patterns.conversion_of(&key);
            self.fields.push(LaidField {
                path: key.1,
                name,
                slot,
                form,
                convert,
                picked: Vec::new(),
            });
        }
        match kind {
            Kind::Scalar(scalar) => Some(Place::Slot(slot, scalar.clone())),
            Kind::List(scalar) => Some(Place::List(slot, scalar.clone())),
            Kind::Map { key, value } => {
                Some(Place::Map { slot, key: key.clone(), value: value.clone() })
            }
            Kind::Record(_) | Kind::Records(_) | Kind::RecordMap { .. } | Kind::Unsupported(_) => {
                None
            }
        }
    }

    /// How a value is written; `None` if the mapping leaves it out.
    pub(super) fn form(&self, kind: &Kind) -> Option<FieldForm> {
        let is_json = self.wanted.text.repeated == RepeatedForm::Json;
        let skips = |scalar: &Scalar| {
            matches!(scalar, Scalar::Bytes) && self.wanted.text.bytes == BytesForm::Skip
        };
        match kind {
            Kind::Scalar(scalar) | Kind::List(scalar) | Kind::Map { value: scalar, .. }
                if skips(scalar) =>
            {
                None
            }
            Kind::Scalar(scalar) => Some(FieldForm::Scalar(scalar.clone())),
            Kind::List(scalar) if is_json => Some(FieldForm::JsonList(scalar.clone())),
            Kind::List(scalar) => Some(FieldForm::SpreadList(scalar.clone())),
            Kind::Map { key, value } if is_json => {
                Some(FieldForm::JsonMap(key.clone(), value.clone()))
            }
            Kind::Map { key, value } => Some(FieldForm::SpreadMap(key.clone(), value.clone())),
            Kind::Record(_) | Kind::Records(_) | Kind::RecordMap { .. } | Kind::Unsupported(_) => {
                None
            }
        }
    }

    /// Takes the next free slots.
    pub(super) fn take(&mut self, count: u16) -> Option<SlotIdx> {
        let slot = SlotIdx(self.next);
        if self.next + count > SLOTS_MAX {
            let what = format!("more than {SLOTS_MAX} values; exclude some with `fields.exclude`");
            if !self.problems.iter().any(|(_, told)| *told == what) {
                self.problems.push((self.line(), what));
            }
            return None;
        }
        self.next += count;
        Some(slot)
    }

    /// The mapping's own line.
    fn line(&self) -> u32 {
        self.wanted.text.line
    }

    /// The next list of `points`, if it lies in the record that is walked.
    fn next_level(&self) -> Option<&PointsLevel> {
        let next = match self.side {
            Side::Message => 0,
            Side::Element(level) => usize::from(level) + 1,
        };
        self.wanted.levels.get(next)
    }

    /// Whether a path is that of the next list of `points`.
    fn is_points(&self, path: &str) -> bool {
        self.next_level().is_some_and(|next| next.name == path)
    }

    /// Whether something below a path is wanted.
    fn is_wanted_below(&self, path: &str) -> bool {
        let is_below =
            |other: &str| other.strip_prefix(path).is_some_and(|rest| rest.starts_with('.'));
        self.next_level().is_some_and(|next| is_below(&next.name))
            || self.wanted.paths.iter().any(|(side, other)| *side == self.side && is_below(other))
    }

    /// Reports a member that cannot be written in a line.
    fn refuse(&mut self, path: &str, member: &Member) {
        // Until `points` is right it is not known which lists must be excluded.
        let is_list = matches!(member.kind, Kind::Records(_) | Kind::RecordMap { .. });
        if is_list && self.wanted.text.points.is_some() && self.wanted.levels.is_empty() {
            return;
        }
        let full = match self.side {
            Side::Message => path.to_owned(),
            Side::Element(level) => join(&self.wanted.levels[usize::from(level)].full, path, '.'),
        };
        let points = match member.kind {
            // A line has no place for a list other than those that `points` names.
            Kind::Records(_) | Kind::RecordMap { .. } if self.next_level().is_none() => {
                format!("name it in `points = \"{full}\"`, or ")
            }
            _ => String::new(),
        };
        if let Kind::Unsupported(Unsupported { what, line: Some(line), .. }) = &member.kind {
            // Some reasons name a remedy already; exclusion is the alternative.
            let or = match what.ends_with('?') {
                true => " Or",
                false if what.contains("; ") => ", or",
                false => ";",
            };
            let what = format!("`{path}` {what}{or} add \"{path}\" to `fields.exclude`");
            return self.schema_problems.push((*line, what));
        }
        let what = format!("`{path}` {}; {points}add \"{path}\" to `fields.exclude`", is_a(member));
        self.problems.push((self.line(), what));
    }
}

/// Joins a path or a name.
pub(super) fn join(before: &str, name: &str, with: char) -> String {
    if before.is_empty() { name.to_owned() } else { format!("{before}{with}{name}") }
}
