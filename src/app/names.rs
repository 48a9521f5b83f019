//! What the store has already is read once, so that the names of an older appliance, or of others
//! that write there, are not new.

use std::{sync::Arc, time::Duration};

use crate::{
    env::Guard,
    query::{QueryEngine, QueryError},
    uplink::NameBook,
};

/// How long after a failure it is tried again, at first; then twice as long each time.
const WAIT: Duration = Duration::from_secs(2);
const WAIT_MAX: Duration = Duration::from_mins(10);

/// Reads the store's measurements, fields and tags until it has them all. Nothing waits for it.
pub(super) async fn learn(queries: QueryEngine, names: Arc<NameBook>, _guard: Guard) {
    let mut wait = WAIT;
    while let Err(error) = read(&queries, &names).await {
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
    names.finish_stored();
}

async fn read(queries: &QueryEngine, names: &NameBook) -> Result<(), QueryError> {
    for name in queries.measurements().await?.into_keys() {
        let stored = queries.stored_now(&name).await?;
        let fields = stored.fields.iter().map(|(field, _)| field.as_str());
        names.know_stored(&name, fields, stored.tags.iter().map(String::as_str));
    }
    Ok(())
}
