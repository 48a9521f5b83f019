//! The keys of MQTT sessions and of what they leave behind.

use crate::config::key::{Key, Kind, key};

pub(super) const SESSIONS: &[Key] = &[
    key(
        "mqtt.sessions.expiry-max",
        Kind::Duration,
        "How long a session lasts at most without a connection, which a 5.0 client is told; \
         3.1.1's clean session 0 gets all of it. \"0s\": none outlives its connection.",
    )
    .default("7d")
    .max("4294967295s", "it is a 32-bit number of seconds in MQTT 5.0"),
    key(
        "mqtt.sessions.max-size",
        Kind::Size,
        "Bytes that sessions that last, what waits for them, and retained messages take on disk, \
         in `sessions/` of the data directory. Past fifteen sixteenths of it nothing more is \
         queued (`mqtt.sessions.queue-overflow`), nothing new is retained, and no subscription is \
         made; the rest is for what makes room.",
    )
    .default("4GiB")
    .min("1MiB", "sixty files have to fit"),
    key(
        "mqtt.sessions.count-max",
        Kind::Count,
        "Sessions that last; one more does not outlive its connection, which a 5.0 client is \
         told.",
    )
    .default("1000000")
    .max("100000000", "each costs some 300 bytes of memory"),
    key(
        "mqtt.sessions.per-identity-max",
        Kind::Count,
        "The same of one identity; it does not count for anonymous ones.",
    )
    .default("10")
    .min("1", "a vehicle has one"),
    key("mqtt.sessions.subscriptions-max", Kind::Count, "Subscriptions a session.")
        .default("10000")
        .max("1000000", "each costs some 300 bytes"),
    key(
        "mqtt.sessions.in-flight-max",
        Kind::Count,
        "Publishes above QoS 0 that are under way to a subscriber at once, whatever it takes.",
    )
    .default("1024")
    .min("1", "one has to be acknowledged before the next")
    .max("65534", "MQTT has 65,535 packet identifiers"),
    key(
        "mqtt.sessions.queue-messages-max",
        Kind::Count,
        "Messages that wait for a session. On a topic without a mapping their publishers wait for \
         room, above QoS 0; else `mqtt.sessions.queue-overflow` decides. A command always has \
         room: `downlink.open-max` bounds those.",
    )
    .default("100000")
    .min("1", "a message has to fit"),
    key("mqtt.sessions.queue-bytes-max", Kind::Size, "The same in bytes, as they lie in memory.")
        .default("64MiB")
        .min("1KiB", "a message has to fit"),
    key(
        "mqtt.sessions.queue-memory-max",
        Kind::Size,
        "Bytes of a session's queue in memory; what lies behind them is read from disk when its \
         turn comes. For sessions that last. When a member of a shared subscription goes, what it \
         has in memory and left unacknowledged goes to another; what lies on disk waits for it.",
    )
    .default("64KiB")
    .min("1KiB", "a message has to fit")
    .max("1GiB", "it is memory, and every session may use it"),
    key(
        "mqtt.sessions.memory-max",
        Kind::Size,
        "Bytes that wait for all sessions; past it, a session only gets what can be sent to it at \
         once.",
    )
    .default("128MiB")
    .min("64KiB", "messages have to fit"),
    key(
        "mqtt.sessions.queue-overflow",
        Kind::Choice(&["refuse", "drop-oldest", "end-session"]),
        "What becomes of a message for a session whose queue is full, where its publisher does not \
         wait: the session does not get it (refuse), or the oldest goes for it (drop-oldest), or \
         the session ends (end-session). Each is counted \
         (`fleetline_mqtt_dropped_deliveries_total`).",
    )
    .default("refuse"),
    key(
        "mqtt.sessions.queue-stall-max",
        Kind::Duration,
        "How long publishers wait for a subscriber whose queue is full; then its connection ends \
         (0x97).",
    )
    .default("10s")
    .min("1s", "a radio link needs a moment")
    .max("10m", "publishers wait so long"),
    key(
        "mqtt.retained.count-max",
        Kind::Count,
        "Retained messages; one more is not retained \
         (`fleetline_mqtt_refused_retained_messages_total`), and what was retained on its topic is \
         still.",
    )
    .default("1000000")
    .max("100000000", "each costs memory"),
    key("mqtt.retained.size-max", Kind::Size, "The same in bytes, as they lie in memory.")
        .default("256MiB")
        .min("64KiB", "a message has to fit"),
];
