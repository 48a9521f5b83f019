//! Which fields have other types in the store than mappings write: told before these are in force.

use std::time::Duration;

use crate::{
    model::Catalog,
    query::{QueryEngine, QueryError},
    store::{Store, conflicts},
};

/// How long a reload waits for the store: it is put in force all the same.
const ASK_MAX: Duration = Duration::from_secs(5);

/// Asks the store for what it has of each measurement, and tells what it will refuse.
pub(super) async fn tell(queries: &QueryEngine, store: &Store, catalog: &Catalog) {
    let told = tokio::time::timeout(ASK_MAX, look(queries, store, catalog)).await;
    let error = match told {
        Ok(Ok(())) => return,
        Ok(Err(error)) => error.to_string(),
        Err(_late) => format!("no answer within {} s", ASK_MAX.as_secs()),
    };
    tracing::warn!(error, "whether the store has the types of the mappings cannot be told now");
}

async fn look(queries: &QueryEngine, store: &Store, catalog: &Catalog) -> Result<(), QueryError> {
    for (name, measurement) in &catalog.measurements {
        let stored = queries.stored_now(name).await?;
        for conflict in conflicts(name, measurement, &stored) {
            tracing::error!(conflict, "points of a mapping will be dead letters: `type-conflict`");
        }
        store.learn_types(name, measurement, &stored);
    }
    Ok(())
}
