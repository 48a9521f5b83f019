//! The keys of who may come in.

use crate::config::key::{Key, Kind, key};

pub(super) const AUTH: &[Key] = &[
    key(
        "auth.anonymous",
        Kind::Bool,
        "Lets anyone in who brings no password and no certificate, from everywhere, vehicles and \
         operators alike. Without it vehicles come from other machines only if `auth.users` or \
         certificates say who they are, and operators only if `auth.tokens` does.",
    )
    .default("false"),
    key(
        "auth.users",
        Kind::Path,
        "The file of users, a line `NAME:HASH` each, as `fleetline user add` and `mosquitto_passwd` \
         write it (`$argon2id$`, `$7$` and `$6$`). With it every client brings a user name and a \
         password, or a certificate. Read anew on SIGHUP; whoever is not in it any more is \
         disconnected.",
    ),
    key(
        "auth.jwt.keys",
        Kind::Path,
        "The keys of JSON web tokens that clients bring as their password: a JWKS file with secrets \
         (HS256), RSA keys (RS256) and keys on P-256 (ES256); the algorithm is the key's. A token \
         says when it ends (`exp`), and a session ends with its token (0xA0). Read anew on SIGHUP; \
         sessions of a key that is not in it any more end.",
    ),
    key("auth.jwt.audience", Kind::Text, "Who a token has to be for (`aud`). Empty: anybody.")
        .default(""),
    key("auth.jwt.vehicle-claim", Kind::Text, "The claim of a token that is the client's name.")
        .default("sub"),
    key(
        "auth.vehicle",
        Kind::Choice(&["username", "client-id", "certificate"]),
        "What names the vehicle of a session: its verified name; its client identifier, which must \
         then be that name; or its certificate alone.",
    )
    .default("username"),
    key(
        "auth.gateways",
        Kind::Texts,
        "Users whose sessions may receive commands for the vehicles that they carry (those whose \
         stored messages came over them), and send their receipts.",
    ),
    key(
        "auth.verify-cores",
        Kind::Count,
        "Passwords verified at once, each on a thread of its own. One takes some 50 ms and, with \
         argon2id, 46 MiB. After a cold start a fleet of 10,000 takes some eight minutes and a \
         core to come in: long random secrets are better kept with `fleetline user add \
         --long-secret`, which costs nothing.",
    )
    .default("1")
    .min("1", "somebody has to verify")
    .max("1024", "each is a thread"),
    key(
        "auth.verify-waiting-max",
        Kind::Count,
        "Passwords that wait to be verified; one more is answered 0x89 (3.1.1: 3). Addresses take \
         turns, and the users of an address do.",
    )
    .default("2000")
    .min("1", "somebody has to wait")
    .max("1000000", "each holds a password and a connection"),
    key("auth.verify-waiting-per-address-max", Kind::Count, "The same of one address.")
        .default("500")
        .min("1", "somebody has to wait")
        .max("1000000", "each holds a password and a connection"),
    key(
        "auth.verify-remember",
        Kind::Duration,
        "How long a password that was right is not verified again, so that a fleet that comes back \
         after a cut costs nothing. It is kept under a keyed hash, and forgotten at a reload.",
    )
    .default("10m")
    .max("24h", "who learns a password is let in for so long after it has changed elsewhere"),
    key(
        "auth.certificate.vehicle",
        Kind::Choice(&["cn", "san-dns", "san-uri"]),
        "Which part of a client's certificate is its name: the common name, or the one DNS name or \
         URI among the subject's alternative names. One that is there twice, or is no level of a \
         topic, is refused.",
    )
    .default("cn"),
    key(
        "auth.tokens",
        Kind::Path,
        "The file of tokens of operators, as `fleetline token create` writes it. With it every \
         request below `/api/v1` brings one (`Authorization: Bearer`), also with \
         `auth.anonymous`. Read anew on SIGHUP.",
    ),
    key(
        "auth.rules",
        Kind::Path,
        "The file of access rules: `[[rule]]` tables with `who`, `allow` or `deny`, and `topics`, of \
         which the first that matches decides. Read anew on SIGHUP. Absent or empty: a vehicle has \
         the topics below `vehicles/{vehicle}/`; an anonymous client may do everything but publish \
         below `$SYS` and `$query` and on topics of commands.",
    ),
    key("auth.file-size-max", Kind::Size, "Bytes of each file that `[auth]` names.")
        .default("64MiB")
        .min("1KiB", "a rule has to fit")
        .max("4GiB", "it is held in memory"),
];
