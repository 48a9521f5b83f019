//! A token or password: usable, but never printed.

use std::fmt;

/// Text that must not reach a log, an error or a debug print.
///
/// There is no `Display`, no `Serialize` and no `Deref`: the only way to the text is
/// [`Secret::expose`], so that every use of it can be found by its name.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes the text as it is.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text, for the one header or comparison that needs it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_usable_but_never_printed() {
        let secret = Secret::new("s3cr3t");
        assert_eq!(secret.expose(), "s3cr3t");
        assert_eq!(format!("{secret:?} {:#?}", Some(&secret)).matches("s3cr3t").count(), 0);
    }
}
