//! Whether the fields that mappings write have other types in the store already.

use std::sync::Arc;

use arc_swap::ArcSwap;

use super::online::Found;
use crate::{
    config::Resolved,
    mapping::Plans,
    model::{Catalog, FieldType},
    query::{EngineParts, QueryEngine},
    store::Store,
    telemetry::{HealthBoard, Metrics},
};

/// Reads the types of every measurement that a mapping writes. A store that does not let itself be
/// read is told, and no fault: points are written all the same.
pub(super) async fn look(resolved: &Resolved, store: Arc<Store>, found: &mut Found) {
    // What is wrong in the mappings is told by whoever checks them.
    let Ok(plans) = Plans::load(&resolved.offline.mapping) else { return };
    let catalog = plans.catalog();
    let engine = QueryEngine::new(EngineParts {
        options: resolved.query.clone(),
        store,
        bucket: resolved.store.target.bucket().to_owned(),
        catalog: Arc::new(ArcSwap::from_pointee(Catalog::clone(catalog))),
        metrics: Arc::new(Metrics::new(HealthBoard::default())),
    });
    for (name, measurement) in &catalog.measurements {
        let stored = match engine.stored_now(name).await {
            Ok(stored) => stored,
            Err(error) => {
                let told = format!("the field types of the store cannot be read: {error}");
                return found.warnings.push(told);
            }
        };
        for (field, kind) in &measurement.fields {
            let other = stored.fields.iter().find(|(known, _)| known == field);
            if let Some((_, other)) = other.filter(|(_, other)| other != kind) {
                found.problems.push(format!(
                    "measurement `{name}`: field `{field}` is {} by the mappings and {} in the \
                     store, which will refuse its points; give it another name (`fields.rename`) \
                     or the store's type (`convert`)",
                    words(*kind),
                    words(*other)
                ));
            }
        }
        for tag in &measurement.tags {
            if stored.fields.iter().any(|(field, _)| field == tag) {
                found.problems.push(format!(
                    "measurement `{name}`: `{tag}` is a tag by the mappings and a field in the \
                     store; give it another name"
                ));
            }
        }
    }
}

const fn words(kind: FieldType) -> &'static str {
    match kind {
        FieldType::Float => "a float",
        FieldType::Integer => "an integer",
        FieldType::Unsigned => "an unsigned integer",
        FieldType::String => "a string",
        FieldType::Boolean => "a boolean",
    }
}
