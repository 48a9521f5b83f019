//! Builds the plan from a mapping's text and its schema.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    alarm::AlarmDraft,
    constant::Constants,
    lay::{self, Laid, LaidField, Wanted},
    paths::{self, Path, Paths, Side},
    slots::slot_plan,
    time::TimeOrigin,
    unique::Names,
    warnings,
    when::{self, Expr},
};
use crate::{
    mapping::{
        Conversion, Field, FieldForm, Filter, Layout, PlanAlarm, SlotIdx, SlotPlan, Source, Tag,
        Time,
        file::{Format, MappingText, Placed},
        topic::TopicPattern,
    },
    model::line::{self, Label},
    schema::{Kind, Problem, Scalar, Shape, Top},
};

/// The parts of a plan that do not depend on the format.
#[derive(Debug)]
pub(crate) struct Compiled {
    pub(crate) layout: Layout,
    pub(crate) slots: SlotPlan,
    pub(crate) filter: Option<Filter>,
    pub(crate) vehicle: Source,
    pub(crate) vehicle_tag: Option<usize>,
    pub(crate) tags: Vec<Tag>,
    pub(crate) time: Option<Time>,
    pub(crate) fields: Vec<Field>,
    pub(crate) constants: Constants,
    pub(crate) alarms: Vec<PlanAlarm>,
    /// The probe: the filter with a layout of its own.
    pub(crate) probe: Option<CompiledProbe>,
    /// What is allowed and most likely not intended.
    pub(crate) warnings: LineProblems,
}

/// A filter with a layout of its own.
#[derive(Debug)]
pub(crate) struct CompiledProbe {
    pub(crate) layout: Layout,
    pub(crate) slots: SlotPlan,
    pub(crate) filter: Filter,
    pub(crate) levels_asked: usize,
}

/// What is wrong: the line of the mapping file and what to tell.
pub(crate) type LineProblems = Vec<(u32, String)>;

/// Everything that is wrong with a mapping.
#[derive(Debug, Default)]
pub(crate) struct Refused {
    /// By lines of the mapping file.
    pub(crate) of_mapping: LineProblems,
    /// By lines of the schema file: values that the mapping needs and no field can hold.
    pub(crate) of_schema: LineProblems,
    /// Problems of its alarms, which may be in other files.
    pub(crate) of_alarms: Vec<Problem>,
}

/// Compiles a mapping against a shape.
///
/// # Errors
/// Everything that is wrong with it.
pub(crate) fn compile(
    text: &MappingText,
    topic: &TopicPattern,
    shape: &Shape,
    depth_max: usize,
    alarms: &[AlarmDraft<'_>],
) -> Result<Compiled, Refused> {
    let mut build = Build {
        text,
        topic,
        paths: Paths { shape, levels: Vec::new() },
        wanted: BTreeSet::new(),
        taken: BTreeSet::new(),
        digits: BTreeSet::new(),
        told: Vec::new(),
        told_of_alarms: Vec::new(),
    };
    build.paths.levels = build.points();
    let vehicle = build.vehicle();
    let tags: Vec<_> = text.tags.iter().map(|tag| (tag.clone(), build.tag(tag))).collect();
    let time = build.time();
    let keys = build.point_keys().into_iter();
    let keys = keys.map(|(text, path, scalar)| (text, Some(Origin::Field(path, scalar))));
    let tags: Vec<_> = tags.into_iter().chain(keys).collect();
    let when = build.when();
    build.want_alarms(alarms);
    let laid = lay::lay(&Wanted {
        text,
        shape,
        levels: &build.paths.levels.clone(),
        is_top: shape.top != Top::Record,
        named: build.named(),
        key_field: build.key_field(),
        paths: build.wanted.clone(),
        taken: build.taken.clone(),
        digits: build.digits.clone(),
        depth_max,
        is_probe: false,
    });
    build.told.extend(laid.problems.iter().cloned());
    let lines: Vec<u32> = tags.iter().map(|(tag, _)| tag.line).collect();
    let tags = tags.into_iter().filter_map(|(tag, origin)| build.tag_plan(&tag, origin?, &laid));
    let tags: Vec<(Tag, Origin)> = tags.collect();
    let filter = when.as_ref().and_then(|expr| build.filter(expr, &laid));
    let alarms = build.alarms(alarms, &laid);
    let mut names = Names::default();
    let fields = build.fields(&laid, tags.iter().map(|(tag, _)| tag).zip(lines), &mut names);
    let constant_tags = build.constant_tags(&mut names);
    let constants = build.constants(&mut names);
    if let Some(refused) = build.refused(&laid) {
        return Err(refused);
    }
    let vehicle = vehicle.expect("without a vehicle there is a problem");
    let vehicle_tag = tags.iter().position(|(_, origin)| *origin == vehicle);
    if vehicle_tag.is_none() {
        let name = text.vehicle.value.trim_matches(['{', '}']);
        let what = format!("no tag tells the vehicles apart; add \"{name}\" to `tags`");
        let of_mapping = vec![(text.vehicle.line, what)];
        return Err(Refused { of_mapping, ..Refused::default() });
    }
    let warnings = build.warnings(&tags, time.as_ref(), &laid);
    let time = time.and_then(|time| time.time(&laid));
    let probe = when.and_then(|expr| build.probe(&expr, depth_max));
    Ok(Compiled {
        probe,
        slots: slot_plan(&laid),
        vehicle: vehicle.source(&laid.slots),
        vehicle_tag,
        tags: tags.into_iter().map(|(tag, _)| tag).chain(constant_tags).collect(),
        time,
        filter,
        fields,
        constants,
        alarms,
        layout: laid.layout,
        warnings,
    })
}

/// Where a text comes from, before slots are known.
#[derive(Clone, Debug)]
enum Origin {
    /// A level of the topic.
    Capture(usize),
    Field(Path, Scalar),
}

impl PartialEq for Origin {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Capture(one), Self::Capture(other)) => one == other,
            (Self::Field(one, _), Self::Field(other, _)) => one == other,
            (Self::Capture(_), Self::Field(..)) | (Self::Field(..), Self::Capture(_)) => false,
        }
    }
}

impl Origin {
    fn source(&self, slots: &BTreeMap<Path, SlotIdx>) -> Source {
        match self {
            Self::Capture(level) => Source::Capture(*level),
            Self::Field(path, scalar) => Source::Slot(slots[path], scalar.clone()),
        }
    }
}

/// Whether a text is used as a tag or as the vehicle.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Use {
    Vehicle,
    Tag,
}

/// One compilation.
pub(super) struct Build<'a> {
    pub(super) text: &'a MappingText,
    pub(super) topic: &'a TopicPattern,
    pub(super) paths: Paths<'a>,
    pub(super) wanted: BTreeSet<Path>,
    pub(super) taken: BTreeSet<Path>,
    /// JSON numbers whose digits are needed.
    pub(super) digits: BTreeSet<Path>,
    pub(super) told: LineProblems,
    pub(super) told_of_alarms: Vec<Problem>,
}

impl<'a> Build<'a> {
    /// The problems that were found, if there are any.
    fn refused(&mut self, laid: &Laid) -> Option<Refused> {
        let of_schema = laid.schema_problems.clone();
        let of_mapping = std::mem::take(&mut self.told);
        let of_alarms = std::mem::take(&mut self.told_of_alarms);
        let refused = Refused { of_mapping, of_schema, of_alarms };
        let Refused { of_mapping, of_schema, of_alarms } = &refused;
        let is_right = of_mapping.is_empty() && of_schema.is_empty() && of_alarms.is_empty();
        (!is_right).then_some(refused)
    }

    /// Fields of the outer lists of `points` that the mapping names or converts.
    fn named(&self) -> BTreeSet<Path> {
        let renames = self.text.fields.rename.iter().map(|rename| &rename.path);
        let converts = self.text.convert.iter().map(|convert| &convert.path);
        let included = self.text.fields.include.iter();
        let all = renames.chain(converts).chain(included);
        all.filter_map(|path| Some(self.paths.find(&path.value).ok()?.path)).collect()
    }

    /// The key of a map of points, if it is a field.
    fn key_field(&self) -> Option<Path> {
        let key = self.text.point_key.as_ref().filter(|key| key.is_field)?;
        Some(self.paths.find(&key.name.value).ok()?.path)
    }

    /// What is allowed and most likely not intended.
    fn warnings(
        &self,
        tags: &[(Tag, Origin)],
        time: Option<&TimeOrigin>,
        laid: &Laid,
    ) -> LineProblems {
        let times = time.iter().flat_map(|time| {
            let plus = time.plus.iter().map(|plus| &plus.path);
            plus.chain([&time.base.path])
        });
        let times: Vec<&Path> = times.collect();
        let tagged = tags.iter().filter_map(|(_, origin)| match origin {
            Origin::Field(path, _) => Some(path),
            Origin::Capture(_) => None,
        });
        let mut warnings = warnings::of_points(self.text, tagged, &times, &self.paths.levels);
        warnings.extend(self.left_out(&laid.left_out));
        warnings
    }

    /// What identifies the vehicle.
    fn vehicle(&mut self) -> Option<Origin> {
        let text = &self.text.vehicle;
        let origin = self.origin(text, "vehicle", Use::Vehicle)?;
        if let Origin::Field((Side::Element(_), path), _) = &origin {
            self.told.push((
                text.line,
                format!(
                    "`vehicle`: `{path}` is a field of a point; a message has one vehicle, so name \
                     a capture or a field of the message"
                ),
            ));
            return None;
        }
        Some(origin)
    }

    /// Where a tag comes from.
    fn tag(&mut self, text: &Placed<String>) -> Option<Origin> {
        self.origin(text, "tags", Use::Tag)
    }

    /// A capture, or a payload field.
    fn origin(&mut self, text: &Placed<String>, key: &str, used: Use) -> Option<Origin> {
        let braced = text.value.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
        if let Some(level) = self.topic.capture(braced.unwrap_or(&text.value)) {
            return Some(Origin::Capture(level));
        }
        if let Some(name) = braced {
            let known: Vec<&str> = self.topic.captures().collect();
            let hint = if known.is_empty() {
                "it has no captures".to_owned()
            } else {
                format!("it has {}", known.join(", "))
            };
            let what = format!("`{key}`: the topic has no capture `{{{name}}}`; {hint}");
            self.told.push((text.line, what));
            return None;
        }
        let (path, kind) = self.take(text, key)?;
        let fits = match &kind {
            Kind::Scalar(Scalar::String | Scalar::Integer | Scalar::Unsigned) => true,
            Kind::Scalar(Scalar::Enum(_) | Scalar::Boolean) => used == Use::Tag,
            _ => false,
        };
        match kind {
            Kind::Scalar(scalar) if fits => Some(Origin::Field(path, scalar)),
            _ => {
                let may = match used {
                    Use::Vehicle => "a string or an integer",
                    Use::Tag => "a string, an enum, an integer or a boolean",
                };
                let found = self.paths.find(&text.value);
                let found = found.map(|found| self.paths.is_a(&text.value, &found.member));
                let is = found.unwrap_or_default();
                self.told
                    .push((text.line, format!("`{key}`: `{}` {is}; it must be {may}", text.value)));
                None
            }
        }
    }

    /// Resolves a path, which then is not a field.
    pub(super) fn take(&mut self, text: &Placed<String>, key: &str) -> Option<(Path, Kind)> {
        match self.paths.find(&text.value) {
            Ok(found) => {
                self.wanted.insert(found.path.clone());
                self.taken.insert(found.path.clone());
                Some((found.path, found.member.kind))
            }
            Err(what) => {
                let captures: Vec<&str> = self.topic.captures().collect();
                let captures = match (key, captures.is_empty()) {
                    ("time" | "plus", _) | (_, true) => String::new(),
                    _ => format!(" (captures: {})", captures.join(", ")),
                };
                self.told.push((text.line, format!("`{key}`: {what}{captures}")));
                None
            }
        }
    }

    /// The filter's expression; its paths get slots but stay fields.
    fn when(&mut self) -> Option<Expr> {
        let when = self.text.when.as_ref()?;
        let expr = match when::parse(&when.value) {
            Ok(expr) => expr,
            Err(what) => {
                self.told.push((when.line, what));
                return None;
            }
        };
        let mut paths = Vec::new();
        expr.paths(&mut paths);
        let mut is_known = true;
        for path in paths {
            match self.paths.find(path) {
                Ok(found) => {
                    self.wanted.insert(found.path);
                }
                Err(what) => {
                    self.told.push((when.line, format!("`when`: {what}")));
                    is_known = false;
                }
            }
        }
        is_known.then_some(expr)
    }

    /// The probe: the filter with a layout of its own.
    fn probe(&mut self, expr: &Expr, depth_max: usize) -> Option<CompiledProbe> {
        let mut asked = Vec::new();
        expr.paths(&mut asked);
        let found = asked.iter().filter_map(|path| self.paths.find(path).ok());
        let paths: BTreeSet<Path> = found.map(|found| found.path).collect();
        let asked = paths.iter().map(|(side, _)| match side {
            Side::Message => 0,
            Side::Element(level) => usize::from(*level) + 1,
        });
        let levels_asked = asked.max().unwrap_or(0);
        let laid = lay::lay(&Wanted {
            text: self.text,
            shape: self.paths.shape,
            levels: &self.paths.levels,
            is_top: self.paths.shape.top != Top::Record,
            named: BTreeSet::new(),
            key_field: None,
            paths,
            taken: BTreeSet::new(),
            digits: BTreeSet::new(),
            depth_max,
            is_probe: true,
        });
        let filter = self.filter(expr, &laid)?;
        Some(CompiledProbe { slots: slot_plan(&laid), layout: laid.layout, filter, levels_asked })
    }

    /// The filter over slots.
    fn filter(&mut self, expr: &Expr, laid: &Laid) -> Option<Filter> {
        match self.lower(expr, laid) {
            Ok(filter) => Some(filter),
            Err(what) => {
                let line = self.text.when.as_ref().map_or(self.text.line, |when| when.line);
                self.told.push((line, what));
                None
            }
        }
    }

    /// An expression over slots.
    ///
    /// # Errors
    /// What to tell the operator.
    pub(super) fn lower(&self, expr: &Expr, laid: &Laid) -> Result<Filter, String> {
        expr.lower(&|path: &str| {
            let found = self.paths.find(path).ok()?;
            let slot = laid.slots.get(&found.path)?;
            Some((*slot, found.member.kind))
        })
    }

    /// A tag with its key.
    fn tag_plan(
        &mut self,
        text: &Placed<String>,
        origin: Origin,
        laid: &Laid,
    ) -> Option<(Tag, Origin)> {
        let name = match &origin {
            Origin::Capture(_) => text.value.trim_matches(['{', '}']).to_owned(),
            Origin::Field(path, _) => laid.names.get(path)?.clone(),
        };
        let source = match &origin {
            Origin::Capture(level) => Source::Capture(*level),
            Origin::Field(path, scalar) => Source::Slot(*laid.slots.get(path)?, scalar.clone()),
        };
        Some((Tag { key: key_label(&name, b'='), name: name.into(), source }, origin))
    }

    /// The fields with their keys, and every check of names against each other.
    fn fields<'t>(
        &mut self,
        laid: &Laid,
        tags: impl Iterator<Item = (&'t Tag, u32)>,
        names: &mut Names,
    ) -> Vec<Field> {
        for (tag, line) in tags {
            let what = names.add(&tag.name, &format!("the tag `{}`", tag.name));
            self.told.extend(what.map(|what| (line, what)));
        }
        for field in &laid.fields {
            let who = format!("the field `{}`", field.path);
            let what = names.add_field(field, &who);
            let line = self.line_of(&field.path);
            self.told.extend(what.map(|what| (line, what)));
        }
        let is_mapped = self.text.format.value != Format::LineProtocol;
        let is_told = !self.told.is_empty() || !laid.schema_problems.is_empty();
        if is_mapped && laid.fields.is_empty() && !is_told {
            let what = "no field is left to write; exclude less, or include more".to_owned();
            self.told.push((self.text.line, what));
        }
        laid.fields.iter().map(|field| field_plan(field, self.conversion(field))).collect()
    }

    /// The line to name for a field: its rename, or the mapping's.
    fn line_of(&self, path: &str) -> u32 {
        let plain = paths::unquoted(path);
        let mut all = self.text.fields.rename.iter();
        let is_its = |written: &str| written == path || plain.as_deref() == Some(written);
        let rename = all.find(|rename| is_its(&rename.path.value));
        rename.map_or(self.text.line, |rename| rename.path.line)
    }
}

/// `,key=`, or another end, of a tag or a field.
pub(super) fn key_label(name: &str, end: u8) -> Label {
    let mut key = vec![b','];
    line::push_key(&mut key, name.as_bytes());
    key.push(end);
    Label::new(&key)
}

/// A field with its key.
fn field_plan(field: &LaidField, conversion: Option<Conversion>) -> Field {
    let end = match field.form {
        FieldForm::SpreadList(_) | FieldForm::SpreadMap(..) => b'_',
        FieldForm::Scalar(_) | FieldForm::JsonList(_) | FieldForm::JsonMap(..) => b'=',
    };
    Field {
        key: key_label(&field.name, end),
        name: field.name.as_str().into(),
        slot: field.slot,
        form: field.form.clone(),
        conversion: conversion.map(Box::new),
        picked: field.picked.as_slice().into(),
    }
}
