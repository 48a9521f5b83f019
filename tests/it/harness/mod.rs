//! Helpers of the tests: the appliance as a process, vehicles, stores, and waiting.

mod appliance;
mod certificates;
mod database;
mod dice;
mod faulty_file;
pub(crate) mod http;
mod influx;
pub(crate) mod jwt;
mod load;
mod sample;
mod server;
mod short_writes;
mod skip;
mod small_disk;
pub(crate) mod sqlite;
mod store;
pub(crate) mod tdengine;
mod thin_disk;
#[cfg(feature = "taos-ws")]
mod tls_relay;
pub(crate) mod twizy;
pub(crate) mod vehicle;
mod wait;

pub(crate) use appliance::{Appliance, Setup};
pub(crate) use certificates::{Authority, Certified, Secured, say_hello, secure};
pub(crate) use database::{Database, Stored, check_promise};
pub(crate) use dice::Dice;
pub(crate) use faulty_file::FaultyFile;
pub(crate) use http::{get, post};
pub(crate) use influx::{Influx, Kind, Row};
pub(crate) use load::{Load, Promised};
pub(crate) use sample::{Sample, sample_schemas};
pub(crate) use server::Server;
pub(crate) use short_writes::ShortWrites;
pub(crate) use skip::{program, skip};
pub(crate) use small_disk::SmallDisk;
pub(crate) use store::{Answer, StandIn};
pub(crate) use tdengine::TdEngine;
pub(crate) use thin_disk::ThinDisk;
#[cfg(feature = "taos-ws")]
pub(crate) use tls_relay::TlsRelay;
pub(crate) use vehicle::{
    PATIENCE, Packet, Vehicle, Version, connect_as, connect_packet, packet, text,
};
pub(crate) use wait::{pause, until, until_some};
