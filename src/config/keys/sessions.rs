//! The keys of MQTT sessions and retained messages.

use crate::config::key::{Key, Kind, key};

pub(super) const SESSIONS: &[Key] = &[
    key(
        "mqtt.sessions.expiry-max",
        Kind::Duration,
        "The longest session expiry interval, announced to 5.0 clients; 3.1.1 sessions with clean \
         session 0 get all of it. \"0s\": no session outlives its connection.",
    )
    .default("7d")
    .max("4294967295s", "it is a 32-bit number of seconds in MQTT 5.0"),
    key(
        "mqtt.sessions.max-size",
        Kind::Size,
        "Bytes on disk for persistent sessions, their queues and retained messages, in `sessions/` \
         of the data directory. Past fifteen sixteenths of it no message is queued \
         (`mqtt.sessions.queue-overflow`) or newly retained, and no subscription is accepted; the \
         rest is kept for records that free room.",
    )
    .default("4GiB")
    .min("1MiB", "sixty files have to fit"),
    key(
        "mqtt.sessions.count-max",
        Kind::Count,
        "Persistent sessions; one more ends with its connection, which is announced to 5.0 \
         clients.",
    )
    .default("1000000")
    .max("100000000", "each costs some 300 bytes of memory"),
    key(
        "mqtt.sessions.per-identity-max",
        Kind::Count,
        "The same for one identity; anonymous clients are not bounded by it.",
    )
    .default("10")
    .min("1", "a vehicle has one"),
    key("mqtt.sessions.subscriptions-max", Kind::Count, "Subscriptions a session.")
        .default("10000")
        .max("1000000", "each costs some 300 bytes"),
    key(
        "mqtt.sessions.in-flight-max",
        Kind::Count,
        "PUBLISH packets above QoS 0 in flight to one subscriber, whatever its receive maximum.",
    )
    .default("1024")
    .min("1", "one has to be acknowledged before the next")
    .max("65534", "MQTT has 65,535 packet identifiers"),
    key(
        "mqtt.sessions.queue-messages-max",
        Kind::Count,
        "Messages in a session's queue. If it is full, publishers above QoS 0 on topics without a \
         mapping wait for room; for all others `mqtt.sessions.queue-overflow` decides. Commands \
         always have room: `downlink.open-max` bounds them.",
    )
    .default("100000")
    .min("1", "a message has to fit"),
    key("mqtt.sessions.queue-bytes-max", Kind::Size, "The same in bytes, as they lie in memory.")
        .default("64MiB")
        .min("1KiB", "a message has to fit"),
    key(
        "mqtt.sessions.queue-memory-max",
        Kind::Size,
        "Bytes of a persistent session's queue in memory; later messages are read from disk when \
         their turn comes. When a member of a shared subscription disconnects, its unacknowledged \
         messages in memory go to another member; those on disk wait for it.",
    )
    .default("64KiB")
    .min("1KiB", "a message has to fit")
    .max("1GiB", "it is memory, and every session may use it"),
    key(
        "mqtt.sessions.memory-max",
        Kind::Size,
        "Bytes in the queues of all sessions; past it a session gets only messages that can be \
         sent to it at once.",
    )
    .default("128MiB")
    .min("64KiB", "messages have to fit"),
    key(
        "mqtt.sessions.queue-overflow",
        Kind::Choice(&["refuse", "drop-oldest", "end-session"]),
        "What happens to a message for a session whose queue is full, if its publisher does not \
         wait: the session does not get it (refuse), the oldest message is dropped (drop-oldest), \
         or the session ends (end-session). Each is counted \
         (`fleetline_mqtt_dropped_deliveries_total`).",
    )
    .default("refuse"),
    key(
        "mqtt.sessions.queue-stall-max",
        Kind::Duration,
        "How long publishers wait for a subscriber whose queue is full; then the subscriber's \
         connection is closed (0x97).",
    )
    .default("10s")
    .min("1s", "a radio link needs a moment")
    .max("10m", "publishers wait so long"),
    key(
        "mqtt.retained.count-max",
        Kind::Count,
        "Retained messages; one more is not retained \
         (`fleetline_mqtt_refused_retained_messages_total`), and its topic keeps the earlier one.",
    )
    .default("1000000")
    .max("100000000", "each costs memory"),
    key("mqtt.retained.size-max", Kind::Size, "The same in bytes, as they lie in memory.")
        .default("256MiB")
        .min("64KiB", "a message has to fit"),
];
