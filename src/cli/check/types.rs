//! Whether the store already has other types for fields that mappings write.

use std::sync::Arc;

use arc_swap::ArcSwap;

use super::online::Found;
use crate::{
    config::Resolved,
    env::{Clock, SystemClock},
    mapping::Plans,
    model::Catalog,
    query::{EngineParts, QueryEngine},
    store::{Store, Target, conflicts, stored_in},
    telemetry::{HealthBoard, Metrics},
};

/// Reads the types of every measurement that a mapping writes. A store that cannot be read is
/// reported, but not as an error: points are written all the same.
pub(super) async fn look(resolved: &Resolved, store: Arc<Store>, found: &mut Found) {
    let Some(catalog) = catalog(resolved) else { return };
    let engine = QueryEngine::new(EngineParts {
        options: resolved.query.clone(),
        store,
        bucket: resolved.store.target.bucket().to_owned(),
        catalog: Arc::new(ArcSwap::from_pointee(Catalog::clone(&catalog))),
        metrics: Arc::new(Metrics::new(HealthBoard::default())),
    });
    for (name, measurement) in &catalog.measurements {
        match engine.stored_now(name).await {
            Ok(stored) => found.problems.extend(conflicts(name, measurement, &stored)),
            Err(error) => return unread(&error, found),
        }
    }
}

/// Reads the files of the embedded store, which may be open in another process.
pub(super) async fn look_into_files(resolved: &Resolved, found: &mut Found) {
    let Target::Embedded(options) = &resolved.store.target else { return };
    if !matches!(options.dir.try_exists(), Ok(true)) {
        // No appliance has run on it yet.
        return;
    }
    let Some(catalog) = catalog(resolved) else { return };
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::start());
    for (name, measurement) in &catalog.measurements {
        match stored_in(options.clone(), Arc::clone(&clock), name.clone()).await {
            Ok(stored) => found.problems.extend(conflicts(name, measurement, &stored)),
            Err(error) => return unread(&error, found),
        }
    }
}

/// What the mappings write; nothing if they are wrong, which the check of the mappings reports.
fn catalog(resolved: &Resolved) -> Option<Catalog> {
    Plans::load(&resolved.offline.mapping).ok().map(|plans| plans.catalog().clone())
}

fn unread(error: &dyn std::error::Error, found: &mut Found) {
    found.warnings.push(format!("the field types of the store cannot be read: {error}"));
}
