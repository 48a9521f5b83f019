//! The keys of the stages behind the listeners: schemas, spool, sink, store, dead letters, log.

use super::{downlink, uplink};
use crate::config::key::{Key, Kind, key};

/// In the order of the reference: root, schemas, uplink, spool, store, sink, dead-letter,
/// downlink, telemetry.
pub(super) const TABLES: [&[Key]; 9] =
    [ROOT, SCHEMAS, uplink::KEYS, SPOOL, STORE, SINK, DEAD_LETTER, downlink::KEYS, TELEMETRY];

const ROOT: &[Key] = &[key(
    "data-dir",
    Kind::Path,
    "The folder of everything that must survive a restart: spools, dead letters, the lock.",
)
.default("./fleetline-data")];

const SCHEMAS: &[Key] = &[
    key(
        "schemas.dir",
        Kind::Path,
        "The folder of schema and mapping files: every *.proto, *.avsc, *.schema.json and *.toml \
         below it. Names that begin with a dot, backups and editors' leftovers are ignored.",
    )
    .default("./schemas"),
    key(
        "schemas.import-roots",
        Kind::Paths,
        "Folders below `schemas.dir` in which imports of *.proto files are looked up, besides \
         `schemas.dir` itself and the folders above the importing file.",
    ),
    key(
        "schemas.file-size-max",
        Kind::Size,
        "Bytes of one file. A larger mapping file is refused; a larger schema is ignored.",
    )
    .default("4MiB")
    .min("1KiB", "a mapping has to fit")
    .max("64MiB", "a file is parsed in memory"),
    key(
        "schemas.size-max",
        Kind::Size,
        "Bytes of all files together, mapping files first; files beyond it are treated as above.",
    )
    .default("64MiB")
    .min("1KiB", "a mapping has to fit")
    .max("1GiB", "files are held in memory"),
    key(
        "schemas.entries-max",
        Kind::Count,
        "Files and folders below `schemas.dir`; more are refused.",
    )
    .default("100000")
    .min("1", "a mapping is a file")
    .max("10000000", "each name is held in memory"),
];

const SPOOL: &[Key] = &[
    key("spool.shards", Kind::Count, "How many spools; fixed once the data directory exists.")
        .default("2")
        .min("1", "points have to lie somewhere")
        .max("256", "each shard costs threads and a preallocated segment"),
    key("spool.segment-size", Kind::Size, "Bytes of one file of a spool, allocated ahead.")
        .default("64MiB")
        .min("4KiB", "a file has a header, a footer and at least one entry")
        .max("4GiB", "room comes back only when a whole file is confirmed"),
    key("spool.max-size", Kind::Size, "Bytes on disk over all shards; past it publishes wait.")
        .default("8GiB")
        .min("8KiB", "a shard needs a file to write and one to read"),
    key(
        "spool.commit-interval",
        Kind::Duration,
        "The shortest time between the starts of two fsyncs of a shard. A longer one saves fsyncs \
         and delays acknowledgements by as much.",
    )
    .default("2ms")
    .max("1s", "vehicles wait for their acknowledgements that long"),
    key("spool.commit-bytes-max", Kind::Size, "Bytes after which an fsync's group is closed.")
        .default("16MiB")
        .min("1KiB", "an fsync a message would cost more than the message")
        .max("1GiB", "all of it waits for one fsync"),
    key("spool.recheck-interval", Kind::Duration, "How often a full disk is checked again.")
        .default("250ms")
        .min("10ms", "looking costs a system call")
        .max("1m", "nothing is acknowledged meanwhile"),
];

const EMBEDDED: &[&str] = &["embedded"];
const HTTP: &[&str] = &["influxdb1", "influxdb2", "influxdb3", "tdengine"];
const V1: &[&str] = &["influxdb1"];
const V2: &[&str] = &["influxdb2"];
const V2_TAOS: &[&str] = &["influxdb2", "tdengine"];
const TAOS: &[&str] = &["tdengine"];
const V1_TAOS: &[&str] = &["influxdb1", "tdengine"];
const DATABASE: &[&str] = &["influxdb1", "influxdb3", "tdengine"];

const STORE: &[Key] = &[
    key(
        "store.kind",
        Kind::Choice(&["embedded", "influxdb1", "influxdb2", "influxdb3", "tdengine"]),
        "Which database. The embedded one keeps its files in `embedded` below the data directory.",
    )
    .default("embedded"),
    key(
        "store.retention",
        Kind::Duration,
        "How long points are kept; older points are refused, and files with only older points \
         are deleted. Absent: for ever.",
    )
    .min("1h", "points have to be there when somebody asks")
    .max("36500d", "nanoseconds since 1970 reach no further")
    .only_for(EMBEDDED),
    key(
        "store.partition",
        Kind::Choice(&["day", "month"]),
        "The time range of one file. Days free room sooner if the retention is short; fixed once \
         files exist.",
    )
    .default("month")
    .only_for(EMBEDDED),
    key("store.cache-size", Kind::Size, "Memory for pages, over all open files.")
        .default("128MiB")
        .min("8MiB", "eight files may be open")
        .max("64GiB", "it is memory")
        .only_for(EMBEDDED),
    key(
        "store.questions-at-once",
        Kind::Count,
        "Native queries at once, each in its own process; one more waits for at most \
         `query.time-max`.",
    )
    .default("2")
    .min("1", "without a turn nobody asks")
    .max("1024", "each may take store.question-memory-max")
    .only_for(EMBEDDED),
    key(
        "store.question-memory-max",
        Kind::Size,
        "Memory of one native query, the rows of its answer in transit included. Past this, or a \
         bound below, the query is refused (`question-too-large`).",
    )
    .default("64MiB")
    .min("8MiB", "SQLite needs some to read at all")
    .max("64GiB", "it is memory")
    .only_for(EMBEDDED),
    key(
        "store.question-temporary-max",
        Kind::Size,
        "Bytes of one temporary file of a native query, in the store's folder; sorts and joins \
         write these if memory does not suffice.",
    )
    .default("256MiB")
    .min("1MiB", "a sort has to go somewhere")
    .max("1TiB", "it is disk")
    .only_for(EMBEDDED),
    key(
        "store.question-value-max",
        Kind::Size,
        "Bytes of one text, blob or row of a native query.",
    )
    .default("1MiB")
    .min("1KiB", "a row has to fit")
    .max("1000000000B", "SQLite has no longer ones")
    .only_for(EMBEDDED),
    key("store.question-text-max", Kind::Size, "Bytes of the text of a native query.")
        .default("64KiB")
        .min("1KiB", "a question has words")
        .max("1MiB", "http.body-bytes-max is no larger by default")
        .only_for(EMBEDDED),
    key(
        "store.question-columns-max",
        Kind::Count,
        "Columns of a result, of `GROUP BY` and of `ORDER BY` in a native query.",
    )
    .default("2000")
    .min("100", "the tables have columns of their own")
    .max("2000", "SQLite has no more")
    .only_for(EMBEDDED),
    key(
        "store.question-depth-max",
        Kind::Count,
        "Nesting depth of an expression in a native query.",
    )
    .default("100")
    .min("10", "a condition has to fit")
    .max("1000", "SQLite's stack reaches no deeper")
    .only_for(EMBEDDED),
    key(
        "store.question-compounds-max",
        Kind::Count,
        "Parts of a compound `SELECT` in a native query; a measurement is one with a part for \
         each of its files.",
    )
    .default("500")
    .min("130", "a measurement may lie in 125 files")
    .max("500", "SQLite takes no more")
    .only_for(EMBEDDED),
    key(
        "store.question-steps-max",
        Kind::Count,
        "SQLite VM steps of a native query; some 100 to 200 million take a core one second.",
    )
    .default("4000000000")
    .min("10000", "it is looked at so often")
    .only_for(EMBEDDED),
    key(
        "store.question-pattern-max",
        Kind::Size,
        "Bytes of a `LIKE` or `GLOB` pattern in a native query: its cost grows with the pattern \
         times the text.",
    )
    .default("1000B")
    .min("10B", "a pattern has letters")
    .max("50000B", "SQLite takes no longer ones")
    .only_for(EMBEDDED),
    key(
        "store.urls",
        Kind::Urls,
        "Base URLs. Several servers share the shards equally, by rendezvous hashing; a server that \
         fails delays only its own shards; queries go to all servers. Builds with the cargo \
         feature `taos-ws` can also use the WebSocket of TDengine's adapter, `ws://host:port`. \
         Required.",
    )
    .only_for(HTTP),
    key(
        "store.ca-file",
        Kind::Path,
        "A PEM file of CAs that may sign the store's certificate, besides those that the machine \
         trusts (or the file in `SSL_CERT_FILE`, if set). For a store with a certificate of a \
         private CA.",
    )
    .only_for(HTTP),
    key("store.org", Kind::Text, "The organisation's name. Required.")
        .min("1", "a name has a letter")
        .only_for(V2),
    key("store.bucket", Kind::Text, "The bucket's name. Required.")
        .min("1", "a name has a letter")
        .only_for(V2),
    key("store.database", Kind::Text, "The database's name. Required.")
        .min("1", "a name has a letter")
        .only_for(DATABASE),
    key(
        "store.create",
        Kind::Bool,
        "InfluxDB 2: whether to create a missing organisation and bucket; the token must allow it, \
         and the build must have the cargo feature `influxdb2`. TDengine: whether to create a \
         missing database, with PRECISION 'ns' and WAL_LEVEL 2: the server then syncs its log each \
         WAL_FSYNC_PERIOD, 3 s by default, and a power cut loses what it confirmed since. \
         Fleetline never writes to a database of another precision. Let Fleetline create the \
         tables: tables created by hand must have NCHAR tags and columns of BIGINT, BIGINT \
         UNSIGNED, DOUBLE, VARCHAR and BOOL only.",
    )
    .default("false")
    .only_for(V2_TAOS),
    key(
        "store.newlines",
        Kind::Choice(&["refuse", "space"]),
        "What happens to a point with a line feed in a string, for which TDengine would refuse the \
         whole request: it becomes a dead letter (refuse), or gets a space instead (space).",
    )
    .default("refuse")
    .only_for(TAOS),
    key(
        "store.string-size-max",
        Kind::Size,
        "Bytes of one string field; a point with a longer one is a dead letter. All columns of a \
         TDengine table share 64 KiB, and a column is as wide as the longest string ever written: \
         without this bound one vehicle could use up the row for all.",
    )
    .default("4KiB")
    .min("16B", "a gear has a name")
    .max("65517B", "TDengine has no longer ones")
    .only_for(TAOS),
    key(
        "store.hold",
        Kind::Duration,
        "How long the spool keeps points after the store confirmed them, for stores that confirm \
         before their own fsync (TDengine syncs its log each 3 s, or never). After a power cut of \
         the store `fleetline spool replay --from TIME` sends them again. They count in \
         `spool.max-size` and are the first to go when the spool needs room. \"0s\": not at all.",
    )
    .default("0s")
    .max("30d", "it is disk")
    .only_for(HTTP),
    key(
        "store.retention-policy",
        Kind::Text,
        "The retention policy to write to. Absent: the database's default.",
    )
    .only_for(V1),
    key("store.username", Kind::Text, "The user, together with a password.").only_for(V1_TAOS),
    key("store.password", Kind::Secret, "The user's password.").only_for(V1_TAOS),
    key("store.password-file", Kind::Path, "A file that holds the password.").only_for(V1_TAOS),
    key("store.token", Kind::Secret, "A token that may write.").only_for(HTTP),
    key("store.token-file", Kind::Path, "A file that holds the token.").only_for(HTTP),
    key("store.connect-timeout", Kind::Duration, "How long connecting may take.")
        .default("5s")
        .min("10ms", "a network needs a moment")
        .max("5m", "meanwhile nothing is shipped"),
    key(
        "store.request-timeout",
        Kind::Duration,
        "How long a request may take from its first byte to the last of the response.",
    )
    .default("30s")
    .min("10ms", "a store needs a moment")
    .max("10m", "meanwhile nothing behind it is confirmed"),
];

const SINK: &[Key] = &[
    key("sink.batch-lines", Kind::Count, "Lines of one request.")
        .default("10000")
        .min("1", "a request without lines says nothing")
        .max("1000000", "a store refuses larger requests"),
    key("sink.batch-size", Kind::Size, "Bytes of one request, before compression.")
        .default("4MiB")
        .min("1KiB", "a line has to fit")
        .max("64MiB", "a store refuses larger requests"),
    key("sink.batch-age", Kind::Duration, "How long the oldest line waits for its batch to fill.")
        .default("200ms")
        .max("1h", "points are not in the store before"),
    key("sink.gzip", Kind::Bool, "Compresses requests: less network, more CPU.").default("false"),
    key("sink.requests-in-flight", Kind::Count, "Requests in flight a shard.")
        .default("2")
        .min("1", "without a request nothing is shipped")
        .max("64", "each holds a batch in memory"),
    key(
        "sink.retry-delay-min",
        Kind::Duration,
        "The first wait, jittered, before a retry to an unavailable store; each next doubles.",
    )
    .default("100ms")
    .min("1ms", "a store that fails needs a moment")
    .max("10s", "points wait meanwhile"),
    key("sink.retry-delay-max", Kind::Duration, "The longest wait before a retry.")
        .default("10s")
        .min("2ms", "a store that fails needs a moment")
        .max("10s", "a store that is back is found within 10 s"),
    key(
        "sink.retry-after-max",
        Kind::Duration,
        "The longest Retry-After of a store that is honoured.",
    )
    .default("10s")
    .max("1h", "points wait meanwhile"),
    key(
        "sink.cursor-age",
        Kind::Duration,
        "How long the cursor on disk may lag behind the confirmed one; the difference is sent \
         again after a crash.",
    )
    .default("1s")
    .max("1m", "all of it is sent again after a crash"),
    key(
        "sink.cursor-bytes-max",
        Kind::Size,
        "Bytes by which the cursor on disk may lag, so that room is freed early enough.",
    )
    .default("32MiB")
    .max("1GiB", "all of it is sent again after a crash"),
    key(
        "sink.batches-ahead-max",
        Kind::Count,
        "Batches that may finish before the oldest unfinished one.",
    )
    .default("1024")
    .min("1", "a batch has to be finished before it is confirmed")
    .max("1000000", "each is remembered"),
    key(
        "sink.backfill-share",
        Kind::Share,
        "The share of a shard's requests for older points while newer ones overtake them: after \
         an outage new points reach the store at once, and the backlog is filled in beside them. \
         A vehicle's points keep their order within the new points and within the backlog, not \
         across both. Points that overtook count as stored when the cursor passes them, and are \
         sent again after a crash. 0: no point overtakes.",
    )
    .default("0")
    .max("0.9", "what comes in has to go ahead"),
    key(
        "sink.backfill-after",
        Kind::Duration,
        "How long points wait to be sent before later ones overtake them, if \
         `sink.backfill-share` allows it.",
    )
    .default("10s")
    .min("100ms", "a full request may take that long")
    .max("1h", "what comes in waits so long too"),
    key(
        "sink.unknown-code-patience",
        Kind::Duration,
        "How long a request is retried that TDengine refuses with an unknown code. Then it is \
         split in halves, and a line that is refused alone becomes a dead letter, if the store \
         accepted anything else within that time.",
    )
    .default("60s")
    .min("1s", "a store that is starting says odd things for a moment")
    .max("1h", "the vehicles of the shard wait meanwhile"),
    key(
        "sink.batches-stalled-max",
        Kind::Count,
        "Stalled batches a shard, beside `sink.requests-in-flight`: one of their lines is refused \
         alone past `sink.unknown-code-patience` while the store accepts nothing else. Later \
         batches use their request slots meanwhile. 0: a stalled batch keeps its slot.",
    )
    .default("8")
    .max("1024", "each holds a batch in memory"),
    key(
        "sink.probe-wait-max",
        Kind::Duration,
        "How long a batch with lines of a new measurement waits until the store has answered \
         another such batch of its shard: by a refusal, InfluxDB 1 and 2 tell the types of its \
         fields, and conflicting points then leave in a request of their own. Over time a shard \
         waits for at most a fiftieth of the time. 0: no batch waits.",
    )
    .default("5s")
    .max("1m", "the points of the batch wait meanwhile"),
];

const DEAD_LETTER: &[Key] = &[
    key(
        "dead-letter.max-size",
        Kind::Size,
        "Bytes on disk. A quarter is reserved for points that the store refuses, the rest is for \
         messages that cannot be decoded.",
    )
    .default("1GiB")
    .min("32KiB", "four files of a letter each have to fit into its quarter"),
    key(
        "dead-letter.when-full",
        Kind::Choice(&["block", "drop-oldest"]),
        "What happens to a message that cannot be decoded if the log, or its vehicle's share, is \
         full: it waits unacknowledged (block), or the oldest letters are dropped (drop-oldest): \
         its own vehicle's if that has used up its share, else the oldest of all.",
    )
    .default("block"),
    key(
        "dead-letter.vehicle-share",
        Kind::Share,
        "The part of the log that messages of one vehicle may fill, so that one bad firmware \
         leaves room for others. A message with an unreadable vehicle counts for its topic.",
    )
    .default("0.1")
    .min("0.000001", "a letter has to fit")
    .max("1", "it is a part of the whole"),
    key(
        "dead-letter.sink-when-full",
        Kind::Choice(&["replace", "hold"]),
        "What happens to a point that the store refuses if the quarter for such points is full: \
         it replaces the oldest, which is counted and logged (replace), or its shard ships nothing \
         until letters are removed (hold).",
    )
    .default("replace"),
    key(
        "dead-letter.segment-size",
        Kind::Size,
        "Bytes of one file of the log, at most; a small log has smaller files.",
    )
    .default("16MiB")
    .min("4KiB", "a file has a header, a footer and at least one letter")
    .max("4GiB", "it is allocated ahead"),
    key(
        "dead-letter.commit-interval",
        Kind::Duration,
        "How long dead letters gather before one fsync makes them durable.",
    )
    .default("2ms")
    .max("1s", "vehicles wait for their acknowledgements that long"),
];

const TELEMETRY: &[Key] = &[
    key(
        "telemetry.log",
        Kind::Text,
        "The log level: error, warn, info, debug, trace, or levels by module, such as \
         \"info,fleetline::sink=debug\". The server library's own threads are quiet unless named.",
    )
    .default("info"),
    key("telemetry.log-format", Kind::Choice(&["text", "json"]), "For people or for machines.")
        .default("text"),
    key(
        "telemetry.sys-interval",
        Kind::Duration,
        "How often the topics below `$SYS/broker/` are published to their subscribers, under the \
         names that dashboards know from mosquitto; \"0s\": never.",
    )
    .default("10s")
    .max("1h", "a dashboard should see the day"),
];
