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
    /// It cannot be used, is in use, or was made for another number of shards.
    #[error("the data directory is not usable")]
    DataDir(#[source] DataDirError),
    /// The session journal cannot be opened.
    #[error("the sessions that last cannot be opened")]
    Sessions(#[source] sessions::OpenError),
    /// Its spool cannot be opened, or its thread not started.
    #[error("a lane cannot be opened")]
    Lane(#[source] LaneError),
    /// The dead-letter log cannot be opened.
    #[error("the dead-letter log cannot be opened")]
    DeadLetters(#[source] Box<dead_letter::OpenError>),
    /// What is known of the names that payloads bring cannot be read.
    #[error("the names of payloads cannot be read")]
    Names(#[source] NamesError),
    /// Something is wrong in the schemas or mappings: the message lists all of it.
    #[error("{0}")]
    Schemas(mapping::LoadErrors),
    /// Something is wrong in the files of `[auth]`: the message lists all of it.
    #[error("{0}")]
    Auth(FileProblems),
    /// The file of commands cannot be used.
    #[error("the commands cannot be read")]
    Downlink(#[source] downlink::OpenError),
    /// The client for the database cannot be built.
    #[error("the store's client cannot be built")]
    Store(#[source] StoreError),
    /// The machine gives no threads, or no signals.
    #[error("the control runtime cannot be started")]
    Runtime(#[source] io::Error),
    /// The operators' address cannot be listened on.
    #[error("the operator edge cannot start")]
    Http(#[source] http::BindError),
    /// A vehicles' address cannot be listened on.
    #[error("the vehicle edge cannot start")]
    Mqtt(#[source] StartError),
}
