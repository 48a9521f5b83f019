//! `infer`: sample payloads → a JSON Schema and a mapping to start from.
//!
//! Every sample is read into one [`learned::Node`]: which properties there are, of which types,
//! how often, between which bounds. Guesses are made from that (the time and its unit, the list
//! that holds the points, what names the vehicle, maps with changing keys), each of them written
//! beside its reason as a comment, and what cannot be said is left out and told as a doubt.
//!
//! Nothing is written that does not pass: the result is loaded, and every sample goes through it.
//!
//! Bounds: 16 MiB a file, 100,000 samples, 2,048 properties, 32 levels.

mod guess;
mod learned;
mod run;
mod write;

pub(in crate::cli) use run::{Arguments, run};
