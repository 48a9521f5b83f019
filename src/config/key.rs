//! The properties of one key: its kind, default, bounds and documentation.

/// The kind of a key's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Bytes: `"64MiB"`, or a plain integer.
    Size,
    /// A duration: `"200ms"`.
    Duration,
    /// A plain integer.
    Count,
    /// A fraction from 0 to 1: `0.1`. Stored in millionths.
    Share,
    /// `true` or `false`.
    Bool,
    /// Any string.
    Text,
    /// A path, relative to the working directory.
    Path,
    /// The address of a listener: `"127.0.0.1:1883"`.
    Address,
    /// Several addresses of listeners.
    Addresses,
    /// Base addresses of a store.
    Urls,
    /// Several paths, or none.
    Paths,
    /// Several strings, or none.
    Texts,
    /// A token or password, never printed.
    Secret,
    /// One word of a list.
    Choice(&'static [&'static str]),
}

impl Kind {
    /// The expected format, for messages and the reference.
    pub(super) fn expected(self) -> String {
        match self {
            Self::Size => "a size such as \"64MiB\"".to_owned(),
            Self::Duration => "a duration such as \"200ms\"".to_owned(),
            Self::Count => "a whole number".to_owned(),
            Self::Share => "a share such as 0.1".to_owned(),
            Self::Bool => "true or false".to_owned(),
            Self::Text | Self::Secret => "text".to_owned(),
            Self::Path => "a path".to_owned(),
            Self::Address => "an address such as \"127.0.0.1:8080\"".to_owned(),
            Self::Addresses => "a list of addresses such as [\"127.0.0.1:1883\"]".to_owned(),
            Self::Urls => "a list of addresses such as [\"http://127.0.0.1:8086\"]".to_owned(),
            Self::Paths => "a list of paths such as [\"vendor/proto\"]".to_owned(),
            Self::Texts => "a list of texts such as [\"a\", \"b\"]".to_owned(),
            Self::Choice(words) => format!("one of {}", words.join(", ")),
        }
    }
}

/// A limit of a value, with the reason for it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bound {
    /// As written in the file.
    pub(super) value: &'static str,
    /// The end of a sentence that begins with the bound.
    pub(super) why: &'static str,
}

/// One key.
#[derive(Clone, Copy, Debug)]
pub(super) struct Key {
    /// With dots, from the file's root.
    pub(super) path: &'static str,
    pub(super) kind: Kind,
    /// As written with `--set`; absent: the key has no default.
    pub(super) default: Option<&'static str>,
    pub(super) min: Option<Bound>,
    pub(super) max: Option<Bound>,
    /// The store kinds that it belongs to; empty: all.
    pub(super) stores: &'static [&'static str],
    pub(super) doc: &'static str,
}

/// A key without default and bounds.
pub(super) const fn key(path: &'static str, kind: Kind, doc: &'static str) -> Key {
    Key { path, kind, default: None, min: None, max: None, stores: &[], doc }
}

impl Key {
    pub(super) const fn default(mut self, value: &'static str) -> Self {
        self.default = Some(value);
        self
    }

    pub(super) const fn min(mut self, value: &'static str, why: &'static str) -> Self {
        self.min = Some(Bound { value, why });
        self
    }

    pub(super) const fn max(mut self, value: &'static str, why: &'static str) -> Self {
        self.max = Some(Bound { value, why });
        self
    }

    pub(super) const fn only_for(mut self, stores: &'static [&'static str]) -> Self {
        self.stores = stores;
        self
    }

    /// The environment variable that overrides it.
    pub(super) fn variable(&self) -> String {
        let name = self.path.replace('.', "__").replace('-', "_").to_ascii_uppercase();
        format!("{VARIABLE_PREFIX}{name}")
    }

    /// The key's table; empty for the root.
    pub(super) fn table(&self) -> &'static str {
        self.path.rsplit_once('.').map_or("", |(table, _)| table)
    }
}

/// The prefix of our environment variables.
pub(super) const VARIABLE_PREFIX: &str = "FLEETLINE_";
