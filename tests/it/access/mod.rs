//! Who may come in, and what they may do, over the real binary.

mod listeners;
mod rules;
