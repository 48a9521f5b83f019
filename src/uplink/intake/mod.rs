//! One worker's way into the lanes: messages in, groups out, tickets back.

mod options;

pub use options::IntakeOptions;
