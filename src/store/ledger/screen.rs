//! Checks a batch of lines against the rules of its store and the ledger.

use std::{collections::BTreeSet, sync::PoisonError, time::Duration};

use super::{
    Ledger,
    compare::{Comparison, compare, without_line_feeds},
    table::{Tables, table_of},
};
use crate::{
    model::{StoreNames, line::lines},
    store::{
        Unsendable,
        tdengine::{LineCheck, LineRules},
    },
};

/// A screened batch.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Screened {
    /// The lines that may be sent; some may have converted values.
    pub lines: Vec<u8>,
    /// The other lines, each with the reason.
    pub refused: Vec<(Vec<u8>, Unsendable)>,
    /// Whether some of the lines have columns that are not known: such requests take turns.
    pub grows: bool,
    /// Whether a refusal without a message means a race, and hardly ever a bad line.
    pub races: bool,
    /// The offset from which on the lines are of a kind that the store refused before. Their types
    /// may be right in another range of time, or somebody may have corrected their table. So they
    /// are sent, in a separate request.
    pub suspects_from: Option<usize>,
    /// The rules with which it was screened.
    pub(in crate::store) rules: LineRules,
}

/// The result of a pass over a batch.
pub(in crate::store) struct Pass {
    /// The lines that may be sent; `None` if all lines may be sent unchanged.
    pub(in crate::store) kept: Option<Vec<u8>>,
    pub(in crate::store) refused: Vec<(Vec<u8>, Unsendable)>,
    pub(in crate::store) grows: bool,
    /// Tables with which lines conflict, but the knowledge about them is too old.
    pub(in crate::store) doubted: BTreeSet<String>,
}

impl Ledger {
    /// Checks every line once.
    pub(in crate::store) fn screen(&self, body: &[u8], rules: LineRules, now: Duration) -> Pass {
        let tables = self.tables.read().unwrap_or_else(PoisonError::into_inner);
        let mut walk = Walk {
            names: self.names,
            tables: &tables,
            rules,
            now,
            shape: Vec::new(),
            known_shape: Vec::new(),
            new_shapes: Vec::new(),
            doubted: BTreeSet::new(),
            grows: false,
        };
        let mut kept: Option<Vec<u8>> = None;
        let mut refused = Vec::new();
        let mut passed = 0;
        for line in lines(body) {
            let found = walk.line(line);
            if !matches!(found, Found::AsIs) && kept.is_none() {
                kept = Some(body[..passed].to_vec());
            }
            passed += line.len();
            match (found, &mut kept) {
                (Found::AsIs, Some(kept)) => kept.extend_from_slice(line),
                (Found::AsIs, None) => {}
                (Found::Written(anew), Some(kept)) => kept.extend_from_slice(&anew),
                (Found::Unsendable(why), _) => refused.push((line.to_vec(), why)),
                (Found::Written(_), None) => unreachable!("what deviates is kept apart"),
            }
        }
        let Walk { new_shapes, doubted, grows, .. } = walk;
        drop(tables);
        if !new_shapes.is_empty() {
            let mut tables = self.tables.write().unwrap_or_else(PoisonError::into_inner);
            for (name, shape) in new_shapes {
                tables.entry(&name).remember(shape);
            }
        }
        Pass { kept, refused, grows, doubted }
    }

    /// The lines, with conflicting ones moved to the end, and the offset at which these begin;
    /// values are converted to the store's type if that loses nothing. `None` if nothing changes.
    pub(in crate::store) fn parted(&self, body: &[u8]) -> Option<(Vec<u8>, usize)> {
        let tables = self.tables.read().unwrap_or_else(PoisonError::into_inner);
        if tables.is_empty() {
            return None;
        }
        let (mut fit, mut suspect) = (Vec::with_capacity(body.len()), Vec::new());
        let mut has_cast = false;
        for line in lines(body) {
            let Some(table) = tables.get(&table_of(self.names, line)) else {
                fit.extend_from_slice(line);
                continue;
            };
            match compare(line, Some(table)) {
                Comparison::Conflicts(_) => suspect.extend_from_slice(line),
                Comparison::Casts(anew) => {
                    has_cast = true;
                    fit.extend_from_slice(&anew);
                }
                Comparison::Fits | Comparison::Grows | Comparison::Refused(_) => {
                    fit.extend_from_slice(line);
                }
            }
        }
        if suspect.is_empty() && !has_cast {
            return None;
        }
        let at = fit.len();
        fit.append(&mut suspect);
        Some((fit, at))
    }

    /// The tables to which these lines add columns.
    pub(super) fn growing(&self, body: &[u8]) -> BTreeSet<String> {
        let tables = self.tables.read().unwrap_or_else(PoisonError::into_inner);
        let mut growing = BTreeSet::new();
        for line in lines(body) {
            let name = table_of(self.names, line);
            if growing.contains(&name) {
                continue;
            }
            if !matches!(compare(line, tables.get(&name)), Comparison::Fits) {
                growing.insert(name);
            }
        }
        growing
    }
}

enum Found {
    AsIs,
    Written(Vec<u8>),
    Unsendable(Unsendable),
}

struct Walk<'a> {
    names: StoreNames,
    tables: &'a Tables,
    rules: LineRules,
    now: Duration,
    /// The shape of the current line, and of the last one that is known to fit.
    shape: Vec<u8>,
    known_shape: Vec<u8>,
    /// Shapes that turned out to fit.
    new_shapes: Vec<(String, Box<[u8]>)>,
    doubted: BTreeSet<String>,
    grows: bool,
}

impl Walk<'_> {
    fn line(&mut self, line: &[u8]) -> Found {
        match self.rules.look(line, &mut self.shape) {
            Err(why) => Found::Unsendable(why),
            Ok(LineCheck::Fit) => self.compared(line),
            Ok(LineCheck::HasLineFeeds) => {
                let spaced = without_line_feeds(line);
                match self.compared(&spaced) {
                    Found::AsIs => Found::Written(spaced),
                    found => found,
                }
            }
        }
    }

    fn compared(&mut self, line: &[u8]) -> Found {
        if self.shape == self.known_shape {
            return Found::AsIs;
        }
        let name = table_of(self.names, line);
        let table = self.tables.get(&name);
        if table.is_some_and(|table| table.shapes.contains(self.shape.as_slice())) {
            self.known_shape.clone_from(&self.shape);
            return Found::AsIs;
        }
        if let Some(why) = self.rules.refuses_names(line) {
            return Found::Unsendable(why);
        }
        match compare(line, table) {
            Comparison::Fits => {
                self.known_shape.clone_from(&self.shape);
                self.new_shapes.push((name, self.shape.clone().into()));
                Found::AsIs
            }
            Comparison::Grows => {
                self.grows = true;
                Found::AsIs
            }
            Comparison::Refused(why) => Found::Unsendable(why),
            Comparison::Conflicts(why) if table.is_some_and(|known| known.is_trusted(self.now)) => {
                Found::Unsendable(why)
            }
            Comparison::Conflicts(_) => {
                self.doubted.insert(name);
                self.grows = true;
                Found::AsIs
            }
            Comparison::Casts(anew) => {
                if !table.is_some_and(|known| known.is_trusted(self.now)) {
                    self.doubted.insert(name);
                }
                // It may also have new columns; an unnecessary turn does no harm.
                self.grows = true;
                Found::Written(anew)
            }
        }
    }
}
