//! The keys of the listeners for vehicles (MQTT) and operators (HTTP).

use super::{auth::AUTH, sessions::SESSIONS};
use crate::config::key::{Key, Kind, key};

/// In the order of the reference: mqtt, auth, http, query.
pub(super) const TABLES: [&[Key]; 6] = [MQTT, SESSIONS, MQTT_ADMISSION, AUTH, HTTP, QUERY];

const MQTT: &[Key] = &[
    key(
        "mqtt.listen",
        Kind::Addresses,
        "Where vehicles connect: `mqtt://`, `mqtts://` (TLS), `ws://` and `wss://` (WebSocket, with a \
         path, by default `/mqtt`), each with an IP address and a port; an address without a \
         scheme is `mqtt`. Port 0 takes any free one.",
    )
    .default("127.0.0.1:1883"),
    key(
        "mqtt.proxy-protocol.from",
        Kind::Texts,
        "Addresses or networks (`\"10.0.0.0/8\"`) of load balancers. These must begin each \
         connection with a PROXY header, version 1 or 2, on every listener; other peers must not.",
    ),
    key(
        "mqtt.ws-origins",
        Kind::Texts,
        "Origins of web pages that may open a WebSocket, such as `\"https://panel.example\"`; \
         `\"*\"`: all. Pages of the same host and port always may, and so may clients that are no \
         browsers.",
    ),
    key(
        "mqtt.tls.certificate",
        Kind::Path,
        "The server certificate of `mqtts` and `wss` in PEM, followed by its intermediate \
         certificates. Reloaded on SIGHUP, like every file of this table.",
    ),
    key("mqtt.tls.key", Kind::Path, "Its private key in PEM, without a passphrase."),
    key("mqtt.tls.client-ca", Kind::Path, "The CAs of clients' certificates, in PEM."),
    key(
        "mqtt.tls.client-certificate",
        Kind::Choice(&["off", "optional", "required"]),
        "Whether clients must or may present a certificate.",
    )
    .default("off"),
    key(
        "mqtt.tls.client-crl",
        Kind::Paths,
        "Revocation lists of these CAs, in PEM. An expired list refuses all clients of its CA; a \
         CA without a list revokes no certificate.",
    ),
    key(
        "mqtt.rates.messages-per-second",
        Kind::Count,
        "PUBLISH packets a second of one client, on average; past it the worker reads the client's \
         socket no faster (`fleetline_mqtt_slowed_reads_total`), and drops nothing. 0: no bound.",
    )
    .default("0")
    .max("10000000", "nobody sends more"),
    key(
        "mqtt.rates.bytes-per-second",
        Kind::Size,
        "The same in bytes of PUBLISH packets. 0: no bound.",
    )
    .default("0B"),
    key(
        "mqtt.admission.accepts-per-second",
        Kind::Count,
        "New connections a second, before anything is read from them; one more waits for its \
         turn, and is closed if that is more than a second away (reason `accepts-per-second`).",
    )
    .default("50000")
    .min("1", "somebody has to come in")
    .max("10000000", "no machine accepts more"),
    key(
        "mqtt.admission.handshakes-max",
        Kind::Count,
        "TLS connections that began their handshake more than a second ago and have not sent \
         CONNECT; past it the oldest of them is closed, never the newest (reason \
         `handshakes-max`).",
    )
    .default("20000")
    .min("1", "a client has to shake hands")
    .max("10000000", "each costs memory"),
    key(
        "mqtt.admission.takeover-interval",
        Kind::Duration,
        "How often connections may take one session over from each other, as clients that share \
         a client identifier do: ten times at once, then once an interval. The next connection \
         waits; if several wait, all but one are refused (0x9F; 3.1.1: 3; reason \
         `taken-over-too-often`). 0s: no bound.",
    )
    .default("1s")
    .max("1m", "no vehicle waits longer for its CONNACK"),
    key(
        "mqtt.connectivity.measurement",
        Kind::Text,
        "The measurement for connects and disconnects of vehicles' sessions: tags `vehicle` and \
         `event` (`connect`, `disconnect`), fields `client` and, for a disconnect, `reason` (as in \
         `fleetline_mqtt_closed_connections_total`) and `seconds` (the connection's duration). \
         These points are stored like telemetry. Absent: none are written.",
    ),
    key("mqtt.workers", Kind::Count, "Worker threads. Absent: one a core.")
        .min("1", "someone has to read the sockets")
        .max("1024", "a worker is a thread"),
    key(
        "mqtt.receive-maximum",
        Kind::Count,
        "Unacknowledged PUBLISH packets a session: announced to 5.0 clients; for 3.1.1 clients \
         reading pauses there.",
    )
    .default("1024")
    .min("1", "MQTT 5.0 forbids zero")
    .max("65535", "it is a 16-bit number in MQTT 5.0"),
    key("mqtt.max-packet-size", Kind::Size, "Bytes of one packet; announced to 5.0 clients.")
        .default("1MiB")
        .min("256B", "a CONNECT or a PUBLISH with a topic has to fit")
        .max("256MiB", "MQTT knows no larger packet"),
    key(
        "mqtt.connect-bytes-max",
        Kind::Size,
        "Bytes of a CONNECT, which any unknown peer may send.",
    )
    .default("16KiB")
    .min("256B", "a client id, a user and a password have to fit")
    .max("1MiB", "anyone may send one"),
    key("mqtt.control-bytes-max", Kind::Size, "Bytes of any packet except CONNECT and PUBLISH.")
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
        "The longest keep alive, imposed on 5.0 clients (Server Keep Alive); \"0s\" imposes none.",
    )
    .default("0s")
    .max("65535s", "it is a 16-bit number of seconds in MQTT"),
    key(
        "mqtt.idle-max",
        Kind::Duration,
        "How long a client with a longer keep alive, or none, may send nothing; then its \
         connection is closed (0x8D). \"0s\": no bound.",
    )
    .default("0s")
    .max("24h", "past it, it is no bound"),
    key("mqtt.connections-max", Kind::Count, "Connections at once; one more is closed at once.")
        .default("1000000")
        .min("1", "without a connection there is no work"),
    key(
        "mqtt.session-bytes-max",
        Kind::Size,
        "Unacknowledged payload bytes a session; past it reading pauses.",
    )
    .default("1MiB")
    .min("1KiB", "a message has to fit")
    .max("1GiB", "it is memory, and every session may use it"),
    key(
        "mqtt.topic-alias-max",
        Kind::Count,
        "Topic aliases a 5.0 connection, in each direction; 0 offers and uses none.",
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
        "Vehicles that `GET /vehicles` shows as connected through one session. Messages of more \
         vehicles are stored all the same \
         (`fleetline_mqtt_dropped_last_lines_total{reason=\"vehicles\"}`).",
    )
    .default("64")
    .min("1", "a session carries a vehicle")
    .max("65535", "each costs some 150 bytes, and is looked for in turn"),
    key(
        "mqtt.last-line-bytes-max",
        Kind::Size,
        "Bytes of a point that a session keeps as its vehicle's last one of a mapping. A larger \
         point is stored, but `GET /vehicles/{vin}` does not show it (reason `line-bytes`).",
    )
    .default("4KiB")
    .min("64B", "a small point has to fit")
    .max("1MiB", "it is memory, and every session may use it"),
    key(
        "mqtt.last-lines-bytes-max",
        Kind::Size,
        "Bytes of all last points that one session keeps, over its vehicles and mappings (reason \
         `bytes`).",
    )
    .default("64KiB")
    .min("64B", "a small point has to fit")
    .max("64MiB", "it is memory, and every session may use it"),
    key(
        "mqtt.away-vehicles-max",
        Kind::Count,
        "Vehicles remembered after their last session ended, some 180 bytes each; past it the one \
         that left first is forgotten (`fleetline_presence_forgotten_vehicles_total`). Their last \
         values come from the store.",
    )
    .default("1000000")
    .max("100000000", "each costs memory"),
];

const MQTT_ADMISSION: &[Key] = &[
    key(
        "mqtt.admission.silent-max",
        Kind::Count,
        "Peers that connected a second or more ago and have not sent a whole CONNECT; past it the \
         longest silent one is closed, never the newest.",
    )
    .default("20000")
    .min("1", "a client may be slow to say its CONNECT")
    .max("10000000", "each costs a descriptor"),
    key("mqtt.admission.silent-per-address-max", Kind::Count, "The same for one address.")
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
        "The server certificate in PEM, followed by its intermediate certificates; if set, \
         operators connect over TLS. Reloaded on SIGHUP.",
    ),
    key(
        "http.hosts",
        Kind::Texts,
        "Host names of this server, besides addresses and loopback names. If no token is \
         required, requests that change something must name one of them as their `Host`, so that \
         no foreign web page can make a browser send them.",
    ),
    key("http.tls.key", Kind::Path, "Its private key in PEM, without a passphrase."),
    key(
        "http.header-timeout",
        Kind::Duration,
        "From accepting a connection, or the end of its last response, to the whole head of a \
         request.",
    )
    .default("10s")
    .min("100ms", "a network needs a moment")
    .max("10m", "a connection that says nothing costs a descriptor"),
    key("http.request-timeout", Kind::Duration, "From the head of a request to its response.")
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
        "Connections at once. One more replaces the longest silent one, or waits if none is \
         silent.",
    )
    .default("1024")
    .min("1", "without a connection there is no answer")
    .max("65535", "each costs a descriptor"),
    key(
        "http.silent-max",
        Kind::Count,
        "Peers that connected a second or more ago and have not sent a whole request; past it the \
         longest silent one is closed, never the newest.",
    )
    .default("512")
    .min("1", "a client may be slow to ask")
    .max("65535", "each costs a descriptor"),
    key("http.silent-per-address-max", Kind::Count, "The same for one address.")
        .default("256")
        .min("1", "a client may be slow to ask")
        .max("65535", "each costs a descriptor"),
];

const QUERY: &[Key] = &[
    key(
        "query.rows-max",
        Kind::Count,
        "Rows of one answer of the store; past it the query is cancelled and fails \
         (`fleetline_query_failed_questions_total{reason=\"rows\"}`).",
    )
    .default("1000000")
    .min("1000", "a page has to fit")
    .max("1000000000", "each row is work for the store and for us"),
    key(
        "query.bytes-max",
        Kind::Size,
        "Bytes of one answer, as the store sends them; past it the query is cancelled and fails \
         (reason `bytes`).",
    )
    .default("256MiB")
    .min("64KiB", "a row has to fit")
    .max("64GiB", "each byte is work for the store and for us"),
    key(
        "query.time-max",
        Kind::Duration,
        "From a query to the last row of its answer; past it the query is cancelled and fails \
         (reason `time`). Must be below `http.request-timeout`, so that errors name this bound.",
    )
    .default("20s")
    .min("10ms", "a store needs a moment")
    .max("1h", "a question holds its turn"),
    key(
        "query.concurrent-max",
        Kind::Count,
        "Queries at once; one more waits for at most `query.time-max` and then fails (reason \
         `busy`).",
    )
    .default("8")
    .min("1", "without a turn nobody asks")
    .max("1024", "each holds rows in memory and a connection to the store"),
    key(
        "query.topic-rows-max",
        Kind::Count,
        "Rows that a saved query (`[[query]]`) may publish on its topic; past it the last good \
         answer stays, marked as failing \
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
