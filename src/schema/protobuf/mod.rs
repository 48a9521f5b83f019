//! `.proto` files, compiled in process; well-known types are built in.
//!
//! A mapping names its file, and each file that is named is compiled with what it imports, and with
//! nothing else. Imports are looked up below the schemas directory, then below each of
//! `schemas.import-roots`, then in the folders above the importing file, the nearest first.
//!
//! `syntax = "proto2"` and `"proto3"` are read; editions are not, as protox does not carry them. A
//! comment may be in any encoding.

mod closure;
mod scan;
mod schemas;
mod shape;

#[cfg(test)]
mod tests;

pub use schemas::ProtobufSchemas;
pub use shape::{fields, shape};
