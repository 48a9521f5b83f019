//! The vehicle edge: listeners, sessions, acknowledgements.
