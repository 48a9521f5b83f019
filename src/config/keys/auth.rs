//! The keys of authentication and access rules.

use crate::config::key::{Key, Kind, key};

pub(super) const AUTH: &[Key] = &[
    key(
        "auth.anonymous",
        Kind::Bool,
        "Accepts clients and operators without password, certificate or token, from any machine. \
         If false, vehicles connect from other machines only with `auth.users` or client \
         certificates, and operators only with `auth.tokens`.",
    )
    .default("false"),
    key(
        "auth.users",
        Kind::Path,
        "The file of users, a line `NAME:HASH` each, as `fleetline user add` and `mosquitto_passwd` \
         write it (`$argon2id$`, `$7$` and `$6$`). If set, every client must present a user name \
         and password, or a certificate. Reloaded on SIGHUP; clients of removed users are \
         disconnected.",
    ),
    key(
        "auth.jwt.keys",
        Kind::Path,
        "The keys of JSON web tokens that clients send as their password: a JWKS file with secrets \
         (HS256), RSA keys (RS256) and keys on P-256 (ES256); the key decides the algorithm. A \
         token must have `exp`, and its session ends then (0xA0). Reloaded on SIGHUP; sessions of \
         removed keys end.",
    ),
    key("auth.jwt.audience", Kind::Text, "The required audience (`aud`) of a token. Empty: any.")
        .default(""),
    key("auth.jwt.vehicle-claim", Kind::Text, "The claim of a token that holds the client's name.")
        .default("sub"),
    key(
        "auth.vehicle",
        Kind::Choice(&["username", "client-id", "certificate"]),
        "What names the vehicle of a session: its verified user name; its client identifier, which \
         must then equal that name; or only its certificate.",
    )
    .default("username"),
    key(
        "auth.gateways",
        Kind::Texts,
        "Users that are gateways: their sessions receive commands, and send receipts, for every \
         vehicle whose stored messages they published.",
    ),
    key(
        "auth.verify-cores",
        Kind::Count,
        "Passwords verified at once, each on its own thread. One takes some 50 ms and, with \
         argon2id, 46 MiB. After a cold start a fleet of 10,000 needs some eight minutes of one \
         core to connect: store long random secrets with `fleetline user add --long-secret`, which \
         costs nothing.",
    )
    .default("1")
    .min("1", "somebody has to verify")
    .max("1024", "each is a thread"),
    key(
        "auth.verify-waiting-max",
        Kind::Count,
        "Passwords that wait to be verified; one more is refused with 0x89 (3.1.1: 3). Addresses \
         take turns, and so do the users of one address.",
    )
    .default("2000")
    .min("1", "somebody has to wait")
    .max("1000000", "each holds a password and a connection"),
    key("auth.verify-waiting-per-address-max", Kind::Count, "The same for one address.")
        .default("500")
        .min("1", "somebody has to wait")
        .max("1000000", "each holds a password and a connection"),
    key(
        "auth.verify-remember",
        Kind::Duration,
        "How long a verified password is remembered, so that a fleet that reconnects costs \
         nothing. It is kept as a keyed hash, and forgotten at a reload.",
    )
    .default("10m")
    .max("24h", "who learns a password is let in for so long after it has changed elsewhere"),
    key(
        "auth.certificate.vehicle",
        Kind::Choice(&["cn", "san-dns", "san-uri"]),
        "Which part of a client's certificate is its name: the common name, or the only DNS name \
         or URI in its subject alternative names. A certificate is refused if it has two, or if \
         the name cannot be a topic level.",
    )
    .default("cn"),
    key(
        "auth.tokens",
        Kind::Path,
        "The file of operators' tokens, as `fleetline token create` writes it. If set, every \
         request below `/api/v1` needs one (`Authorization: Bearer`), also with \
         `auth.anonymous`. Reloaded on SIGHUP.",
    ),
    key(
        "auth.rules",
        Kind::Path,
        "The file of access rules: `[[rule]]` tables with `who`, `allow` or `deny`, and `topics`; \
         the first rule that matches decides. Reloaded on SIGHUP. Absent or empty: a vehicle may \
         use the topics below `vehicles/{vehicle}/`; an anonymous client may do everything except \
         publish below `$SYS` and `$query` and on topics of commands.",
    ),
    key("auth.file-size-max", Kind::Size, "Bytes of one file named in `[auth]`.")
        .default("64MiB")
        .min("1KiB", "a rule has to fit")
        .max("4GiB", "it is held in memory"),
];
