//! Every metric of the product, by name.
//!
//! A metric is one line of the `metrics!` table: its name is the field's name behind `fleetline_`
//! (area first, unit last; counters gain `_total` when they are written out), its help is the doc
//! comment. Adding one is adding a line; whoever holds the [`Metrics`] then counts with
//! `metrics.name.inc()`.
//!
//! Labels are bounded by type: a shard, a mapping, a [`Cause`], a word of a closed list. A vehicle
//! is never a label, because a fleet would make a time series of each.
//!
//! A plain counter costs some 3 ns. A labelled one costs a lookup of some 90 ns, so a loop takes
//! its handle once (`metrics.name.get_or_create_owned(&label)`) and keeps it; either is touched
//! once per batch, never per message.
//!
//! The counters of the two equations are not here: they are read from the [`Ledgers`] at each
//! scrape, so that one scrape shows one moment and the equations hold in it.

use std::sync::{Arc, Mutex, PoisonError, atomic::AtomicU64};

use prometheus_client::{
    encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder, text},
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
        info::Info,
    },
    registry::{Registry, Unit},
};

use crate::{
    model::{Cause, ShardId},
    telemetry::{Exposition, HealthBoard, Ledgers, equations::Equations, exposition},
};

/// A metric with labels; the handle of one label set comes from `get_or_create_owned`.
pub type By<L, M> = Family<L, M, fn() -> M>;

/// A counter of time.
pub type Seconds = Counter<f64, AtomicU64>;

/// The prefix of every name.
const PREFIX: &str = "fleetline";

/// From half a millisecond to 16 seconds: an fsync at the low end, a store's time-out at the high.
const SECONDS_BUCKETS: (f64, f64, u16) = (0.0005, 2.0, 16);

macro_rules! metrics {
    ($($(#[doc = $help:literal])+ $name:ident: $kind:ty [$unit:ident],)+) => {
        /// The handles of every metric, and the registry that writes them out.
        #[derive(Debug)]
        pub struct Metrics {
            registry: Mutex<Registry>,
            ledgers: Arc<Ledgers>,
            health: HealthBoard,
            $($(#[doc = $help])+ pub $name: $kind,)+
        }

        impl Metrics {
            /// All metrics at zero, and the health board beside them.
            #[must_use]
            pub fn new(health: HealthBoard) -> Self {
                let mut registry = Registry::with_prefix(PREFIX);
                let version = vec![("version", env!("CARGO_PKG_VERSION"))];
                registry.register("build", "The running version", Info::new(version));
                let ledgers = Arc::new(Ledgers::default());
                let equations = Equations::new(Arc::clone(&ledgers), health.clone());
                registry.register_collector(Box::new(equations));
                $(let $name = <$kind as Fresh>::fresh();)+
                $(register(
                    &mut registry,
                    stringify!($name),
                    stringify!($unit),
                    concat!($($help),+),
                    $name.clone(),
                );)+
                Self { registry: Mutex::new(registry), ledgers, health, $($name,)+ }
            }
        }
    };
}

metrics! {
    /// Open connections, before and after their CONNECT.
    mqtt_open_sessions: Gauge [sessions],
    /// Connections past which one more is closed at once.
    mqtt_open_limit_sessions: Gauge [sessions],
    /// CONNECT packets accepted.
    mqtt_begun_sessions: Counter [sessions],
    /// Connections accepted, before anything was read from them.
    mqtt_accepted_connections: Counter [connections],
    /// Connections closed, by reason.
    mqtt_closed_connections: By<ReasonLabel, Counter> [connections],
    /// Bytes read from vehicles.
    mqtt_read_bytes: Counter [bytes],
    /// Bytes written to vehicles.
    mqtt_written_bytes: Counter [bytes],
    /// Packets of any kind read from clients.
    mqtt_read_packets: Counter [packets],
    /// Packets of any kind written to clients.
    mqtt_written_packets: Counter [packets],
    /// Payload bytes of PUBLISH packets read from clients.
    mqtt_read_payload_bytes: Counter [bytes],
    /// PUBLISH packets written to subscribers, redeliveries included.
    mqtt_written_publishes: Counter [publishes],
    /// Payload bytes of PUBLISH packets written to subscribers.
    mqtt_written_payload_bytes: Counter [bytes],
    /// Times that reading a session paused because of its unacknowledged messages.
    mqtt_paused_reads: Counter [reads],
    /// Times that reading a session paused because it was over its rate.
    mqtt_slowed_reads: Counter [reads],
    /// Subscriptions of all sessions.
    mqtt_subscriptions: Gauge [subscriptions],
    /// Subscriptions refused, by reason.
    mqtt_refused_subscriptions: By<ReasonLabel, Counter> [subscriptions],
    /// Retained messages.
    mqtt_retained_messages: Gauge [messages],
    /// Memory of retained messages.
    mqtt_retained_bytes: Gauge [bytes],
    /// Retained messages past which none is added.
    mqtt_retained_limit_messages: Gauge [messages],
    /// Bytes past which no retained message is added.
    mqtt_retained_limit_bytes: Gauge [bytes],
    /// Retained messages refused for lack of room.
    mqtt_refused_retained_messages: Counter [messages],
    /// Points of connects and disconnects not written, for lack of memory or because no line can
    /// hold the vehicle's name.
    mqtt_dropped_connectivity_points: Counter [points],
    /// Memory of messages queued for subscribers, counted once for each subscriber.
    mqtt_queued_bytes: Gauge [bytes],
    /// Bytes past which only messages that can be sent at once are queued.
    mqtt_queued_limit_bytes: Gauge [bytes],
    /// Full queues for which publishers wait.
    mqtt_full_queues: Gauge [queues],
    /// Persistent sessions, with or without a connection.
    sessions_stored_sessions: Gauge [sessions],
    /// Messages above QoS 0 queued for persistent sessions, or in flight to them.
    sessions_queued_messages: Gauge [messages],
    /// Bytes of the session journal on disk.
    sessions_disk_bytes: Gauge [bytes],
    /// Bytes that the session journal may take; a sixteenth is kept for records that free room.
    sessions_limit_bytes: Gauge [bytes],
    /// Snapshots written of the table of sessions.
    sessions_snapshots: Counter [snapshots],
    /// Files of the session journal compacted because little of them was still needed.
    sessions_moved_segments: Counter [segments],
    /// Frames of the session journal found damaged at a start.
    sessions_damaged_frames: Counter [frames],
    /// Messages of the session journal found damaged.
    sessions_damaged_messages: Counter [messages],
    /// Deliveries dropped, by reason.
    mqtt_dropped_deliveries: By<ReasonLabel, Counter> [deliveries],
    /// Connections accepted a second or more ago that have sent no CONNECT.
    mqtt_silent_connections: Gauge [connections],
    /// Silent connections past which the longest silent one is closed.
    mqtt_silent_limit_connections: Gauge [connections],
    /// TLS handshakes in progress.
    mqtt_open_handshakes: Gauge [handshakes],
    /// TLS handshakes past which one is closed.
    mqtt_open_limit_handshakes: Gauge [handshakes],
    /// Last lines that a session did not keep, by the bound that they exceeded; their points are
    /// stored all the same.
    mqtt_dropped_last_lines: By<ReasonLabel, Counter> [lines],
    /// Vehicles with a live session.
    presence_connected_vehicles: Gauge [vehicles],
    /// Vehicles remembered without a live session.
    presence_away_vehicles: Gauge [vehicles],
    /// Vehicles forgotten because too many are disconnected.
    presence_forgotten_vehicles: Counter [vehicles],

    /// Time until the server certificate expires, by edge; negative once it has expired.
    auth_certificate_left_seconds: By<EdgeLabel, Gauge> [seconds],

    /// Valid CONNECT packets refused by authentication, by reason.
    auth_refused_connects: By<ReasonLabel, Counter> [connects],
    /// Operations refused by the access rules, by kind: `publish`, `subscribe`, or `receive` after
    /// the rules changed.
    auth_refused_operations: By<ReasonLabel, Counter> [operations],
    /// Passwords of clients by result: `right`, `wrong`, `remembered` as right, or `full`: too many
    /// waited.
    auth_verified_passwords: By<ReasonLabel, Counter> [passwords],
    /// Passwords that wait to be verified.
    auth_waiting_verifications: Gauge [verifications],

    /// Connections of operators closed because too many had sent no whole request.
    http_closed_silent_connections: Counter [connections],

    /// Messages set aside before they reached the spool, by mapping and cause.
    uplink_failures: By<FailureLabel, Counter> [failures],
    /// Values and points left out by rule: NaN, a time out of range, empty point, unknown property.
    uplink_left_out_values: By<ReasonLabel, Counter> [values],
    /// Known names of fields and tags, from mappings, payloads and store.
    uplink_known_names: Gauge [names],
    /// Memory of lines and dead letters that are not yet on disk.
    uplink_memory_bytes: Gauge [bytes],
    /// Bytes past which publishes wait for memory.
    uplink_memory_limit_bytes: Gauge [bytes],

    /// Bytes that the spools hold on disk, dead letters excluded.
    spool_disk_bytes: Gauge [bytes],
    /// Bytes past which publishes wait.
    spool_limit_bytes: Gauge [bytes],
    /// Bytes of the spools that the store has confirmed and `store.hold` still keeps.
    spool_held_bytes: Gauge [bytes],
    /// Held segments deleted early to free room.
    spool_yielded_segments: Counter [segments],
    /// Groups made durable, one sync each, by shard.
    spool_synced_groups: By<ShardLabel, Counter> [groups],
    /// Total time from the groups' first write to the end of their sync, by shard.
    spool_sync_seconds: By<ShardLabel, Seconds> [seconds],
    /// Entries appended, by shard.
    spool_appended_entries: By<ShardLabel, Counter> [entries],
    /// Times that an append found no room, by shard.
    spool_full_appends: By<ShardLabel, Counter> [appends],

    /// Requests answered by the store, by shard and verdict.
    sink_requests: By<VerdictLabel, Counter> [requests],
    /// Time from sending a request to its verdict, by shard.
    sink_request_seconds: By<ShardLabel, Histogram> [seconds],
    /// Requests sent and not yet answered, by shard.
    sink_in_flight_requests: By<ShardLabel, Gauge> [requests],
    /// Bytes of line protocol sent, before compression, by shard.
    sink_sent_bytes: By<ShardLabel, Counter> [bytes],
    /// Requests sent again after a failure, by shard.
    sink_retried_requests: By<ShardLabel, Counter> [requests],
    /// Batches of several lines of which the store refused every line, by shard.
    sink_refused_batches: By<ShardLabel, Counter> [batches],
    /// 1 while the shard's server fails and gets one request at a time, by shard.
    sink_open_circuits: By<ShardLabel, Gauge> [circuits],
    /// Stretches of the spool shipped side by side, by shard: 1, and more while newer points
    /// overtake a backlog.
    sink_open_stretches: By<ShardLabel, Gauge> [stretches],
    /// Batches stalled at a line that the store refuses with an unknown code, past
    /// `sink.unknown-code-patience`, by shard.
    sink_stalled_batches: By<ShardLabel, Gauge> [batches],
    /// Times that a stalled batch kept its request slot, because `sink.batches-stalled-max` others
    /// had given up theirs, by shard.
    sink_kept_places: By<ShardLabel, Counter> [places],
    /// Waits of requests with lines of new measurements for another such request, ended because
    /// `sink.probe-wait-max` was spent, by shard.
    sink_exceeded_probe_waits: By<ShardLabel, Counter> [waits],
    /// Entries durable and not yet confirmed by the store, by shard.
    sink_waiting_entries: By<ShardLabel, Gauge> [entries],
    /// How long the oldest unconfirmed entry has been waiting, by shard.
    sink_waiting_seconds: By<ShardLabel, Gauge> [seconds],

    /// Bytes that the embedded store holds on disk.
    embedded_disk_bytes: Gauge [bytes],
    /// Files that the embedded store deleted because they were past the retention.
    embedded_expired_files: Counter [files],
    /// Files of the embedded store that SQLite called damaged and that were set aside.
    embedded_damaged_files: Counter [files],

    /// Queries begun.
    query_asked_questions: Counter [questions],
    /// Queries that failed, before or during their answers, by reason; `rows`, `bytes`, `time` and
    /// `busy` are bounds of Fleetline.
    query_failed_questions: By<ReasonLabel, Counter> [questions],
    /// Saved queries that run at an interval and publish on their topics.
    query_topics: Gauge [topics],
    /// Publishes of saved queries on their topics: changed answers, and failures.
    query_told_answers: Counter [answers],
    /// Failed runs of saved queries, by reason; `rows` and `bytes` are their own bounds.
    query_failed_topics: By<ReasonLabel, Counter> [topics],

    /// Dead letters made durable, by cause.
    dead_letter_written_letters: By<CauseLabel, Counter> [letters],
    /// Bytes of dead letters on disk.
    dead_letter_disk_bytes: Gauge [bytes],
    /// Bytes that dead letters may take on disk.
    dead_letter_limit_bytes: Gauge [bytes],
    /// Dead letters kept, by kind: message or point.
    dead_letter_kept_letters: By<KindLabel, Gauge> [letters],
    /// Dead letters kept, by cause; `fleetline dead-letter summary` says what to do.
    dead_letter_cause_letters: By<CauseLabel, Gauge> [letters],
    /// Dead letters in memory that wait for room; their messages are not acknowledged.
    dead_letter_waiting_letters: Gauge [letters],
    /// Bytes of memory of waiting dead letters.
    dead_letter_waiting_bytes: Gauge [bytes],
    /// Dead letters dropped for newer ones, by kind.
    dead_letter_replaced_letters: By<KindLabel, Counter> [letters],
    /// Dead letters removed on request, by kind.
    dead_letter_removed_letters: By<KindLabel, Counter> [letters],

    /// Open (unfinished) commands.
    downlink_open_commands: Gauge [commands],
    /// Changes of commands, by their new state.
    downlink_changed_commands: By<ReasonLabel, Counter> [commands],
    /// Active pushes with a schedule.
    downlink_standing_pushes: Gauge [pushes],
    /// Runs of pushes by result: `made`, `failed`, or `skipped` because their time was missed.
    downlink_runs: By<ReasonLabel, Counter> [runs],
    /// Receipts by their status, or why they were ignored: `unknown` and `without-id` (no such
    /// command), `forged` (not from its vehicle), `undecodable`, `unknown-status`.
    downlink_receipts: By<ReasonLabel, Counter> [receipts],
    /// Alarms whose condition held, by name and outcome: `raised`, or why not: `once-per` (raised
    /// recently), `repeated` (the same message again), `too-old` (`max-age`), `too-large`, `full`
    /// (`downlink.alarms-waiting-max`), `open-max`, `invalid` (fields that the command does not
    /// take, or an invalid vehicle name), `unknown` (removed meanwhile).
    downlink_alarms: By<AlarmLabel, Counter> [alarms],
    /// Alarms that wait for their command, or for their message, to be durable.
    downlink_waiting_alarms: Gauge [alarms],
    /// Requests to the webhook that failed and are retried.
    downlink_failed_webhook_requests: Counter [requests],

    /// HTTP requests refused before they were handled, by reason.
    http_refused_requests: By<ReasonLabel, Counter> [requests],
    /// HTTP requests answered, by status.
    http_requests: By<StatusLabel, Counter> [requests],
}

impl Metrics {
    /// The ledgers of the two equations, filled by workers and shards.
    #[must_use]
    pub fn ledgers(&self) -> &Arc<Ledgers> {
        &self.ledgers
    }

    /// The health board, for components that are registered late.
    #[must_use]
    pub fn health(&self) -> &HealthBoard {
        &self.health
    }

    /// Every metric, as of one moment for the equations.
    #[must_use]
    pub fn encode(&self, format: Exposition) -> String {
        let mut out = String::new();
        let registry = self.registry.lock().unwrap_or_else(PoisonError::into_inner);
        text::encode(&mut out, &registry).expect("writing to a string does not fail");
        match format {
            Exposition::OpenMetrics => out,
            Exposition::Text => exposition::text(&out),
        }
    }
}

/// Registers a metric under its field's name; the unit, the name's last part, is given separately.
fn register(
    registry: &mut Registry,
    name: &str,
    unit: &str,
    help: &str,
    metric: impl prometheus_client::registry::Metric,
) {
    let help = help.trim().trim_end_matches('.');
    match name.strip_suffix(unit).and_then(|stem| stem.strip_suffix('_')) {
        Some(stem) => {
            registry.register_with_unit(stem, help, Unit::Other(unit.to_owned()), metric);
        }
        None => panic!("the metric `{name}` does not end in its unit `{unit}`"),
    }
}

/// A metric at zero. The registry's types have no common constructor that includes histograms.
trait Fresh {
    fn fresh() -> Self;
}

impl Fresh for Counter {
    fn fresh() -> Self {
        Self::default()
    }
}

impl Fresh for Seconds {
    fn fresh() -> Self {
        Self::default()
    }
}

impl Fresh for Gauge {
    fn fresh() -> Self {
        Self::default()
    }
}

impl Fresh for Histogram {
    fn fresh() -> Self {
        let (start, factor, length) = SECONDS_BUCKETS;
        Self::new(exponential_buckets(start, factor, length))
    }
}

impl<L: Clone + std::hash::Hash + Eq, M: Fresh> Fresh for By<L, M> {
    fn fresh() -> Self {
        Self::new_with_constructor(M::fresh)
    }
}

/// A shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ShardLabel {
    shard: u16,
}

impl From<ShardId> for ShardLabel {
    fn from(shard: ShardId) -> Self {
        Self { shard: shard.0 }
    }
}

/// A word of a closed list that the counting code owns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ReasonLabel {
    /// Never text that came from outside.
    pub reason: &'static str,
}

/// One of the two edges.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct EdgeLabel {
    /// `mqtt` or `http`.
    pub edge: &'static str,
}

/// What a dead letter is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct KindLabel {
    /// `message` or `point`.
    pub kind: &'static str,
}

/// The verdict on a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct VerdictLabel {
    /// The shard whose points the request held.
    pub shard: u16,
    /// The verdict's name.
    pub verdict: &'static str,
}

/// An HTTP status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct StatusLabel {
    /// The three digits.
    pub status: u16,
}

/// A cause of dead letters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct CauseLabel {
    /// The cause.
    pub cause: CauseName,
}

/// The outcome of an alarm.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct AlarmLabel {
    /// The alarm's name, of which there are as many as the operator wrote.
    pub alarm: Arc<str>,
    /// The outcome.
    pub outcome: &'static str,
}

/// A failure of one mapping.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct FailureLabel {
    /// The mapping's name, of which there are as many as the operator wrote.
    pub mapping: Arc<str>,
    /// The cause.
    pub cause: CauseName,
}

/// A cause as a label's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CauseName(pub Cause);

impl EncodeLabelValue for CauseName {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), std::fmt::Error> {
        EncodeLabelValue::encode(&self.0.as_str(), encoder)
    }
}
