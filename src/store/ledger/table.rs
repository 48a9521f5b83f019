//! The known tables, and how the ledger learns them.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    sync::{
        PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use super::{Column, columns, known::KnownTypes, turns::Turns};
use crate::model::{
    FieldType, StoreNames,
    line::{self, lines},
};

/// The maximum age of the knowledge about a table that may hold back a line.
const TRUST: Duration = Duration::from_secs(10);
/// The maximum number of known measurements.
pub(super) const TABLES_MAX: usize = 10_000;
/// The maximum number of known columns of all measurements.
const COLUMNS_MAX: usize = 500_000;
/// The maximum number of known shapes of one measurement: optional fields cause many.
const SHAPES_MAX: usize = 1_000;

/// The knowledge about one store's measurements. See the module.
#[derive(Debug)]
pub(in crate::store) struct Ledger {
    /// Which measurements share a table.
    pub(super) names: StoreNames,
    /// A lock, because all shards use it concurrently; it is held for one pass over a batch.
    pub(super) tables: RwLock<Tables>,
    /// Tables of which the store refused every line, and the time of the last refusal.
    refused: RwLock<HashMap<String, Duration>>,
    /// Increases with everything that is learned.
    version: AtomicU64,
    pub(super) turns: Turns,
    pub(super) known_types: KnownTypes,
}

#[derive(Debug, Default)]
pub(super) struct Tables {
    known: HashMap<String, Table>,
    columns_count: usize,
}

/// One measurement's table.
#[derive(Debug, Default)]
pub(super) struct Table {
    pub(super) columns: HashMap<String, Column>,
    /// Lines with one of these shapes fit.
    pub(super) shapes: HashSet<Box<[u8]>>,
    /// When the store last confirmed it, on the monotonic clock.
    confirmed_at: Option<Duration>,
    /// When it was last requested, with or without an answer.
    asked_at: Option<Duration>,
}

impl Table {
    /// Whether lines may be held back because of it.
    pub(super) fn is_trusted(&self, now: Duration) -> bool {
        self.confirmed_at.is_some_and(|at| now.saturating_sub(at) < TRUST)
    }

    pub(super) fn remember(&mut self, shape: Box<[u8]>) {
        if self.shapes.len() >= SHAPES_MAX {
            self.shapes.clear();
        }
        self.shapes.insert(shape);
    }
}

impl Tables {
    pub(super) fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    pub(super) fn get(&self, name: &str) -> Option<&Table> {
        self.known.get(name)
    }

    /// The table with this name, which is added if it is new; if there are too many, all others are
    /// forgotten.
    pub(super) fn entry(&mut self, name: &str) -> &mut Table {
        let is_new = !self.known.contains_key(name);
        if self.columns_count >= COLUMNS_MAX || (is_new && self.known.len() >= TABLES_MAX) {
            self.known.clear();
            self.columns_count = 0;
        }
        self.known.entry(name.to_owned()).or_default()
    }
}

/// The key of a line's table: names that share a table have the same key.
pub(super) fn table_of(names: StoreNames, line: &[u8]) -> String {
    names.measurement_key(&line::measurement(line)).into_owned()
}

impl Ledger {
    /// An empty ledger for a store with these rules for names.
    pub(in crate::store) fn new(names: StoreNames) -> Self {
        Self {
            names,
            tables: RwLock::default(),
            refused: RwLock::default(),
            version: AtomicU64::new(0),
            turns: Turns::default(),
            known_types: KnownTypes::default(),
        }
    }

    /// The store reports that a field has this type; nothing is known about the other columns of
    /// the measurement.
    pub(in crate::store) fn learn_type(&self, measurement: &str, field: &str, kind: FieldType) {
        let mut tables = self.tables.write().unwrap_or_else(PoisonError::into_inner);
        let table = tables.entry(&self.names.measurement_key(measurement));
        let before = table.columns.insert(field.to_owned(), Column::Field(kind));
        if before.is_none() {
            tables.columns_count += 1;
        }
        drop(tables);
        if before != Some(Column::Field(kind)) {
            self.learned();
        }
    }

    /// The store refuses every line of this line's table.
    pub(in crate::store) fn refused_whole(&self, line: &[u8], now: Duration) {
        let mut refused = self.refused.write().unwrap_or_else(PoisonError::into_inner);
        if refused.len() >= TABLES_MAX {
            refused.clear();
        }
        refused.insert(table_of(self.names, line), now);
    }

    /// The lines, with those moved to the end whose tables were refused as a whole recently, table
    /// by table, and the offset at which these begin; `None` if there are none.
    pub(in crate::store) fn refused_last(
        &self,
        body: &[u8],
        now: Duration,
    ) -> Option<(Vec<u8>, usize)> {
        let refused = self.refused.read().unwrap_or_else(PoisonError::into_inner);
        let is_recent = |at: &Duration| now.saturating_sub(*at) < TRUST;
        if !refused.values().any(is_recent) {
            return None;
        }
        let (mut others, mut suspects) = (Vec::with_capacity(body.len()), BTreeMap::new());
        for line in lines(body) {
            let name = table_of(self.names, line);
            match refused.get(&name).is_some_and(is_recent) {
                true => suspects.entry(name).or_insert_with(Vec::new).extend_from_slice(line),
                false => others.extend_from_slice(line),
            }
        }
        let at = others.len();
        others.extend(suspects.into_values().flatten());
        (at < others.len()).then_some((others, at))
    }

    /// A number that increases with everything that is learned.
    pub(in crate::store) fn version(&self) -> u64 {
        self.version.load(Ordering::Relaxed)
    }

    fn learned(&self) {
        self.version.fetch_add(1, Ordering::Relaxed);
    }

    /// The store accepted these lines.
    pub(in crate::store) fn accepted(&self, text: &[u8], now: Duration) {
        let mut tables = self.tables.write().unwrap_or_else(PoisonError::into_inner);
        let mut n_new = 0;
        for line in lines(text) {
            let table = tables.entry(&table_of(self.names, line));
            table.confirmed_at = Some(now);
            let before = table.columns.len();
            let mut shape = Vec::new();
            shape.extend_from_slice(line::measurement_of(line));
            for (key, _) in line::tags(line) {
                columns_insert(table, key, Column::Tag);
                push_tag(&mut shape, key);
            }
            for (key, value) in line::fields(line) {
                let kind = columns::kind_of(value);
                columns_insert(table, key, Column::Field(kind));
                push_field(&mut shape, key, kind);
            }
            table.remember(shape.into());
            n_new += table.columns.len() - before;
        }
        tables.columns_count += n_new;
        drop(tables);
        if n_new > 0 {
            self.learned();
        }
    }

    /// Stores the columns of a measurement as the store reports them; `None` if it has no such
    /// table.
    pub(in crate::store) fn read(
        &self,
        name: &str,
        found: Option<BTreeMap<String, Column>>,
        now: Duration,
    ) {
        let mut tables = self.tables.write().unwrap_or_else(PoisonError::into_inner);
        let table = tables.entry(name);
        let found: HashMap<String, Column> = found.unwrap_or_default().into_iter().collect();
        (table.confirmed_at, table.asked_at) = (Some(now), Some(now));
        if table.columns == found {
            return;
        }
        let (before, after) = (table.columns.len(), found.len());
        table.columns = found;
        table.shapes.clear();
        tables.columns_count = (tables.columns_count + after).saturating_sub(before);
        drop(tables);
        self.learned();
    }

    /// Whether a table should be requested from the store now: not if that was done a moment ago.
    pub(in crate::store) fn asks(&self, name: &str, now: Duration) -> bool {
        /// The minimum time between two requests for a table.
        const AGAIN_AFTER: Duration = Duration::from_secs(1);
        let mut tables = self.tables.write().unwrap_or_else(PoisonError::into_inner);
        let table = tables.entry(name);
        let is_recent =
            |at: Option<Duration>| at.is_some_and(|at| now.saturating_sub(at) < AGAIN_AFTER);
        let asks = !is_recent(table.asked_at) && !is_recent(table.confirmed_at);
        if asks {
            table.asked_at = Some(now);
        }
        asks
    }

    /// The tables of these lines.
    pub(in crate::store) fn tables_of(&self, text: &[u8]) -> BTreeSet<String> {
        lines(text).map(|line| table_of(self.names, line)).collect()
    }

    /// A good line among these was refused like one that adds columns: the knowledge about their
    /// measurements may be wrong.
    pub(in crate::store) fn forget(&self, text: &[u8]) {
        let mut tables = self.tables.write().unwrap_or_else(PoisonError::into_inner);
        for line in lines(text) {
            if let Some(table) = tables.known.remove(&table_of(self.names, line)) {
                tables.columns_count = tables.columns_count.saturating_sub(table.columns.len());
            }
        }
    }
}

fn columns_insert(table: &mut Table, key: &[u8], column: Column) {
    let key = line::unescape(key);
    if !table.columns.contains_key(&*key) {
        table.columns.insert(key.into_owned(), column);
    }
}

/// Adds a tag to a shape; a key never holds a zero byte.
pub(in crate::store) fn push_tag(shape: &mut Vec<u8>, key: &[u8]) {
    shape.push(0);
    shape.extend_from_slice(key);
}

/// Adds a field to a shape.
pub(in crate::store) fn push_field(shape: &mut Vec<u8>, key: &[u8], kind: FieldType) {
    shape.extend_from_slice(&[0, columns::type_code(kind), 0]);
    shape.extend_from_slice(key);
}
