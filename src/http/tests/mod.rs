//! The operator edge over a real socket.

mod edge;
mod letters;
mod sessions;
