//! Databases as protocols: request → verdict.
