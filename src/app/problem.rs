//! Why the appliance cannot start.

use std::io;

use super::{lanes::LaneError, layout::DataDirError};
use crate::{
    auth::FileProblems, dead_letter, downlink, http, mapping, mqtt::StartError, sessions,
    store::StoreError, uplink::NamesError,
};

/// Why the appliance cannot start.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The data directory cannot be used, is in use, or has another number of shards.
    #[error("the data directory is not usable")]
    DataDir(#[source] DataDirError),
    /// The session journal cannot be opened.
    #[error("the persistent sessions cannot be opened")]
    Sessions(#[source] sessions::OpenError),
    /// Its spool cannot be opened, or its thread not started.
    #[error("a lane cannot be opened")]
    Lane(#[source] LaneError),
    /// The dead-letter log cannot be opened.
    #[error("the dead-letter log cannot be opened")]
    DeadLetters(#[source] Box<dead_letter::OpenError>),
    /// The file of known names in payloads cannot be read.
    #[error("the names of payloads cannot be read")]
    Names(#[source] NamesError),
    /// Schemas or mappings are wrong: the message lists all problems.
    #[error("{0}")]
    Schemas(mapping::LoadErrors),
    /// Files of `[auth]` are wrong: the message lists all problems.
    #[error("{0}")]
    Auth(FileProblems),
    /// The file of commands cannot be used.
    #[error("the commands cannot be read")]
    Downlink(#[source] downlink::OpenError),
    /// The client for the database cannot be built.
    #[error("the store's client cannot be built")]
    Store(#[source] StoreError),
    /// No threads can be started, or signals cannot be received.
    #[error("the control runtime cannot be started")]
    Runtime(#[source] io::Error),
    /// The operators' address cannot be listened on.
    #[error("the operator edge cannot start")]
    Http(#[source] http::BindError),
    /// A vehicles' address cannot be listened on.
    #[error("the vehicle edge cannot start")]
    Mqtt(#[source] StartError),
}
