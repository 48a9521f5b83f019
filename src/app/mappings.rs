//! Schemas and mappings while the appliance runs: loaded at the start, and anew on SIGHUP.

use std::{path::Path, sync::Arc};

use arc_swap::ArcSwap;

use crate::{
    downlink::check_queries,
    mapping::{LoadErrors, Options, Plans},
    model::Catalog,
    uplink::NameBook,
};

/// What the operator is told where there is no mapping at all.
#[must_use]
pub fn no_mappings(dir: &Path) -> String {
    format!(
        "there is no mapping in `{}`: every publish will be acknowledged and dropped as unmapped; \
         put schemas and mappings (*.toml) there, or name their folder with schemas.dir",
        dir.display()
    )
}

/// The mappings that are in force, and where they come from.
#[derive(Debug)]
pub(super) struct Mappings {
    options: Options,
    pub(super) plans: Arc<ArcSwap<Plans>>,
    pub(super) catalog: Arc<ArcSwap<Catalog>>,
    pub(super) names: Arc<NameBook>,
}

/// Loads all of it; saved queries are held against the mappings here, because only who asks a
/// question knows what it means.
fn load(options: &Options) -> Result<Plans, LoadErrors> {
    let plans = Plans::load(options)?;
    let (problems, warnings) = check_queries(&plans);
    warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
    if problems.is_empty() { Ok(plans) } else { Err(LoadErrors { problems }) }
}

impl Mappings {
    /// Loads them; that there are none is allowed at the start, and told.
    pub(super) fn load(options: &Options, names: Arc<NameBook>) -> Result<Self, LoadErrors> {
        let plans = load(options)?;
        if plans.plans().is_empty() {
            tracing::warn!("{}", no_mappings(&options.dir));
        }
        names.know_mapped(plans.catalog());
        let catalog = Arc::new(ArcSwap::from_pointee(plans.catalog().clone()));
        let plans = Arc::new(ArcSwap::from_pointee(plans));
        Ok(Self { options: options.clone(), plans, catalog, names })
    }

    /// Loads them anew, to be put [in force](Self::put_in_force); nothing if anything is wrong, or
    /// if none would be left: a folder that is suddenly empty is being replaced, or its mount has
    /// failed. Then the old ones stay.
    pub(super) fn load_anew(&self) -> Option<Plans> {
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

    /// Lets loaded ones take the place of those that are in force.
    pub(super) fn put_in_force(&self, plans: Plans) {
        let (mappings, was) = (plans.plans().len(), self.plans.load().plans().len());
        self.names.know_mapped(plans.catalog());
        self.catalog.store(Arc::new(plans.catalog().clone()));
        self.plans.store(Arc::new(plans));
        tracing::info!(mappings, was, "schemas and mappings loaded anew");
    }
}
