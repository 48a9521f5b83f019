//! What the wire may do.
