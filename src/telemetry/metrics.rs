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

/// What stands in front of every name.
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
    /// Connections that are open now, before and after their CONNECT.
    mqtt_open_sessions: Gauge [sessions],
    /// Connections past which one more is closed at once.
    mqtt_open_limit_sessions: Gauge [sessions],
    /// CONNECTs that were accepted.
    mqtt_begun_sessions: Counter [sessions],
    /// Connections accepted, before anything was read from them.
    mqtt_accepted_connections: Counter [connections],
    /// Connections that ended, by the reason.
    mqtt_closed_connections: By<ReasonLabel, Counter> [connections],
    /// Bytes read from vehicles.
    mqtt_read_bytes: Counter [bytes],
    /// Bytes written to vehicles.
    mqtt_written_bytes: Counter [bytes],
    /// Packets of any kind read from clients.
    mqtt_read_packets: Counter [packets],
    /// Packets of any kind written to clients.
    mqtt_written_packets: Counter [packets],
    /// Bytes of the payloads of publishes that were read.
    mqtt_read_payload_bytes: Counter [bytes],
    /// Publishes written to subscribers, those that were sent again included.
    mqtt_written_publishes: Counter [publishes],
    /// Bytes of their payloads.
    mqtt_written_payload_bytes: Counter [bytes],
    /// Times that a session was not read on because of what it had unfinished.
    mqtt_paused_reads: Counter [reads],
    /// Times that a session was not read on because it was over its rate.
    mqtt_slowed_reads: Counter [reads],
    /// Subscriptions of all sessions.
    mqtt_subscriptions: Gauge [subscriptions],
    /// Subscriptions that were refused, by the reason.
    mqtt_refused_subscriptions: By<ReasonLabel, Counter> [subscriptions],
    /// Retained messages.
    mqtt_retained_messages: Gauge [messages],
    /// Memory that retained messages take.
    mqtt_retained_bytes: Gauge [bytes],
    /// Retained messages past which none is added.
    mqtt_retained_limit_messages: Gauge [messages],
    /// Bytes past which no retained message is added.
    mqtt_retained_limit_bytes: Gauge [bytes],
    /// Retained messages for which there was no room.
    mqtt_refused_retained_messages: Counter [messages],
    /// Points of connects and disconnects that were not written, for want of memory or because no
    /// line can hold the vehicle's name.
    mqtt_dropped_connectivity_points: Counter [points],
    /// Memory that messages take which wait for subscribers, each counted for each who waits.
    mqtt_queued_bytes: Gauge [bytes],
    /// Bytes past which only what can be sent at once is queued.
    mqtt_queued_limit_bytes: Gauge [bytes],
    /// Queues that are full, so that publishers wait for them.
    mqtt_full_queues: Gauge [queues],
    /// Sessions that last, with or without a connection.
    sessions_stored_sessions: Gauge [sessions],
    /// Messages above QoS 0 that wait for sessions that last, or are under way to them.
    sessions_queued_messages: Gauge [messages],
    /// What the session journal takes on disk.
    sessions_disk_bytes: Gauge [bytes],
    /// What it may take; a sixteenth is kept for what makes room.
    sessions_limit_bytes: Gauge [bytes],
    /// Times that the table of sessions was written down.
    sessions_snapshots: Counter [snapshots],
    /// Files of the session journal that were emptied because little of them was wanted.
    sessions_moved_segments: Counter [segments],
    /// Frames of the session journal that were found damaged at a start.
    sessions_damaged_frames: Counter [frames],
    /// Messages of the session journal that were found damaged.
    sessions_damaged_messages: Counter [messages],
    /// Deliveries that were given up, by the reason.
    mqtt_dropped_deliveries: By<ReasonLabel, Counter> [deliveries],
    /// Connections that were accepted a second ago or longer and have sent no CONNECT.
    mqtt_silent_connections: Gauge [connections],
    /// How many of them may be, before the longest silent is closed.
    mqtt_silent_limit_connections: Gauge [connections],
    /// TLS handshakes under way.
    mqtt_open_handshakes: Gauge [handshakes],
    /// How many may be; one more is closed.
    mqtt_open_limit_handshakes: Gauge [handshakes],
    /// Last lines that a session did not keep, by the bound they were over; their points are stored
    /// all the same.
    mqtt_dropped_last_lines: By<ReasonLabel, Counter> [lines],
    /// Vehicles with a live session.
    presence_connected_vehicles: Gauge [vehicles],
    /// Vehicles remembered without a live session.
    presence_away_vehicles: Gauge [vehicles],
    /// Vehicles that are not remembered any more because too many are away.
    presence_forgotten_vehicles: Counter [vehicles],

    /// Until the certificate of an edge expires, by edge; below zero: since it has.
    auth_certificate_left_seconds: By<EdgeLabel, Gauge> [seconds],

    /// CONNECTs in order of clients that do not come in, by the reason.
    auth_refused_connects: By<ReasonLabel, Counter> [connects],
    /// What a client may not do by the access rules, by what it tried: `publish`, `subscribe`, or
    /// `receive` after a change.
    auth_refused_operations: By<ReasonLabel, Counter> [operations],
    /// Passwords of clients, by what became of them: `right`, `wrong`, `remembered` as right, or
    /// `full`: too many waited.
    auth_verified_passwords: By<ReasonLabel, Counter> [passwords],
    /// Passwords that wait to be verified.
    auth_waiting_verifications: Gauge [verifications],

    /// Connections of operators that were closed because they sent no whole request and there were
    /// too many of them.
    http_closed_silent_connections: Counter [connections],

    /// Messages set aside before they reached the spool, by mapping and cause.
    uplink_failures: By<FailureLabel, Counter> [failures],
    /// Values and points left out by rule: NaN, a time out of range, empty point, unknown property.
    uplink_left_out_values: By<ReasonLabel, Counter> [values],
    /// Names of fields and tags that are known, of mappings, payloads and store.
    uplink_known_names: Gauge [names],
    /// Memory that lines and dead letters take between vehicles and disk.
    uplink_memory_bytes: Gauge [bytes],
    /// Bytes past which publishes wait for memory.
    uplink_memory_limit_bytes: Gauge [bytes],

    /// Bytes that the spools hold on disk, dead letters excluded.
    spool_disk_bytes: Gauge [bytes],
    /// Bytes past which publishes wait.
    spool_limit_bytes: Gauge [bytes],
    /// Bytes of them that the store has confirmed and that are held all the same (`store.hold`).
    spool_held_bytes: Gauge [bytes],
    /// Held segments that were deleted before their time, for room.
    spool_yielded_segments: Counter [segments],
    /// Groups made durable, one sync each, by shard.
    spool_synced_groups: By<ShardLabel, Counter> [groups],
    /// Time from a group's first write to the end of its sync, in all, by shard.
    spool_sync_seconds: By<ShardLabel, Seconds> [seconds],
    /// Entries appended, by shard.
    spool_appended_entries: By<ShardLabel, Counter> [entries],
    /// Times that an append found no room, by shard.
    spool_full_appends: By<ShardLabel, Counter> [appends],

    /// Requests to the store that were answered, by shard and verdict.
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
    /// 1 while the server that the shard is written to is sent one request at a time because it
    /// fails, by shard.
    sink_open_circuits: By<ShardLabel, Gauge> [circuits],
    /// Stretches of the spool that are shipped side by side, by shard: 1, and more while newer
    /// points go ahead of a backlog.
    sink_open_stretches: By<ShardLabel, Gauge> [stretches],
    /// Batches that stand at a line which the store refuses in words that are in no list, past
    /// `sink.unknown-code-patience`, by shard.
    sink_stalled_batches: By<ShardLabel, Gauge> [batches],
    /// Times that such a batch kept its place among the requests in flight, because
    /// `sink.batches-stalled-max` others had given up theirs, by shard.
    sink_kept_places: By<ShardLabel, Counter> [places],
    /// Entries that are durable and not confirmed by the store, by shard.
    sink_waiting_entries: By<ShardLabel, Gauge> [entries],
    /// How long the oldest of them has been seen to wait, by shard.
    sink_waiting_seconds: By<ShardLabel, Gauge> [seconds],

    /// Bytes that the embedded store holds on disk.
    embedded_disk_bytes: Gauge [bytes],
    /// Files that the embedded store dropped because they were past the retention.
    embedded_expired_files: Counter [files],
    /// Files of the embedded store that SQLite called damaged and that were set aside.
    embedded_damaged_files: Counter [files],

    /// Questions that got their turn.
    query_asked_questions: Counter [questions],
    /// Questions that failed, before or in the middle of their answers, by the reason; `rows`,
    /// `bytes`, `time` and `busy` are bounds of ours.
    query_failed_questions: By<ReasonLabel, Counter> [questions],
    /// Saved queries that are asked again and again, and told on their topics.
    query_topics: Gauge [topics],
    /// What they were told on their topics: answers that were not the last one, and failures.
    query_told_answers: Counter [answers],
    /// Saved queries that were not answered, by the reason; past their own bounds: `rows`, `bytes`.
    query_failed_topics: By<ReasonLabel, Counter> [topics],

    /// Dead letters made durable, by cause.
    dead_letter_written_letters: By<CauseLabel, Counter> [letters],
    /// Bytes of dead letters on disk.
    dead_letter_disk_bytes: Gauge [bytes],
    /// Bytes that they may take.
    dead_letter_limit_bytes: Gauge [bytes],
    /// Dead letters that are kept, by what they are about: a message or a point.
    dead_letter_kept_letters: By<KindLabel, Gauge> [letters],
    /// Dead letters that are kept, by cause; `fleetline dead-letter summary` says what to do.
    dead_letter_cause_letters: By<CauseLabel, Gauge> [letters],
    /// Dead letters that wait for room, in memory; their messages are not acknowledged.
    dead_letter_waiting_letters: Gauge [letters],
    /// Bytes of memory that they take.
    dead_letter_waiting_bytes: Gauge [bytes],
    /// Dead letters that were dropped for newer ones, by what they were about.
    dead_letter_replaced_letters: By<KindLabel, Counter> [letters],
    /// Dead letters that were removed by request, by what they were about.
    dead_letter_removed_letters: By<KindLabel, Counter> [letters],

    /// Commands that have not ended.
    downlink_open_commands: Gauge [commands],
    /// Changes of commands, by the state that they are in then.
    downlink_changed_commands: By<ReasonLabel, Counter> [commands],
    /// Pushes with a schedule that stand.
    downlink_standing_pushes: Gauge [pushes],
    /// Runs of pushes, by what became of them: `made`, `failed`, or `skipped` because their time
    /// was missed.
    downlink_runs: By<ReasonLabel, Counter> [runs],
    /// Receipts, by what they say, or why they count for nothing: `unknown` and `without-id` (about
    /// no command that there is), `forged` (not from its vehicle), `undecodable`, `unknown-status`.
    downlink_receipts: By<ReasonLabel, Counter> [receipts],
    /// Alarms whose condition held, by name and by what came of them: `raised`, or why not:
    /// `once-per` (told lately), `repeated` (the same message again), `too-old` (`max-age`),
    /// `too-large`, `full` (`downlink.alarms-waiting-max`), `open-max`, `invalid` (the command does
    /// not take its fields, or the vehicle's name is none), `unknown` (removed meanwhile).
    downlink_alarms: By<AlarmLabel, Counter> [alarms],
    /// Alarms that wait for their command, or for their message to be durable.
    downlink_waiting_alarms: Gauge [alarms],
    /// Requests of the webhook that failed, and are made again.
    downlink_failed_webhook_requests: Counter [requests],

    /// HTTP requests that were not let in, by the reason.
    http_refused_requests: By<ReasonLabel, Counter> [requests],
    /// HTTP requests answered, by status.
    http_requests: By<StatusLabel, Counter> [requests],
}

impl Metrics {
    /// Where workers and shards put their ledgers of the two equations.
    #[must_use]
    pub fn ledgers(&self) -> &Arc<Ledgers> {
        &self.ledgers
    }

    /// The board beside them, for a part that is found to need a place on it late.
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

/// Registers a metric under its field's name; the unit, which is the name's last part, goes apart.
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

/// A metric at zero. The registry's types have no common way to say that of a histogram.
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

/// What became of a request.
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

/// What came of an alarm.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct AlarmLabel {
    /// The alarm's name, of which there are as many as the operator wrote.
    pub alarm: Arc<str>,
    /// What came of it.
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
