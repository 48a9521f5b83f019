//! Exports the ledgers of the three equations as metrics; each scrape shows one moment.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge},
};

use crate::{
    model::ShardId,
    telemetry::{
        Component, Critical, DeliveryCounts, DeliveryLedger, Health, HealthBoard, MessageCounts,
        MessageLedger, PointCounts, PointLedger,
    },
};

/// All ledgers of the process. Workers and shards add theirs when they start.
#[derive(Debug, Default)]
pub struct Ledgers {
    messages: Mutex<Vec<Arc<MessageLedger>>>,
    points: Mutex<Vec<(ShardId, Arc<PointLedger>)>>,
    deliveries: Mutex<Vec<Arc<DeliveryLedger>>>,
}

impl Ledgers {
    /// A new ledger for one worker, counted from now on.
    pub fn worker(&self) -> Arc<MessageLedger> {
        let ledger = Arc::new(MessageLedger::default());
        lock(&self.messages).push(Arc::clone(&ledger));
        ledger
    }

    /// The ledger of a shard, created at the first call.
    pub fn shard(&self, shard: ShardId) -> Arc<PointLedger> {
        let mut points = lock(&self.points);
        if let Some((_, ledger)) = points.iter().find(|(id, _)| *id == shard) {
            return Arc::clone(ledger);
        }
        let ledger = Arc::new(PointLedger::default());
        points.push((shard, Arc::clone(&ledger)));
        ledger
    }

    /// A new ledger for the deliveries of one worker, counted from now on.
    pub fn worker_deliveries(&self) -> Arc<DeliveryLedger> {
        let ledger = Arc::new(DeliveryLedger::default());
        lock(&self.deliveries).push(Arc::clone(&ledger));
        ledger
    }

    /// The sum over all workers.
    pub fn deliveries(&self) -> DeliveryCounts {
        let look = || {
            let mut sum = DeliveryCounts::default();
            lock(&self.deliveries).iter().for_each(|ledger| sum.add(&ledger.snapshot()));
            sum
        };
        // One worker may publish a delivery after the counts of the worker that queued it were
        // read. Then the sum of `queued` is negative in this scrape, and right in the next one.
        const LOOKS: usize = 100;
        let is_negative = |count: u64| count.cast_signed().is_negative();
        let is_whole = |sum: &DeliveryCounts| !is_negative(sum.queued) && !is_negative(sum.routed);
        (0..LOOKS).map(|_| look()).find(is_whole).unwrap_or_else(look)
    }

    /// The sum over all workers.
    pub fn messages(&self) -> MessageCounts {
        let mut sum = MessageCounts::default();
        for ledger in lock(&self.messages).iter() {
            sum.add(&ledger.snapshot());
        }
        sum
    }

    /// The sum over all shards.
    pub fn points(&self) -> PointCounts {
        let mut sum = PointCounts::default();
        for (_, counts) in self.shards() {
            sum.add(&counts);
        }
        sum
    }

    /// Each shard's counts.
    pub fn shards(&self) -> Vec<(ShardId, PointCounts)> {
        let mut shards: Vec<_> =
            lock(&self.points).iter().map(|(id, ledger)| (*id, ledger.snapshot())).collect();
        shards.sort_unstable_by_key(|(id, _)| *id);
        shards
    }
}

/// Exports the ledgers and the health board, each read once per scrape.
#[derive(Debug)]
pub(super) struct Equations {
    ledgers: Arc<Ledgers>,
    health: HealthBoard,
}

impl Equations {
    pub(super) fn new(ledgers: Arc<Ledgers>, health: HealthBoard) -> Self {
        Self { ledgers, health }
    }
}

/// One term of an equation. Its name is what is counted, followed by the term's name in the
/// equation.
struct Term<C> {
    name: &'static str,
    help: &'static str,
    kind: MetricType,
    of: fn(&C) -> u64,
}

const MESSAGES: [Term<MessageCounts>; 8] = [
    counter("messages_received", "PUBLISH packets read from vehicles", |c: &MessageCounts| {
        c.received
    }),
    counter("messages_spooled", "Messages finished with durable points", |c| c.spooled),
    counter("messages_dead_lettered", "Messages finished with a durable dead letter", |c| {
        c.dead_lettered
    }),
    counter("messages_filtered", "Messages excluded by a mapping's filter", |c| c.filtered),
    counter("messages_unmapped", "Messages whose topic no mapping matches", |c| c.unmapped),
    counter("messages_refused", "Messages refused before decoding", |c| c.refused),
    gauge("messages_pending", "Messages received and not finished yet", |c| c.pending),
    counter("points_merged", "Points merged into others of their message before the spool", |c| {
        c.points_merged
    }),
];

const POINTS: [Term<PointCounts>; 6] = [
    counter("points_recovered", "Points found past the cursors at start", |c: &PointCounts| {
        c.recovered
    }),
    counter("points_spooled", "Points made durable", |c| c.spooled),
    counter("points_stored", "Points that the store accepted", |c| c.stored),
    counter("points_dead_lettered", "Points that the store refused, kept as dead letters", |c| {
        c.dead_lettered
    }),
    counter("points_damaged", "Points lost to a failed checksum", |c| c.damaged),
    gauge("points_in_spool", "Points durable and past the cursor: the lag", |c| c.in_spool),
];

const DELIVERIES: [Term<DeliveryCounts>; 6] = [
    counter("deliveries_recovered", "Deliveries in the queues of sessions at start", |c| {
        c.recovered
    }),
    counter(
        "deliveries_routed",
        "Deliveries routed to a subscriber, one for each",
        |c: &DeliveryCounts| c.routed,
    ),
    counter("deliveries_delivered", "Deliveries acknowledged by a subscriber", |c| c.delivered),
    gauge("deliveries_queued", "Deliveries queued or in flight", |c| c.queued),
    counter("deliveries_dropped", "Deliveries that a subscriber did not get", |c| c.dropped),
    counter("deliveries_expired", "Deliveries past their message expiry interval", |c| c.expired),
];

const fn counter<C>(name: &'static str, help: &'static str, of: fn(&C) -> u64) -> Term<C> {
    Term { name, help, kind: MetricType::Counter, of }
}

const fn gauge<C>(name: &'static str, help: &'static str, of: fn(&C) -> u64) -> Term<C> {
    Term { name, help, kind: MetricType::Gauge, of }
}

impl Collector for Equations {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let messages = self.ledgers.messages();
        let deliveries = self.ledgers.deliveries();
        let shards = self.ledgers.shards();
        let health = self.health.snapshot();
        for term in &MESSAGES {
            let metric = describe(&mut encoder, term)?;
            number(term.kind, (term.of)(&messages), metric)?;
        }
        for term in &DELIVERIES {
            let metric = describe(&mut encoder, term)?;
            number(term.kind, (term.of)(&deliveries), metric)?;
        }
        for term in &POINTS {
            let mut family = describe(&mut encoder, term)?;
            for (shard, counts) in &shards {
                let labels = [("shard", shard.0)];
                number(term.kind, (term.of)(counts), family.encode_family(&labels)?)?;
            }
        }
        encode_health(&mut encoder, &health)
    }
}

fn describe<'e, C>(
    encoder: &'e mut DescriptorEncoder<'_>,
    term: &'e Term<C>,
) -> Result<prometheus_client::encoding::MetricEncoder<'e>, fmt::Error> {
    encoder.encode_descriptor(term.name, &format!("{}.", term.help), None, term.kind)
}

fn number(
    kind: MetricType,
    value: u64,
    metric: prometheus_client::encoding::MetricEncoder<'_>,
) -> Result<(), fmt::Error> {
    match kind {
        MetricType::Counter => ConstCounter::new(value).encode(metric),
        _ => ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX)).encode(metric),
    }
}

/// 1 for a ready part, 0 for any other, with whether it is critical.
fn encode_health(
    encoder: &mut DescriptorEncoder<'_>,
    components: &[Component],
) -> Result<(), fmt::Error> {
    let help = "Whether a part of the appliance is ready (1) or not (0).";
    let mut family = encoder.encode_descriptor("health_ready", help, None, MetricType::Gauge)?;
    for part in components {
        let critical = if part.critical == Critical::Yes { "yes" } else { "no" };
        let labels = [("component", part.name.as_str()), ("critical", critical)];
        let ready = i64::from(part.health == Health::Ready);
        ConstGauge::new(ready).encode(family.encode_family(&labels)?)?;
    }
    Ok(())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
