//! Shipping against a scripted store, on real files in a temporary folder.

mod fake_store;
mod rig;
mod shipping;
