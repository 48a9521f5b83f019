//! Listeners: sockets, and the server that accepts them.

mod server;
mod socket;

pub use server::{Edge, Others, StartError};
