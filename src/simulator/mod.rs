//! The simulated fleet: vehicles that drive, and proof of what became of what they said.
//!
//! From the road to the wire: vehicles that drive, charge and stop (`drive`); a mapping read
//! backwards, so that what they sense becomes payloads (`shape`), or recorded drives instead
//! (`replay`); all that each of them will say, message by message (`script`); thousands of MQTT
//! connections that publish it (`client`), over TLS and WebSocket where that is asked for (`tls`,
//! `logins`); and afterwards the questions whether all of it is stored (`verify`). Commands that
//! reach a vehicle are obeyed (`obey`). A `Plan` is the first half of that for `simulate`.
//!
//! `simulate`, `demo` and the benchmarks let it drive. It stands outside the appliance, as a fleet
//! does: it knows the protocol and the schemas, and asks for the rest over HTTP. It believes
//! nothing that it has not read from a socket: acknowledged means a PUBACK or PUBREC.

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
