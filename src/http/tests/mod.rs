//! The operator edge over a real socket.

mod commands;
mod edge;
mod letters;
mod sessions;
