//! `infer`: sample payloads → a JSON Schema and a mapping to start from.
//!
//! Every sample is read into one [`learned::Node`]: which properties there are, their types, how
//! often they occur, and their bounds. The guesses come from that (the time and its unit, the list
//! that holds the points, the vehicle's name, maps with changing keys). Each guess is written
//! beside its reason as a comment; what cannot be expressed is left out and reported as a doubt.
//!
//! Only a tested result is written: it is loaded, and every sample is decoded with it.
//!
//! Limits: 16 MiB a file, 100,000 samples, 2,048 properties, 32 levels.

mod guess;
mod learned;
mod run;
mod write;

pub(in crate::cli) use run::{Arguments, run};
