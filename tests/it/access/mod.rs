//! Who may come in, and what they may do, over the real binary.

mod identity;
mod listeners;
mod rules;
mod tokens;
