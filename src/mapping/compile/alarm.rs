//! Alarms of a mapping: their conditions and the values of their actions, over the mapping's slots.

use std::sync::Arc;

use super::{
    build::Build,
    lay::Laid,
    when::{self, Expr},
};
use crate::{
    mapping::{
        PlanAlarm, Source, Template,
        file::{ActionText, AlarmText, Format},
    },
    schema::{Kind, Problem, Scalar},
};

/// An alarm whose texts are parsed.
#[derive(Debug)]
pub(crate) struct AlarmDraft<'a> {
    pub(crate) text: &'a AlarmText,
    pub(crate) template: Template,
    expr: Expr,
}

impl<'a> AlarmDraft<'a> {
    /// Parses the texts.
    ///
    /// # Errors
    /// The one that is wrong.
    pub(crate) fn new(text: &'a AlarmText) -> Result<Self, Problem> {
        let told =
            |line: u32, what: String| Problem { file: text.file.clone(), line: Some(line), what };
        let expr = when::parse(&text.when.value).map_err(|what| told(text.when.line, what))?;
        let template = match (&text.fields, &text.action) {
            (Some(fields), _) => Template::parse(&fields.value).map_err(|(field, what)| {
                told(fields.line, format!("`fields`: field `{field}` {what}"))
            })?,
            (None, ActionText::Command(_)) => Template::default(),
            (None, ActionText::Publish { .. }) => {
                let mut paths = Vec::new();
                expr.paths(&mut paths);
                paths.sort_unstable();
                paths.dedup();
                Template::of_columns(paths.into_iter())
            }
        };
        Ok(Self { text, template, expr })
    }
}

impl Build<'_> {
    /// Requests slots for the paths that the alarms use; fields and tags stay what they are.
    pub(super) fn want_alarms(&mut self, alarms: &[AlarmDraft<'_>]) {
        for alarm in alarms {
            if self.text.format.value == Format::LineProtocol {
                let what =
                    "`mapping` is of line protocol, which is written as sent and never tested";
                self.tell_alarm(alarm, alarm.text.mapping.line, what.to_owned());
                continue;
            }
            let mut asked = Vec::new();
            alarm.expr.paths(&mut asked);
            for path in asked {
                self.want(alarm, path, alarm.text.when.line, "when");
            }
            let line = alarm.text.fields.as_ref().map_or(alarm.text.line, |fields| fields.line);
            for column in alarm.template.columns() {
                if self.topic.capture(column).is_none() {
                    self.want(alarm, column, line, "fields");
                }
            }
        }
    }

    fn want(&mut self, alarm: &AlarmDraft<'_>, path: &str, line: u32, key: &str) {
        match self.paths.find(path) {
            Ok(found) => {
                self.wanted.insert(found.path);
            }
            Err(what) => self.tell_alarm(alarm, line, format!("`{key}`: {what}")),
        }
    }

    fn tell_alarm(&mut self, alarm: &AlarmDraft<'_>, line: u32, what: String) {
        let file = alarm.text.file.clone();
        self.told_of_alarms.push(Problem { file, line: Some(line), what });
    }

    /// The alarms over slots, in their order; problems are noted.
    pub(super) fn alarms(&mut self, alarms: &[AlarmDraft<'_>], laid: &Laid) -> Vec<PlanAlarm> {
        if !self.told_of_alarms.is_empty() {
            return Vec::new();
        }
        alarms.iter().filter_map(|alarm| self.alarm(alarm, laid)).collect()
    }

    fn alarm(&mut self, alarm: &AlarmDraft<'_>, laid: &Laid) -> Option<PlanAlarm> {
        let text = alarm.text;
        let filter = match self.lower(&alarm.expr, laid) {
            Ok(filter) => filter,
            Err(what) => {
                self.tell_alarm(alarm, text.when.line, what);
                return None;
            }
        };
        let line = text.fields.as_ref().map_or(text.line, |fields| fields.line);
        let mut values: Vec<(Arc<str>, Source)> = Vec::new();
        for column in alarm.template.columns() {
            let source = match self.topic.capture(column) {
                Some(level) => Source::Capture(level),
                None => match self.value(column, laid) {
                    Some((slot, scalar)) => Source::Slot(slot, scalar),
                    None => {
                        let what = format!("`fields`: `{column}` is not a single value");
                        self.tell_alarm(alarm, line, what);
                        return None;
                    }
                },
            };
            values.push((column.into(), source));
        }
        Some(PlanAlarm {
            name: text.name.value.as_str().into(),
            filter,
            max_age_nanos: i64::try_from(text.max_age.as_nanos()).unwrap_or(i64::MAX),
            values: values.into(),
        })
    }

    fn value(&self, path: &str, laid: &Laid) -> Option<(crate::mapping::SlotIdx, Scalar)> {
        let found = self.paths.find(path).ok()?;
        let slot = laid.slots.get(&found.path)?;
        match found.member.kind {
            // Where digits are asked for beside, both lie in the slots.
            Kind::Scalar(scalar) => Some((*slot, scalar)),
            _ => None,
        }
    }
}
