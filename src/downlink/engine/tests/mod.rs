//! The engine with a fake MQTT edge, on a real file.

mod alarms;
mod lasting;
mod order;
mod property;
mod pushes;
mod rig;
