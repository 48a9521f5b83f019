//! `.proto` files, compiled in process; well-known types are built in.
//!
//! A mapping names its file, and each named file is compiled only with the files that it imports.
//! Imports are looked up below the schemas directory, then below each of `schemas.import-roots`,
//! then in the folders above the importing file, the nearest first.
//!
//! `syntax = "proto2"` and `"proto3"` are read; editions are not, because protox does not support
//! them. A comment may be in any encoding.

mod closure;
mod scan;
mod schemas;
mod shape;

#[cfg(test)]
mod tests;

pub use schemas::ProtobufSchemas;
pub use shape::{fields, shape};
