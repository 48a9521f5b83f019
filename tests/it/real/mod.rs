//! Tests that need a real server. Each test starts its own and skips itself if it is not installed.

mod answers;
mod bridge;
mod clients;
mod commands;
mod container;
#[cfg(feature = "influxdb2")]
mod create;
mod drive_answers;
mod drives;
mod durability;
mod features;
mod limits;
mod outage;
mod prometheus;
mod pushes;
mod refusals;
mod servers;
mod shutdown;
mod simulate;
mod tls;
mod transports;
mod vehicles;
