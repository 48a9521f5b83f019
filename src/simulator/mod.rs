//! The simulated fleet: vehicles that drive, and the proof that their messages are stored.
//!
//! `drive` simulates vehicles that drive, charge and stop; `shape` applies a mapping backwards, so
//! that their readings become payloads; `replay` takes recorded drives instead; `script` is the
//! sequence of each vehicle's messages; `client` publishes them over thousands of MQTT connections,
//! optionally over TLS and WebSocket (`tls`, `logins`); `verify` then queries whether all of them
//! are stored. Vehicles obey commands (`obey`). A `Plan` is the first half of that for `simulate`.
//!
//! `simulate`, `demo` and the benchmarks use it. It is outside the appliance, like a real fleet: it
//! knows the protocol and the schemas, and gets everything else over HTTP. It trusts only what it
//! reads from a socket: acknowledged means a PUBACK or PUBREC.

mod client;
mod drive;
mod logins;
mod obey;
mod plan;
mod replay;
mod script;
mod shape;
mod target;
mod tls;
mod verify;

pub(crate) use client::{
    AckLog, AudienceOptions, Counts, Deliveries, Latencies, Layers, Load, LoadError, LoadOptions,
    Outcome, Pace, Phase, Watch,
};
pub(crate) use logins::Logins;
pub(crate) use obey::{CommandCounts, Repertoire};
pub(crate) use plan::{
    FleetOptions, Plan, PlanOptions, PlanSource, RecordingOptions, ReplayedRows,
};
pub(crate) use script::{Live, LiveOptions};
pub(crate) use shape::{Files, Format, Shape, ShapeError, read_text};
pub(crate) use target::Target;
pub(crate) use tls::{TlsClients, TlsOptions};
pub(crate) use verify::{Claim, Ledger, Stats, Verification, Verifier, VerifyError, VerifyOptions};

pub(crate) use crate::mqtt::wire::{Qos, Version};
