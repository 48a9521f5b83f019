//! Schemas and mappings of the running appliance: loaded at the start and on SIGHUP.

use std::{path::Path, sync::Arc};

use arc_swap::ArcSwap;

use crate::{
    downlink::check_queries,
    mapping::{LoadErrors, Options, Plans},
    model::Catalog,
    uplink::NameRegistry,
};

/// The message for the operator if there is no mapping at all.
#[must_use]
pub fn no_mappings(dir: &Path) -> String {
    format!(
        "there is no mapping in `{}`: every publish will be acknowledged and dropped as unmapped; \
         put schemas and mappings (*.toml) there, or name their folder with schemas.dir",
        dir.display()
    )
}

/// The mappings in force, and their source.
#[derive(Debug)]
pub(super) struct Mappings {
    options: Options,
    pub(super) plans: Arc<ArcSwap<Plans>>,
    pub(super) catalog: Arc<ArcSwap<Catalog>>,
    pub(super) names: Arc<NameRegistry>,
}

/// Loads schemas and mappings; saved queries are checked against the mappings here, because
/// `mapping` does not know queries.
fn load(options: &Options) -> Result<Plans, LoadErrors> {
    let plans = Plans::load(options)?;
    let (problems, warnings) = check_queries(&plans);
    warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
    if problems.is_empty() { Ok(plans) } else { Err(LoadErrors { problems }) }
}

impl Mappings {
    /// Loads them at the start; if there are none, this is allowed and logged.
    pub(super) fn load(options: &Options, names: Arc<NameRegistry>) -> Result<Self, LoadErrors> {
        let plans = load(options)?;
        if plans.plans().is_empty() {
            tracing::warn!("{}", no_mappings(&options.dir));
        }
        names.add_mapped(plans.catalog());
        let catalog = Arc::new(ArcSwap::from_pointee(plans.catalog().clone()));
        let plans = Arc::new(ArcSwap::from_pointee(plans));
        Ok(Self { options: options.clone(), plans, catalog, names })
    }

    /// Loads them again, to be put [in force](Self::put_in_force). `None` if anything is wrong, or
    /// if no mapping is left (a folder that is suddenly empty is being replaced, or its mount has
    /// failed); then the old ones stay.
    pub(super) fn reload(&self) -> Option<Plans> {
        let was = self.plans.load().plans().len();
        match load(&self.options) {
            Ok(plans) if plans.plans().is_empty() && was > 0 => tracing::error!(
                was,
                "schemas and mappings not loaded, the old ones stay: {}",
                no_mappings(&self.options.dir)
            ),
            Ok(plans) => return Some(plans),
            Err(errors) => {
                tracing::error!(%errors, "schemas and mappings not loaded, the old ones stay");
            }
        }
        None
    }

    /// Replaces the mappings in force with loaded ones.
    pub(super) fn put_in_force(&self, plans: Plans) {
        let (mappings, was) = (plans.plans().len(), self.plans.load().plans().len());
        self.names.add_mapped(plans.catalog());
        self.catalog.store(Arc::new(plans.catalog().clone()));
        self.plans.store(Arc::new(plans));
        tracing::info!(mappings, was, "schemas and mappings loaded anew");
    }
}
