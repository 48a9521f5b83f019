//! What the store has already is read once, so that the names of an older appliance, or of others
//! that write there, are not new, and so that fields which have another type there than by the
//! mappings are known before their points are sent.

use std::{sync::Arc, time::Duration};

use arc_swap::ArcSwap;

use crate::{
    env::Guard,
    model::Catalog,
    query::{QueryEngine, QueryError},
    store::{Kind, Store},
    uplink::NameBook,
};

/// How long after a failure it is tried again, at first; then twice as long each time.
const WAIT: Duration = Duration::from_secs(2);
const WAIT_MAX: Duration = Duration::from_mins(10);

/// Reads the store's measurements, fields and tags until it has them all. Nothing waits for it.
pub(super) async fn learn(
    queries: QueryEngine,
    names: Arc<NameBook>,
    known: (Arc<Store>, Arc<ArcSwap<Catalog>>),
    _guard: Guard,
) {
    let (store, catalog) = known;
    // An earlier run may have read the names; types are not kept, as the store may be another one.
    let wants_names = !names.has_stored();
    let wants_types = matches!(store.kind(), Kind::InfluxDb1 | Kind::InfluxDb2 | Kind::InfluxDb3);
    if !wants_names && !wants_types {
        return;
    }
    let mut wait = WAIT;
    while let Err(error) = read(&queries, &names, &store, &catalog.load_full()).await {
        if wait == WAIT {
            tracing::info!(
                %error,
                "the store does not say yet which fields it has; until then they count as new when \
                 payloads bring them"
            );
        }
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(WAIT_MAX);
    }
    if wants_names {
        names.finish_stored();
    }
}

async fn read(
    queries: &QueryEngine,
    names: &NameBook,
    store: &Store,
    catalog: &Catalog,
) -> Result<(), QueryError> {
    for name in queries.measurements().await?.into_keys() {
        let stored = queries.stored_now(&name).await?;
        // Compared once a mapping, and not once a point.
        if let Some(mapped) = catalog.measurements.get(&name) {
            store.learn_types(&name, mapped, &stored);
        }
        let fields = stored.fields.iter().map(|(field, _)| field.as_str());
        names.know_stored(&name, fields, stored.tags.iter().map(String::as_str));
    }
    Ok(())
}
