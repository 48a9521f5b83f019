//! An intake between a mock session and real spools on a simulated disk.

use std::{
    num::NonZeroU16,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use arc_swap::ArcSwap;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::*;
use crate::{
    dead_letter,
    env::{
        Supervisor, SystemClock,
        disk::Disk,
        sim::{Call, Fault, SimDisk},
    },
    mapping::{Options, Plans},
    model::{LineDialect, MappingKey, ShardCount, ShardId},
    schema::Sources,
    spool::{self, Budget, CommitOptions, Committer},
    telemetry::{HealthBoard, Metrics},
    uplink::{Limits, MemoryBudget, MessageOutcome, NameOptions, NameRegistry, Sender, TopicMemo},
};

const SCHEMA: &str = r#"{"type":"object","properties":{"v":{"type":"integer"}}}"#;
const MAPPING: &str = r#"
[[mapping]]
name = "m"
topic = "v/{vin}"
format = "json"
schema = "m.schema.json"
measurement = "m"
vehicle = "{vin}"
tags = ["vin"]
when = "v >= 0"
"#;

struct Rig {
    intake: Intake<&'static str>,
    memo: TopicMemo,
    answers: UnboundedReceiver<Answer<&'static str>>,
    memory: Arc<MemoryBudget>,
    /// With what keeps the lanes running.
    _parts: IntakeParts,
    metrics: Arc<Metrics>,
    plans: Arc<ArcSwap<Plans>>,
}

/// Two shards and a dead-letter log, each with its commit thread, on one disk.
fn rig(disk: &SimDisk, memory_max: usize) -> Rig {
    let texts = [("m.schema.json", SCHEMA), ("m.toml", MAPPING)];
    let sources = Sources::from_texts(texts.map(|(path, text)| (path.into(), text.into())));
    let options = Options::new(PathBuf::new(), LineDialect::Signed);
    let plans = Plans::from_sources(&sources, &options).expect("the mapping is right");
    let plans = Arc::new(ArcSwap::from_pointee(plans));
    let metrics = Arc::new(Metrics::new(HealthBoard::default()));
    let budget = Arc::new(Budget::new(1 << 30));
    let shards = ShardCount(NonZeroU16::new(2).expect("not zero"));
    let handles: Vec<_> = (0..2)
        .map(|index| {
            let options = spool::Options {
                dir: PathBuf::from(format!("/spool/{index}")),
                dialect: LineDialect::Signed,
                segment_bytes_max: 16 << 10,
                budget: Arc::clone(&budget),
            };
            let disk: Arc<dyn Disk> = Arc::new(disk.clone());
            let opened = spool::open(disk, options).expect("opens");
            let ledger = metrics.ledgers().shard(ShardId(index));
            let commit = CommitOptions { interval: Duration::ZERO, ..CommitOptions::default() };
            let state = Box::new(|_: &_| ());
            Committer::start(
                Supervisor::default().guard("lane"),
                opened.writer,
                commit,
                Some(ledger),
                state,
            )
            .expect("starts")
            .0
        })
        .collect();
    let letters = dead_letter::Options {
        bytes_max: 64 << 10,
        vehicle_bytes_max: 2000,
        commit_interval: Duration::ZERO,
        ..dead_letter::Options::new(PathBuf::from("/dead-letter"))
    };
    let board = HealthBoard::default();
    let letters = dead_letter::open(
        Arc::new(disk.clone()),
        letters,
        Arc::clone(&metrics),
        &board,
        &Supervisor::default(),
    );
    let letters = letters.expect("opens").handle;
    let memory = Arc::new(MemoryBudget::new(memory_max, 1, 64 << 10));
    let names = NameRegistry::open(Arc::new(disk.clone()), Path::new("/"), NameOptions::default());
    let names = names.expect("opens");
    let parts = IntakeParts {
        plans: Arc::clone(&plans),
        limits: Limits::default(),
        names: Arc::new(names),
        lanes: handles,
        letters,
        shards,
        metrics: Arc::clone(&metrics),
        clock: Arc::new(SystemClock::start()),
        memory: Arc::clone(&memory),
        group_bytes_max: memory_max / 16,
    };
    let (to, answers) = unbounded_channel();
    let intake = parts.open(Arc::new(move |answer| drop(to.send(answer))));
    let memo = TopicMemo::<()>::default();
    Rig { intake, memo, answers, memory, _parts: parts, metrics, plans }
}

impl Rig {
    fn take(&mut self, topic: &str, payload: &str, owner: &'static str, seq: u64) -> Taken {
        self.try_take(topic, payload, owner, seq).expect("there is memory")
    }

    fn try_take(
        &mut self,
        topic: &str,
        payload: &str,
        owner: &'static str,
        seq: u64,
    ) -> Result<Taken, NoRoom> {
        let incoming = Incoming {
            topic,
            payload: payload.as_bytes(),
            content_type: None,
            sender: Sender::Unchecked,
        };
        self.intake.take(&incoming, &mut self.memo, owner, seq)
    }

    /// The next answered group.
    fn answer(&mut self) -> Vec<Run<&'static str>> {
        let answer = self.answers.blocking_recv().expect("the lanes run");
        let runs = if answer.durable { answer.group.runs().to_vec() } else { Vec::new() };
        self.intake.reuse(answer.group);
        runs
    }

    fn shard_of(&self, topic: &str) -> ShardId {
        let shards = ShardCount(NonZeroU16::new(2).expect("not zero"));
        ShardId::of(&topic.as_bytes()[2..], shards)
    }

    fn check_balance(&self) {
        self.intake.publish();
        let messages = self.metrics.ledgers().messages();
        assert!(messages.balances(), "UP-3: {messages:?}");
    }
}

#[test]
fn groups_come_back_when_they_are_durable_with_runs_merged_by_owner() {
    // UP-1: nothing comes back before the flush hands the group to its lane.
    let mut rig = rig(&SimDisk::new(), 1 << 20);
    for (owner, seq) in [("a", 0), ("a", 1), ("b", 7), ("a", 2)] {
        let taken = rig.take("v/x", r#"{"v":1}"#, owner, seq);
        assert_eq!((taken.waits, taken.outcome), (1, MessageOutcome::Spooled));
    }
    rig.check_balance();
    assert!(rig.answers.is_empty());
    rig.intake.flush();
    let run = |owner, first, count| Run { owner, first, count };
    assert_eq!(rig.answer(), [run("a", 0, 2), run("b", 7, 1), run("a", 2, 1)]);
    for _ in 0..4 {
        rig.intake.finish(MessageOutcome::Spooled);
    }
    rig.check_balance();
    let points = rig.metrics.ledgers().points();
    assert_eq!((points.spooled, points.in_spool, points.balances()), (4, 4, true));
}

#[test]
fn the_last_line_of_each_run_and_vehicle_comes_back_with_the_tickets() {
    // Once more after the first group, whose buffers and lists are reused.
    let mut rig = rig(&SimDisk::new(), 1 << 20);
    for round in 0..3 {
        // All of shard 1, so that they are one group.
        for (seq, (owner, vin, v)) in
            [("a", "x", 1), ("a", "x", 2), ("a", "z", 3), ("b", "x", 4)].into_iter().enumerate()
        {
            let payload = format!("{{\"v\":{}}}", v + 10 * round);
            rig.take(&format!("v/{vin}"), &payload, owner, seq as u64);
        }
        // A failed message and a filtered one leave no lines.
        rig.take("v/x", r#"{"v":-1}"#, "b", 1);
        rig.intake.flush();
        let answer = rig.answers.blocking_recv().expect("the lanes run");
        let group = answer.group;
        let owners: Vec<_> = group.runs().iter().map(|run| run.owner).collect();
        let mapping = MappingKey::of("m");
        let found: Vec<String> = group
            .last_lines()
            .map(|last| {
                let line = String::from_utf8_lossy(last.line);
                let (line, _) = line.rsplit_once(' ').expect("a time at the end");
                let vehicle = String::from_utf8_lossy(last.vehicle);
                assert_eq!(last.mapping, mapping);
                format!("{} {vehicle} {line}", owners[last.run])
            })
            .collect();
        let v = |v| v + 10 * round;
        let expect = [
            format!("a x m,vin=x v={}i", v(2)),
            format!("a z m,vin=z v={}i", v(3)),
            format!("b x m,vin=x v={}i", v(4)),
        ];
        assert_eq!(found, expect);
        rig.intake.reuse(group);
    }
}

#[test]
fn a_warm_turn_allocates_for_its_groups_and_not_for_its_messages() {
    let mut rig = rig(&SimDisk::new(), 1 << 20);
    let mut turn = |messages: u64| {
        let taking = allocation_counter::measure(|| {
            for seq in 0..messages {
                rig.take("v/x", r#"{"v":1}"#, "a", seq);
            }
        });
        // Hand-overs and answers sometimes allocate nodes of the channels between the threads.
        let handing_over = allocation_counter::measure(|| {
            rig.intake.flush();
            let answer = rig.answers.blocking_recv().expect("the lanes run");
            rig.intake.reuse(answer.group);
        });
        (0..messages).for_each(|_| rig.intake.finish(MessageOutcome::Spooled));
        (taking.count_total, handing_over.count_total)
    };
    // Buffers circulate between worker and lane; each has to grow once.
    for _ in 0..10 {
        turn(1_000);
    }
    for _ in 0..100 {
        let (taking, handing_over) = turn(1_000);
        assert_eq!(taking, 0);
        assert!(handing_over <= 4, "{handing_over} for 1,000 messages");
    }
}

#[test]
fn a_message_that_needs_no_disk_is_finished_at_once_and_counted_by_its_outcome() {
    let mut rig = rig(&SimDisk::new(), 1 << 20);
    let check = |taken: Taken, outcome| {
        assert_eq!(taken, Taken { waits: 0, outcome });
    };
    check(rig.take("other/x", "{}", "a", 0), MessageOutcome::Unmapped);
    check(rig.take("v/x", r#"{"v":-1}"#, "a", 1), MessageOutcome::Filtered);
    check(rig.intake.pass(MessageOutcome::Refused), MessageOutcome::Refused);
    rig.check_balance();
    let messages = rig.metrics.ledgers().messages();
    assert_eq!((messages.unmapped, messages.filtered, messages.refused), (1, 1, 1));
}

#[test]
fn a_broken_message_waits_for_the_dead_letter_log() {
    let mut rig = rig(&SimDisk::new(), 1 << 20);
    let taken = rig.take("v/x", "{", "a", 0);
    assert_eq!((taken.waits, taken.outcome), (1, MessageOutcome::DeadLettered));
    rig.intake.flush();
    assert_eq!(rig.answer(), [Run { owner: "a", first: 0, count: 1 }]);
    rig.intake.finish(MessageOutcome::DeadLettered);
    rig.check_balance();
    assert_eq!(rig.metrics.ledgers().messages().dead_lettered, 1);
}

#[test]
fn messages_of_a_vehicle_past_its_share_wait_and_the_letters_of_others_are_answered() {
    // o07-dead-letters-full
    let mut rig = rig(&SimDisk::new(), 1 << 20);
    let long = format!("{{{}", "x".repeat(500));
    for seq in 0..20 {
        rig.take("v/x", &long, "a", seq);
    }
    rig.take("v/y", "{", "b", 0);
    rig.intake.flush();
    let mut answered = Vec::new();
    while answered.last() != Some(&"b") {
        answered.extend(rig.answer().into_iter().map(|run| run.owner));
    }
    assert!((1..20).contains(&answered.iter().filter(|owner| **owner == "a").count()));
    rig.check_balance();
}

#[test]
fn a_halted_lane_acknowledges_nobody_and_holds_no_lines() {
    // UP-2 and UP-4: the next sync fails, which halts the lane that it was for.
    let disk = SimDisk::new();
    let mut rig = rig(&disk, 1 << 20);
    disk.set_fault(Some(Fault {
        call: Some(Call::SyncData),
        nth: 0,
        error: std::io::ErrorKind::Other,
        is_permanent: false,
    }));
    for seq in 0..5 {
        rig.take("v/x", r#"{"v":1}"#, "a", seq);
        rig.intake.flush();
        assert_eq!(rig.answer(), []);
    }
    rig.check_balance();
    assert_eq!(rig.metrics.ledgers().messages().pending, 5);
    assert!(rig.memory.used() < 64 * 1024, "one emptied group is kept: {}", rig.memory.used());
}

#[test]
fn a_halt_of_one_lane_stops_no_other_whatever_the_moment() {
    // Groups go to two lanes while the fsync of one of them fails, at another moment with each
    // seed: every group is answered once, and those of the other lane all as durable.
    let mut halts = 0;
    for seed in 0..24 {
        let disk = SimDisk::new();
        let mut rig = rig(&disk, 1 << 20);
        disk.set_fault(Some(Fault {
            call: Some(Call::SyncData),
            nth: seed % 8,
            error: std::io::ErrorKind::Other,
            is_permanent: false,
        }));
        // Of these vehicles one is of either shard.
        let vehicles = ["v/x", "v/y"].map(|topic| (topic, rig.shard_of(topic)));
        assert_ne!(vehicles[0].1, vehicles[1].1);
        let mut lost = [0, 0];
        let mut durable = [0, 0];
        for seq in 0..60 {
            for (index, (topic, _)) in vehicles.iter().enumerate() {
                rig.take(topic, r#"{"v":1}"#, ["x", "y"][index], seq);
            }
            if (seq + seed) % 3 != 0 {
                rig.intake.flush();
            }
        }
        rig.intake.flush();
        while lost.iter().chain(&durable).sum::<u32>() < 120 {
            let answer = rig.answers.blocking_recv().expect("the lanes run");
            for run in answer.group.runs() {
                let count = if answer.durable { &mut durable } else { &mut lost };
                count[usize::from(run.owner == "y")] += run.count;
            }
            rig.intake.reuse(answer.group);
        }
        assert!(lost.contains(&0), "seed {seed}: only one lane has halted: {lost:?} {durable:?}");
        halts += usize::from(lost.iter().sum::<u32>() > 0);
    }
    // Not in every run: what gathers while a lane is busy becomes one group, and one sync.
    assert!(halts >= 6, "{halts}");
}

#[test]
fn past_the_memory_bound_no_message_is_taken_until_a_group_is_durable() {
    // UP-4, while the disk takes nothing.
    let disk = SimDisk::new();
    let mut rig = rig(&disk, 1 << 20);
    disk.set_capacity(Some(disk.used()));
    let text = "x".repeat(300);
    let payload = format!(r#"{{"v":1,"unknown":"{text}"}}"#);
    let mut taken = 0;
    while rig.intake.has_room() {
        rig.take("v/x", &payload, "a", taken);
        taken += 1;
        if taken % 10 == 0 {
            rig.intake.flush();
        }
    }
    assert!(taken > 100 && rig.memory.used() <= rig.memory.bytes_max(), "{taken}");
    rig.intake.flush();
    disk.set_capacity(None);
    let mut durable = 0;
    while durable < taken {
        durable += rig.answer().iter().map(|run| u64::from(run.count)).sum::<u64>();
    }
    assert!(rig.intake.has_room());
}

#[test]
fn dead_letters_that_wait_take_an_eighth_and_their_messages_are_taken_back_whole() {
    let disk = SimDisk::new();
    let mut rig = rig(&disk, 100_000);
    disk.set_capacity(Some(disk.used()));
    let mut seq = 0;
    while rig.try_take("v/x", "{", "a", seq).is_ok() {
        seq += 1;
        rig.intake.flush();
    }
    assert!(seq > 10 && rig.memory.used() < 40_000, "{seq} {}", rig.memory.used());
    assert_eq!(rig.try_take("v/x", "{", "a", seq), Err(NoRoom));
    rig.check_balance();
    assert_eq!(rig.metrics.ledgers().messages().received, seq, "UP-3: what waits is not taken");
    // A good message of another vehicle goes on.
    assert_eq!(rig.take("v/y", r#"{"v":1}"#, "b", 0).outcome, MessageOutcome::Spooled);
}

#[test]
fn a_publish_that_clears_a_retained_message_is_counted_and_not_decoded() {
    let mut rig = rig(&SimDisk::new(), 1 << 20);
    let mut clear = |topic: &str| rig.intake.clear(topic, &mut rig.memo).outcome;
    assert_eq!(clear("v/x"), MessageOutcome::Filtered);
    assert_eq!(clear("other"), MessageOutcome::Unmapped);
}

#[test]
fn a_reload_takes_hold_between_two_turns() {
    let mut rig = rig(&SimDisk::new(), 1 << 20);
    let empty = Plans::from_sources(
        &Sources::from_texts([]),
        &Options::new(PathBuf::new(), LineDialect::Signed),
    );
    assert_eq!(rig.take("v/x", r#"{"v":1}"#, "a", 0).outcome, MessageOutcome::Spooled);
    rig.plans.store(Arc::new(empty.expect("nothing is wrong in nothing")));
    assert_eq!(rig.take("v/x", r#"{"v":1}"#, "a", 1).outcome, MessageOutcome::Spooled);
    rig.intake.flush();
    // The first message of a turn finds the plans in force, however long the worker was idle.
    assert_eq!(rig.take("v/x", r#"{"v":1}"#, "a", 2).outcome, MessageOutcome::Unmapped);
}
