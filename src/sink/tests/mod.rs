//! Shipping against a scripted store, on real files in a temporary folder.

mod answers;
#[cfg(feature = "influxdb2")]
mod bucket;
mod endpoints;
mod fake_store;
mod fault_disk;
mod faults;
mod rig;
mod seeds;
mod shipping;
mod stretches;
mod tdengine;
mod types;
