//! The keys of what listens: vehicles and operators.

use super::{auth::AUTH, sessions::SESSIONS};
use crate::config::key::{Key, Kind, key};

/// In the order of the reference: mqtt, auth, http, query.
pub(super) const TABLES: [&[Key]; 6] = [MQTT, SESSIONS, MQTT_ADMISSION, AUTH, HTTP, QUERY];

const MQTT: &[Key] = &[
    key(
        "mqtt.listen",
        Kind::Addresses,
        "Where vehicles connect: `mqtt://`, `mqtts://` (TLS), `ws://` and `wss://` (WebSocket, with a \
         path, by default `/mqtt`), each with an IP address and a port; a bare address is `mqtt`. \
         Port 0 takes any free one.",
    )
    .default("127.0.0.1:1883"),
    key(
        "mqtt.proxy-protocol.from",
        Kind::Texts,
        "Addresses or networks (`\"10.0.0.0/8\"`) of load balancers. They must begin each \
         connection with a PROXY header, version 1 or 2, on every listener; nobody else may.",
    ),
    key(
        "mqtt.ws-origins",
        Kind::Texts,
        "Origins of web pages that may open a WebSocket, such as `\"https://panel.example\"`; \
         `\"*\"`: all. Pages of the same host and port always may, and so may what is no browser.",
    ),
    key(
        "mqtt.tls.certificate",
        Kind::Path,
        "The certificate of `mqtts` and `wss` in PEM, with those between it and its authority behind \
         it. Read anew on SIGHUP, like every file of this table.",
    ),
    key("mqtt.tls.key", Kind::Path, "Its private key in PEM, without a passphrase."),
    key("mqtt.tls.client-ca", Kind::Path, "The authorities of clients' certificates, in PEM."),
    key(
        "mqtt.tls.client-certificate",
        Kind::Choice(&["off", "optional", "required"]),
        "Whether clients bring a certificate.",
    )
    .default("off"),
    key(
        "mqtt.tls.client-crl",
        Kind::Paths,
        "Revocation lists of these authorities, in PEM. A list that has expired refuses all clients \
         of its authority; an authority without a list revokes nobody.",
    ),
    key(
        "mqtt.rates.messages-per-second",
        Kind::Count,
        "Publishes a second of one client, on average; past it the client is read no faster \
         (`fleetline_mqtt_slowed_reads_total`), and nothing is dropped. 0: no bound.",
    )
    .default("0")
    .max("10000000", "nobody sends more"),
    key(
        "mqtt.rates.bytes-per-second",
        Kind::Size,
        "The same in bytes of publishes. 0: no bound.",
    )
    .default("0B"),
    key(
        "mqtt.admission.accepts-per-second",
        Kind::Count,
        "Connections a second that come in, before anything is read of them; one more waits for \
         its turn, and is closed where that is more than a second away (reason \
         `accepts-per-second`).",
    )
    .default("50000")
    .min("1", "somebody has to come in")
    .max("10000000", "no machine accepts more"),
    key(
        "mqtt.admission.handshakes-max",
        Kind::Count,
        "Connections over TLS that began with their handshake more than a second ago and have said \
         no CONNECT; past it the one that has waited for the longest is closed, never the newcomer \
         (reason `handshakes-max`).",
    )
    .default("20000")
    .min("1", "a client has to shake hands")
    .max("10000000", "each costs memory"),
    key(
        "mqtt.admission.takeover-interval",
        Kind::Duration,
        "A client that connects takes its session over from an older connection: ten times at \
         once, then once an interval. The next one waits, and where several wait, all but one are \
         refused (0x9F; 3.1.1: 3; reason `taken-over-too-often`): so do clients that share a \
         client identifier. 0s: no bound.",
    )
    .default("1s")
    .max("1m", "no vehicle waits longer for its CONNACK"),
    key(
        "mqtt.connectivity.measurement",
        Kind::Text,
        "The measurement whose points tell when sessions that speak for a vehicle connect and \
         disconnect: tags `vehicle` and `event` (`connect`, `disconnect`), fields `client` and, of \
         a disconnect, `reason` (as in `fleetline_mqtt_closed_connections_total`) and `seconds`, \
         how long it lasted. They go the way of telemetry. Absent: none are written.",
    ),
    key("mqtt.workers", Kind::Count, "Worker threads. Absent: one a core.")
        .min("1", "someone has to read the sockets")
        .max("1024", "a worker is a thread"),
    key(
        "mqtt.receive-maximum",
        Kind::Count,
        "Unacknowledged publishes a session; announced to 5.0 vehicles, for 3.1.1 ones the point \
         where reading pauses.",
    )
    .default("1024")
    .min("1", "MQTT 5.0 forbids zero")
    .max("65535", "it is a 16-bit number in MQTT 5.0"),
    key("mqtt.max-packet-size", Kind::Size, "Bytes of one packet; announced to 5.0 vehicles.")
        .default("1MiB")
        .min("256B", "a CONNECT or a PUBLISH with a topic has to fit")
        .max("256MiB", "MQTT knows no larger packet"),
    key(
        "mqtt.connect-bytes-max",
        Kind::Size,
        "Bytes of a CONNECT, before anything is known of the peer.",
    )
    .default("16KiB")
    .min("256B", "a client id, a user and a password have to fit")
    .max("1MiB", "anyone may send one"),
    key("mqtt.control-bytes-max", Kind::Size, "Bytes of any packet but CONNECT and PUBLISH.")
        .default("64KiB")
        .min("256B", "a DISCONNECT with a reason has to fit")
        .max("1MiB", "none of them carries data"),
    key(
        "mqtt.connect-timeout",
        Kind::Duration,
        "From accepting a connection to its whole CONNECT.",
    )
    .default("10s")
    .min("100ms", "a radio link needs a moment")
    .max("10m", "a connection that says nothing costs a descriptor"),
    key("mqtt.packet-timeout", Kind::Duration, "From the first byte of a packet to its last.")
        .default("60s")
        .min("1s", "a radio link needs a moment")
        .max("1h", "a packet that never ends holds its buffer"),
    key(
        "mqtt.keep-alive-max",
        Kind::Duration,
        "The longest keep alive, imposed on 5.0 vehicles; \"0s\" imposes none.",
    )
    .default("0s")
    .max("65535s", "it is a 16-bit number of seconds in MQTT"),
    key(
        "mqtt.idle-max",
        Kind::Duration,
        "How long a client may say nothing that asked for a longer keep alive, or for none; then \
         its connection ends (0x8D). \"0s\": as long as it likes.",
    )
    .default("0s")
    .max("24h", "past it, it is no bound"),
    key("mqtt.connections-max", Kind::Count, "Connections at once; one more is closed at once.")
        .default("1000000")
        .min("1", "without a connection there is no work"),
    key(
        "mqtt.session-bytes-max",
        Kind::Size,
        "Unacknowledged payload bytes a session, past which reading pauses.",
    )
    .default("1MiB")
    .min("1KiB", "a message has to fit")
    .max("1GiB", "it is memory, and every session may use it"),
    key(
        "mqtt.topic-alias-max",
        Kind::Count,
        "Topic aliases a 5.0 session, in each direction; 0 offers and uses none.",
    )
    .default("10")
    .max("65535", "it is a 16-bit number in MQTT 5.0"),
    key("mqtt.topic-bytes-max", Kind::Size, "Bytes of a topic.")
        .default("1KiB")
        .min("16B", "a topic with a vehicle in it has to fit")
        .max("65535B", "MQTT knows no longer topic"),
    key("mqtt.topic-levels-max", Kind::Count, "Levels of a topic.")
        .default("32")
        .min("1", "every topic has one")
        .max("1024", "matching takes a step a level"),
    key("mqtt.user-properties-max", Kind::Count, "User properties a packet.")
        .default("64")
        .max("65535", "each is read"),
    key(
        "mqtt.session-vehicles-max",
        Kind::Count,
        "Vehicles that one session is seen to carry. The messages of more are stored all the same; \
         `GET /vehicles` does not show them as connected \
         (`fleetline_mqtt_dropped_last_lines_total{reason=\"vehicles\"}`).",
    )
    .default("64")
    .min("1", "a session carries a vehicle")
    .max("65535", "each costs some 150 bytes, and is looked for in turn"),
    key(
        "mqtt.last-line-bytes-max",
        Kind::Size,
        "Bytes of a point that a session keeps as its vehicle's last of a mapping. A larger one is \
         stored all the same; `GET /vehicles/{vin}` does not show it (reason `line-bytes`).",
    )
    .default("4KiB")
    .min("64B", "a small point has to fit")
    .max("1MiB", "it is memory, and every session may use it"),
    key(
        "mqtt.last-lines-bytes-max",
        Kind::Size,
        "Bytes of last points that one session keeps, over all vehicles and mappings (reason \
         `bytes`).",
    )
    .default("64KiB")
    .min("64B", "a small point has to fit")
    .max("64MiB", "it is memory, and every session may use it"),
    key(
        "mqtt.away-vehicles-max",
        Kind::Count,
        "Vehicles remembered after their last session has ended, some 180 bytes each; past it the \
         one that left first is forgotten (`fleetline_presence_forgotten_vehicles_total`). Their \
         last values are the store's.",
    )
    .default("1000000")
    .max("100000000", "each costs memory"),
];

const MQTT_ADMISSION: &[Key] = &[
    key(
        "mqtt.admission.silent-max",
        Kind::Count,
        "Peers that connected a second ago or longer and have sent no whole CONNECT; past it the \
         one that has been silent for the longest is closed, never the newcomer.",
    )
    .default("20000")
    .min("1", "a client may be slow to say its CONNECT")
    .max("10000000", "each costs a descriptor"),
    key("mqtt.admission.silent-per-address-max", Kind::Count, "The same of one address.")
        .default("1000")
        .min("1", "a client may be slow to say its CONNECT")
        .max("10000000", "each costs a descriptor"),
];

const HTTP: &[Key] = &[
    key("http.listen", Kind::Address, "Where operators connect; port 0 takes any free one.")
        .default("127.0.0.1:8080"),
    key(
        "http.tls.certificate",
        Kind::Path,
        "With it operators connect over TLS: the certificate in PEM, with those between it and its \
         authority behind it. Read anew on SIGHUP.",
    ),
    key(
        "http.hosts",
        Kind::Texts,
        "Names under which operators reach it, besides addresses and loopback names. Where no token \
         is asked for, what changes something must name one of them as its `Host`, so that no page \
         of somebody else can make a browser do it.",
    ),
    key("http.tls.key", Kind::Path, "Its private key in PEM, without a passphrase."),
    key(
        "http.header-timeout",
        Kind::Duration,
        "From accepting a connection, or the end of the last answer on it, to the whole head of a \
         request.",
    )
    .default("10s")
    .min("100ms", "a network needs a moment")
    .max("10m", "a connection that says nothing costs a descriptor"),
    key("http.request-timeout", Kind::Duration, "From the head of a request to its answer.")
        .default("30s")
        .min("100ms", "an answer takes a moment")
        .max("1h", "a request that never ends holds its memory"),
    key("http.header-bytes-max", Kind::Size, "Bytes of a request's head.")
        .default("16KiB")
        .min("8KiB", "the HTTP library reads at least that much at once")
        .max("1MiB", "anyone may send one"),
    key("http.body-bytes-max", Kind::Size, "Bytes of a request's body.")
        .default("1MiB")
        .min("1KiB", "a request has to fit")
        .max("1GiB", "it is held in memory"),
    key(
        "http.connections-max",
        Kind::Count,
        "Connections at once. One more takes the place of the peer that has been silent for the \
         longest, or waits if none is silent.",
    )
    .default("1024")
    .min("1", "without a connection there is no answer")
    .max("65535", "each costs a descriptor"),
    key(
        "http.silent-max",
        Kind::Count,
        "Peers that connected a second ago or longer and have sent no whole request; past it the \
         one that has been silent for the longest is closed, never the newcomer.",
    )
    .default("512")
    .min("1", "a client may be slow to ask")
    .max("65535", "each costs a descriptor"),
    key("http.silent-per-address-max", Kind::Count, "The same of one address.")
        .default("256")
        .min("1", "a client may be slow to ask")
        .max("65535", "each costs a descriptor"),
];

const QUERY: &[Key] = &[
    key(
        "query.rows-max",
        Kind::Count,
        "Rows of one answer of the store; past it the question is cancelled and fails \
         (`fleetline_query_failed_questions_total{reason=\"rows\"}`).",
    )
    .default("1000000")
    .min("1000", "a page has to fit")
    .max("1000000000", "each row is work for the store and for us"),
    key(
        "query.bytes-max",
        Kind::Size,
        "Bytes of one answer, as the store sends them; past it the question is cancelled and fails \
         (reason `bytes`).",
    )
    .default("256MiB")
    .min("64KiB", "a row has to fit")
    .max("64GiB", "each byte is work for the store and for us"),
    key(
        "query.time-max",
        Kind::Duration,
        "From a question to the last row of its answer; past it the question is cancelled and fails \
         (reason `time`). Below `http.request-timeout`, so that this bound is the one that is told.",
    )
    .default("20s")
    .min("10ms", "a store needs a moment")
    .max("1h", "a question holds its turn"),
    key(
        "query.concurrent-max",
        Kind::Count,
        "Questions at once; one more waits for at most `query.time-max` and then fails (reason \
         `busy`).",
    )
    .default("8")
    .min("1", "without a turn nobody asks")
    .max("1024", "each holds rows in memory and a connection to the store"),
    key(
        "query.topic-rows-max",
        Kind::Count,
        "Rows that a saved query (`[[query]]`) may tell on its topic; past it the last good answer \
         stays and says that it is failing \
         (`fleetline_query_failed_topics_total{reason=\"rows\"}`).",
    )
    .default("1000")
    .min("1", "a row has to fit")
    .max("1000000", "each subscriber reads them all"),
    key(
        "query.topic-bytes-max",
        Kind::Size,
        "Bytes of these rows as JSON; past it the same (reason `bytes`).",
    )
    .default("256KiB")
    .min("256", "a row has to fit")
    .max("64MiB", "they are held in memory, and each subscriber reads them all"),
];
