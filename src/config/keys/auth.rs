//! The keys of who may come in.

use crate::config::key::{Key, Kind, key};

pub(super) const AUTH: &[Key] = &[
    key(
        "auth.anonymous",
        Kind::Bool,
        "Lets anyone in, vehicles and operators alike, from everywhere. Without it only loopback \
         may be listened on.",
    )
    .default("false"),
    key(
        "auth.rules",
        Kind::Path,
        "The file of access rules: `[[rule]]` tables with `who`, `allow` or `deny`, and `topics`, of \
         which the first that matches decides. Read anew on SIGHUP. Absent or empty: a vehicle has \
         the topics below `vehicles/{vehicle}/`; an anonymous client may do everything but publish \
         below `$SYS` and on topics of commands.",
    ),
    key("auth.file-size-max", Kind::Size, "Bytes of each file that `[auth]` names.")
        .default("64MiB")
        .min("1KiB", "a rule has to fit")
        .max("4GiB", "it is held in memory"),
];
