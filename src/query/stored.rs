//! What can be queried: names of the mappings, and further names that the store has.
//!
//! Names that come only from payloads (members of maps and lists, measurements and tags of lines)
//! are in no mapping. They are read from the store, and cached for a short time, so that the pages
//! of one answer do not read them again.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use crate::{
    model::{Catalog, Column, Measurement, Row},
    query::{
        dialect::stored,
        engine::{QueryEngine, QueryError},
        question::{Question, nearest},
        request::{QueryRequest, QuestionError},
    },
    store::{StoreQueryError, Stored},
};

/// How long a store's names are cached.
const CACHED_FOR: Duration = Duration::from_secs(10);
/// How many measurements are cached; past it the cache is emptied.
const CACHED_MAX: usize = 1000;

/// A cache of the store's names, with the time when they were read.
#[derive(Debug, Default)]
pub(super) struct StoredCache(Mutex<BTreeMap<String, (tokio::time::Instant, Arc<Stored>)>>);

impl StoredCache {
    fn get(&self, measurement: &str) -> Option<Arc<Stored>> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, stored) = known.get(measurement)?;
        (at.elapsed() < CACHED_FOR).then(|| Arc::clone(stored))
    }

    fn put(&self, measurement: &str, stored: Arc<Stored>) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= CACHED_MAX {
            known.clear();
        }
        known.insert(measurement.to_owned(), (tokio::time::Instant::now(), stored));
    }
}

/// A measurement that can be queried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// Its name.
    pub name: String,
    /// Its fields and tags.
    pub measurement: Measurement,
    /// Its fields and tags that a mapping names; the others are known only from the store.
    pub is_mapped: BTreeSet<String>,
}

impl QueryEngine {
    /// The names of all measurements, each with whether a mapping writes it.
    ///
    /// # Errors
    /// If the store cannot be asked.
    pub async fn measurements(&self) -> Result<BTreeMap<String, bool>, QueryError> {
        let _turn = self.turn().await?;
        self.names().await
    }

    /// The same; the caller holds the permit.
    async fn names(&self) -> Result<BTreeMap<String, bool>, QueryError> {
        let parts = self.parts();
        let mapped = parts.catalog.load();
        let mapped = mapped.measurements.keys();
        let mut names: BTreeMap<String, bool> = mapped.map(|name| (name.clone(), true)).collect();
        let mut found = parts.store.measurements().await?.unwrap_or_default();
        if let Some(ask) = stored::measurements(parts.store.kind(), &parts.bucket) {
            for endpoint in 0..parts.store.endpoints() {
                let limits = parts.options.limits();
                let rows = parts.store.query(endpoint, ask.clone(), limits).await?;
                found.extend(rows.first_column().await?);
            }
        }
        for name in found {
            names.entry(name).or_insert(false);
        }
        Ok(names)
    }

    /// The fields and tags of a measurement, from mappings and store; empty if neither knows it.
    ///
    /// # Errors
    /// If the store cannot be asked.
    pub async fn measurement(&self, name: &str) -> Result<Known, QueryError> {
        let _turn = self.turn().await?;
        let catalog = self.parts().catalog.load_full();
        let stored = self.stored(name).await?;
        let Some(measurement) = joined(&catalog, name, &stored) else {
            return Err(self.unknown(name).await.into());
        };
        let mapped = catalog.measurements.get(name).into_iter();
        let is_mapped = mapped.flat_map(|known| {
            known.tags.iter().cloned().chain(known.fields.iter().map(|(field, _)| field.clone()))
        });
        Ok(Known { name: name.to_owned(), measurement, is_mapped: is_mapped.collect() })
    }

    /// The columns that the answer to a portable query would have.
    ///
    /// # Errors
    /// If it cannot be asked.
    pub async fn columns(&self, request: QueryRequest) -> Result<Vec<Column>, QueryError> {
        let _turn = self.turn().await?;
        Ok(self.question(request).await?.columns())
    }

    /// Checks a request. If it contains names that the mappings do not have, the store's names are
    /// used too.
    pub(super) async fn question(&self, request: QueryRequest) -> Result<Question, QueryError> {
        let catalog = self.parts().catalog.load_full();
        let asked = Question::new(request.clone(), &catalog);
        let is_unknown = matches!(
            asked,
            Err(QuestionError::MeasurementUnknown { .. }
                | QuestionError::FieldUnknown { .. }
                | QuestionError::TagUnknown { .. })
        );
        // Without names all fields are requested, and the store may have more than the mappings.
        let wants_all = asked.is_ok() && request.fields.is_empty();
        if !is_unknown && !wants_all {
            return Ok(asked?);
        }
        let stored = self.stored(&request.measurement).await;
        let stored = match stored {
            Ok(stored) => stored,
            // The store's names are not available: the query is checked against the mappings alone.
            Err(_) => return Ok(asked?),
        };
        let Some(measurement) = joined(&catalog, &request.measurement, &stored) else {
            return Err(self.unknown(&request.measurement).await.into());
        };
        let mut catalog = Catalog::clone(&catalog);
        catalog.measurements.insert(request.measurement.clone(), measurement);
        Ok(Question::new(request, &catalog)?)
    }

    /// The error for a measurement that neither mappings nor store know, with the name that was
    /// most likely intended.
    async fn unknown(&self, measurement: &str) -> QuestionError {
        let names = self.names().await.unwrap_or_default();
        let nearest = nearest(measurement, names.keys().map(String::as_str));
        QuestionError::MeasurementUnknown { measurement: measurement.to_owned(), nearest }
    }

    /// Reads the fields and tags of a measurement from the store, without the cache.
    ///
    /// # Errors
    /// If the store cannot be asked.
    pub async fn stored_now(&self, measurement: &str) -> Result<Stored, QueryError> {
        let _turn = self.turn().await?;
        Ok(self.read_stored(measurement).await?)
    }

    /// The names of a measurement on all servers, from the cache if possible.
    async fn stored(&self, measurement: &str) -> Result<Arc<Stored>, StoreQueryError> {
        if let Some(known) = self.stored_cache().get(measurement) {
            return Ok(known);
        }
        let found = Arc::new(self.read_stored(measurement).await?);
        self.stored_cache().put(measurement, Arc::clone(&found));
        Ok(found)
    }

    async fn read_stored(&self, measurement: &str) -> Result<Stored, StoreQueryError> {
        let parts = self.parts();
        let mut found = parts.store.stored(measurement).await?.unwrap_or_default();
        let kind = parts.store.kind();
        for endpoint in 0..parts.store.endpoints() {
            let asks = stored::columns(kind, &parts.bucket, measurement)?;
            for (place, ask) in asks.into_iter().enumerate() {
                let rows = parts.store.query(endpoint, ask, parts.options.limits()).await;
                let mut rows = match rows {
                    // TDengine refuses to describe a table that has not been written yet.
                    Err(StoreQueryError::Refused { .. }) => continue,
                    rows => rows?,
                };
                while let Some(chunk) = rows.chunks.recv().await {
                    chunk?.iter().for_each(|row: &Row| stored::take(kind, place, row, &mut found));
                }
            }
        }
        found.tags.sort_unstable();
        found.fields.sort_by(|(one, _), (other, _)| one.cmp(other));
        Ok(found)
    }
}

/// The fields and tags of a measurement in the mappings, followed by further ones in the store;
/// `None` if neither knows it.
fn joined(catalog: &Catalog, name: &str, stored: &Stored) -> Option<Measurement> {
    let known = catalog.measurements.get(name);
    if known.is_none() && stored.fields.is_empty() {
        return None;
    }
    let mut measurement = known.cloned().unwrap_or_else(|| Measurement {
        vehicle_tag: None,
        tags: Vec::new(),
        fields: Vec::new(),
    });
    for tag in &stored.tags {
        if !measurement.tags.contains(tag) {
            measurement.tags.push(tag.clone());
        }
    }
    for (field, kind) in &stored.fields {
        let is_known = measurement.fields.iter().any(|(known, _)| known == field);
        if !is_known && !measurement.tags.contains(field) {
            measurement.fields.push((field.clone(), *kind));
        }
    }
    if measurement.vehicle_tag.is_none() {
        let mut candidates = catalog.line_vehicle_tags.iter();
        measurement.vehicle_tag = candidates.find(|tag| measurement.tags.contains(tag)).cloned();
    }
    Some(measurement)
}
