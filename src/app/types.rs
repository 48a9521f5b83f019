//! Reports fields whose types in the store differ from the mappings, before the mappings are in
//! force.

use std::time::Duration;

use crate::{
    model::Catalog,
    query::{QueryEngine, QueryError},
    store::{Store, conflicts},
};

/// How long a reload waits for the store; after that it is put in force anyway.
const ASK_MAX: Duration = Duration::from_secs(5);

/// Reads the fields of each measurement from the store, and logs what it will refuse.
pub(super) async fn log_conflicts(queries: &QueryEngine, store: &Store, catalog: &Catalog) {
    let conflicts = tokio::time::timeout(ASK_MAX, look(queries, store, catalog)).await;
    let error = match conflicts {
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
