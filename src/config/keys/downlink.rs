//! The keys of commands to vehicles.

use crate::config::key::{Key, Kind, key};

pub(super) const KEYS: &[Key] = &[
    key(
        "downlink.open-max",
        Kind::Count,
        "Open (unfinished) commands of one vehicle; one more is refused (429).",
    )
    .default("100")
    .min("1", "a command has to fit")
    .max("100000", "each is looked at when the vehicle comes"),
    key(
        "downlink.total-open-max",
        Kind::Count,
        "Open commands of all vehicles; each takes some 300 bytes of memory.",
    )
    .default("1000000")
    .min("1", "a command has to fit")
    .max("100000000", "they are held in memory"),
    key(
        "downlink.schedules-max",
        Kind::Count,
        "Active pushes with a `schedule`; one more is refused (429).",
    )
    .default("1000")
    .min("1", "a push has to fit")
    .max("100000", "each waits in memory"),
    key(
        "downlink.empty-runs-max",
        Kind::Count,
        "How many of the newest runs without a command a push with a `schedule` lists; older ones \
         count only in its sums.",
    )
    .default("100")
    .min("1", "the newest one is shown")
    .max("100000", "they are counted whenever the push is looked at"),
    key(
        "downlink.expires-in",
        Kind::Duration,
        "How long a command waits for its vehicle if neither the command nor its declaration says.",
    )
    .default("24h")
    .min("1ms", "a command has to leave")
    .max("365d", "somebody should know by then"),
    key(
        "downlink.keep",
        Kind::Duration,
        "How long finished commands are kept, with their changes and idempotency keys.",
    )
    .default("30d")
    .min("1m", "their senders ask for them")
    .max("36500d", "nanoseconds since 1970 reach no further"),
    key("downlink.audit-keep", Kind::Duration, "How long the audit of commands is kept.")
        .default("400d")
        .min("1m", "somebody has to read it")
        .max("36500d", "nanoseconds since 1970 reach no further"),
    key(
        "downlink.still-interval",
        Kind::Duration,
        "How often `still` is checked again for a waiting command without a fresh enough value.",
    )
    .default("5s")
    .min("10ms", "the store is asked each time")
    .max("1h", "the command waits meanwhile"),
    key(
        "downlink.alarms-waiting-max",
        Kind::Count,
        "Alarms ([[alarm]]) that wait for their command to be stored; one more is counted and \
         makes no command, so that no message waits. Each takes at most some 16KiB of memory, \
         mostly far less.",
    )
    .default("10000")
    .min("1", "an alarm has to fit")
    .max("1000000", "they are held in memory"),
    key(
        "downlink.webhook",
        Kind::Text,
        "A URL (http:// or https://) to which every change of a command is posted, in the form of \
         `/commands/events`, at least once and in order. Absent or empty: none.",
    ),
    key("downlink.webhook-timeout", Kind::Duration, "How long the webhook may take to answer.")
        .default("10s")
        .min("10ms", "it has to be reached")
        .max("5m", "the next changes wait meanwhile"),
];
