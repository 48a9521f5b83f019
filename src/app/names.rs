//! Reads the names and types in the store once, so that names of an older appliance or of other
//! writers do not count as new, and so that fields with another type than in the mappings are known
//! before their points are sent.

use std::{sync::Arc, time::Duration};

use arc_swap::ArcSwap;

use crate::{
    env::Guard,
    model::Catalog,
    query::{QueryEngine, QueryError},
    store::{Kind, Store},
    uplink::NameRegistry,
};

/// The first pause after a failure; it doubles each time.
const WAIT: Duration = Duration::from_secs(2);
const WAIT_MAX: Duration = Duration::from_mins(10);

/// Reads the store's measurements, fields and tags, with retries until it has all of them. Nothing
/// waits for it.
pub(super) async fn learn(
    queries: QueryEngine,
    names: Arc<NameRegistry>,
    known: (Arc<Store>, Arc<ArcSwap<Catalog>>),
    _guard: Guard,
) {
    let (store, catalog) = known;
    // An earlier process may have read the names; types are not kept, because the store may be
    // another one.
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
    names: &NameRegistry,
    store: &Store,
    catalog: &Catalog,
) -> Result<(), QueryError> {
    for name in queries.measurements().await?.into_keys() {
        let stored = queries.stored_now(&name).await?;
        // Compared once per mapping, and not once per point.
        if let Some(mapped) = catalog.measurements.get(&name) {
            store.learn_types(&name, mapped, &stored);
        }
        let fields = stored.fields.iter().map(|(field, _)| field.as_str());
        names.add_stored(&name, fields, stored.tags.iter().map(String::as_str));
    }
    Ok(())
}
