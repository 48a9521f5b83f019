//! Closed lists of names that are part of the API: enums whose variants have a stable name and a
//! sentence that explains it.

/// Declares such a list. A variant's documentation is its explanation.
macro_rules! words {
    (
        $(#[$meta:meta])*
        pub enum $List:ident;
        $($(#[doc = $doc:literal])+ $variant:ident = $name:literal,)+
    ) => {
        $(#[$meta])*
        pub enum $List { $($(#[doc = $doc])+ $variant,)+ }

        impl $List {
            /// All of them, in the order of their declaration.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// The stable name, used in lists, counters and filters.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// One sentence that explains it.
            #[must_use]
            pub const fn explain(self) -> &'static str {
                match self { $(Self::$variant => concat!($($doc),+).trim_ascii(),)+ }
            }
        }
    };
}

pub(crate) use words;
