//! The vehicle edge: listeners, sessions, acknowledgements.

mod options;

pub use options::Options;
