//! Who may come in, and what they may do, over the real binary.

mod admission;
mod identity;
mod jwt;
mod listeners;
mod rules;
mod tokens;
