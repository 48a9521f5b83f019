//! What could not be decoded, mapped or accepted, kept with its cause.
