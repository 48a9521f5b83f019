//! Connects downlink with the HTTP server, the MQTT server and the mappings.

use std::sync::Arc;

use tokio::runtime::Handle;

use super::{fleet::Fleet, mappings::Mappings, problem::RunError, run::Common};
use crate::{
    auth::Access,
    downlink::{self, Downlink},
    query::QueryEngine,
    telemetry::Critical,
};

/// The inputs of downlink: declared commands, access rules, vehicles, store.
type Inputs<'a> = (&'a Mappings, &'a Access, &'a Fleet, QueryEngine);

/// Starts downlink with the declared commands.
pub(super) fn start(
    common: &Common,
    options: &downlink::Options,
    (mappings, access, fleet, queries): Inputs<'_>,
    runtime: &Handle,
) -> Result<downlink::Running, RunError> {
    let commands = Arc::clone(mappings.plans.load().commands());
    access.set_command_topics(commands.topic_filters());
    let parts = downlink::Parts {
        options: options.clone(),
        edge: Arc::clone(&fleet.workers) as _,
        commands,
        queries,
        presence: Arc::clone(&fleet.presence),
        sessions: Arc::clone(&fleet.workers) as _,
        clock: Arc::clone(&common.clock),
        metrics: Arc::clone(&common.metrics),
        health: common.board.cell("downlink", Critical::Yes),
    };
    downlink::start(parts, runtime, &common.supervisor).map_err(RunError::Downlink)
}

/// Declares the commands of the current mapping files.
pub(super) fn declare(downlink: &Downlink, mappings: &Mappings, access: &Access) {
    let commands = Arc::clone(mappings.plans.load().commands());
    access.set_command_topics(commands.topic_filters());
    downlink.declare(commands);
    publish_queries(downlink, mappings);
}

/// Starts the current saved queries. The MQTT server runs by now.
pub(super) fn publish_queries(downlink: &Downlink, mappings: &Mappings) {
    downlink.publish_queries(Arc::clone(mappings.plans.load().queries()));
}
