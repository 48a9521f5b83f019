//! Commands, between the operator edge, the vehicle edge and the mappings.

use std::sync::Arc;

use tokio::runtime::Handle;

use super::{fleet::Fleet, mappings::Mappings, problem::RunError, run::Ground};
use crate::{
    auth::Access,
    downlink::{self, Downlink},
    query::QueryEngine,
    telemetry::Critical,
};

/// What it reads and asks: what is declared, who may publish, the vehicles, the store.
type Around<'a> = (&'a Mappings, &'a Access, &'a Fleet, QueryEngine);

/// Starts it, with the commands that are declared.
pub(super) fn start(
    ground: &Ground,
    options: &downlink::Options,
    (mappings, access, fleet, queries): Around<'_>,
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
        clock: Arc::clone(&ground.clock),
        metrics: Arc::clone(&ground.metrics),
        health: ground.board.cell("downlink", Critical::Yes),
    };
    downlink::start(parts, runtime, &ground.supervisor).map_err(RunError::Downlink)
}

/// Takes what the mapping files declare now.
pub(super) fn declare(downlink: &Downlink, mappings: &Mappings, access: &Access) {
    let commands = Arc::clone(mappings.plans.load().commands());
    access.set_command_topics(commands.topic_filters());
    downlink.declare(commands);
    tell_queries(downlink, mappings);
}

/// Tells what the saved queries say that are in force. The edge is there by now.
pub(super) fn tell_queries(downlink: &Downlink, mappings: &Mappings) {
    downlink.tell_queries(Arc::clone(mappings.plans.load().queries()));
}
