//! Fault tests: a fleet publishes and logs its acknowledgements, something fails, and in the end
//! everything that was acknowledged is in the store, both equations balance, and a new message
//! arrives (I1, I7, I11).
//!
//! The numbers are those of the product's fault plan: 1 and 2 are kills, 6 to 10 the disk, 12 to 14
//! damaged files, 15 to 19 and 21 the store, 36 a second process. The kills of a real database are
//! in `real::durability`.

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    time::{Duration, Instant},
};

use crate::harness::{
    Answer, Appliance, Dice, FaultyFile, Load, Promised, Sample, Setup, ShortWrites, SmallDisk,
    StandIn, Stored, ThinDisk, Vehicle, Version, check_promise, pause, program, until,
};

const MINUTE: Duration = Duration::from_mins(1);
const VEHICLES: usize = 4;

/// The appliance, the store and the load under test.
struct Judge {
    store: StandIn,
    appliance: Appliance,
    /// `None` after it has ended.
    load: Option<Load>,
}

impl Judge {
    fn start(change: impl FnOnce(Setup) -> Setup) -> Self {
        let store = StandIn::start(Answer::Accept);
        let setup = Setup::new().store2(&store.url(), "token").set("store.request-timeout", "2s");
        let appliance = change(setup).start();
        let load = Load::start(appliance.mqtt(), VEHICLES, Duration::from_millis(20));
        load.wait_for_acks(300, MINUTE);
        Self { store, appliance, load: Some(load) }
    }

    fn load(&self) -> &Load {
        self.load.as_ref().unwrap()
    }

    /// Ends the load, waits until the spool is empty, and returns the log.
    fn settled(&mut self) -> Vec<Promised> {
        let promised = self.load.take().unwrap().stop();
        until("an empty spool", 2 * MINUTE, || self.appliance.count("points.in_spool") == 0);
        promised
    }

    /// Kills it, does something to its files, and starts it again.
    fn restart(&mut self, change: impl FnOnce(&Appliance)) {
        self.appliance.kill_9();
        self.load().moved(None);
        change(&self.appliance);
        self.appliance.start_again();
        self.load().moved(Some(self.appliance.mqtt()));
        self.appliance.stats();
    }

    /// What the store has, by vehicle.
    fn stored(&self) -> BTreeMap<String, Vec<Stored>> {
        let mut stored: BTreeMap<String, Vec<Stored>> = BTreeMap::new();
        for line in self.store.lines() {
            // sample,vin=VIN0001 seq=7i,value=3.75 1795382379000000000
            let mut words = line.split(' ');
            let vin = words.next().unwrap().split_once("vin=").unwrap().1.to_owned();
            let fields = words.next().unwrap();
            let field = |name: &str| {
                let found = fields.split(',').find_map(|field| field.strip_prefix(name));
                found.and_then(|value| value.strip_prefix('=')).unwrap().trim_end_matches('i')
            };
            let at_nanos = words.next().unwrap().parse().unwrap();
            let (seq, value) = (field("seq").parse().unwrap(), field("value").parse().unwrap());
            stored.entry(vin).or_default().push(Stored { at_nanos, seq, value });
        }
        stored
    }

    /// Checks that a new message arrives; then ends the load, and checks that everything
    /// acknowledged is stored.
    #[track_caller]
    fn acquits(mut self) {
        self.store.answers(Answer::Accept);
        let mut fresh = Vehicle::connect(self.appliance.mqtt(), Version::V5, "fresh");
        fresh.publish_acked(&Sample::topic("FRESH"), &Sample { seq: 1 }.payload(), 1);
        let has_fresh = || self.store.lines().iter().any(|line| line.contains("vin=FRESH "));
        until("a fresh message in the store", MINUTE, has_fresh);
        let promised = self.settled();
        assert!(promised.iter().map(|promise| promise.acked.len()).sum::<usize>() > 300);
        let stored = self.stored();
        for promise in &promised {
            check_promise(promise, &stored[&promise.vin]);
        }
        let stats = self.appliance.stats();
        assert_eq!(stats["points"]["damaged"], 0, "{stats}");
        assert_eq!(stats["points"]["dead_lettered"], 0, "{stats}");
        assert_eq!(stats["messages"]["dead_lettered"], 0, "{stats}");
    }

    /// Makes the store answer in this way for some time, under load.
    fn answers_for(&self, answer: Answer, time: Duration) {
        let (began, before) = (Instant::now(), self.store.writes());
        self.store.answers(answer);
        while began.elapsed() < time || self.store.writes() < before + 2 {
            pause();
            assert!(began.elapsed() < MINUTE, "the store is not asked any more");
        }
    }
}

#[test]
fn faults_1_and_2_kills_at_any_moment_and_while_it_recovers() {
    let mut dice = Dice::new();
    let mut judge = Judge::start(|setup| setup.set("spool.segment-size", "256KiB"));
    for _ in 0..8 {
        judge.load().wait_for_acks(1 + dice.below(600), MINUTE);
        judge.appliance.kill_9();
        judge.load().moved(None);
        for _ in 0..dice.below(3) {
            judge.appliance.start_and_kill_9_after(Duration::from_millis(dice.below(150)));
        }
        judge.appliance.start_again();
        judge.load().moved(Some(judge.appliance.mqtt()));
        judge.appliance.stats();
    }
    judge.acquits();
}

/// A fault that halts a shard: nothing of it is acknowledged, and a restart repairs it.
fn check_halt(test: &str, calls: &str, fault: &str) {
    let Some(strace) = program(test, "FLEETLINE_TEST_STRACE") else { return };
    let mut judge = Judge::start(|setup| setup.set("spool.segment-size", "64MiB"));
    let segment = judge.appliance.segment(0);
    let failing = FaultyFile::attach(&strace, &judge.appliance, &segment, calls, fault);
    until("an appliance that is not ready", MINUTE, || judge.appliance.get("/readyz").0 == 503);
    drop(failing);
    judge.appliance.stats();
    judge.restart(|_| {});
    judge.load().wait_for_acks(300, MINUTE);
    judge.acquits();
}

#[test]
fn fault_6_a_sync_that_fails_once() {
    check_halt("judge, fault 6", "fsync,fdatasync", "error=EIO:when=1");
}

#[test]
fn fault_7_a_write_that_fails() {
    check_halt("judge, fault 7", "pwrite64", "error=EIO");
}

/// The room is reserved, the write is accepted, and its sync finds no room.
#[test]
fn fault_10_a_thinly_provisioned_disk() {
    let Some(disk) = ThinDisk::mount("judge, fault 10") else { return };
    let start = |setup: Setup| setup.data_dir(&disk.path().join("data"));
    let mut judge = Judge::start(|setup| start(setup).set("spool.segment-size", "8MiB"));
    judge.store.answers(Answer::Refuse(503, "away"));
    disk.leave(512 << 10);
    until("an appliance that is not ready", 2 * MINUTE, || judge.appliance.get("/readyz").0 == 503);
    assert!(disk.promised_bytes() > 64 << 20);
    judge.appliance.stats();
    judge.restart(|_| disk.grow());
    judge.load().wait_for_acks(300, MINUTE);
    judge.acquits();
}

/// A fault that only costs time.
fn check_delay(test: &str, calls: &str, fault: &str) {
    let Some(strace) = program(test, "FLEETLINE_TEST_STRACE") else { return };
    let judge = Judge::start(|setup| setup.set("spool.segment-size", "64MiB"));
    let segment = judge.appliance.segment(0);
    let slow = FaultyFile::attach(&strace, &judge.appliance, &segment, calls, fault);
    judge.load().wait_for_acks(200, 2 * MINUTE);
    assert_eq!(judge.appliance.get("/readyz").0, 200);
    drop(slow);
    judge.acquits();
}

#[test]
fn fault_7_writes_that_are_interrupted() {
    check_delay("judge, fault 7", "pwrite64", "error=EINTR:when=1+2");
}

#[test]
fn fault_7_writes_that_are_short() {
    let Some(short) = ShortWrites::build("judge, fault 7") else { return };
    let mut judge = Judge::start(|setup| {
        setup
            .set("spool.segment-size", "256KiB")
            .variable("LD_PRELOAD", short.path().to_str().unwrap())
    });
    assert!(judge.appliance.log().contains(ShortWrites::TOLD), "{}", judge.appliance.log());
    judge.store.answers(Answer::Refuse(503, "away"));
    judge.load().wait_for_acks(1_000, MINUTE);
    judge.restart(|_| {});
    judge.load().wait_for_acks(300, MINUTE);
    judge.acquits();
}

#[test]
fn fault_8_syncs_that_take_long() {
    check_delay("judge, fault 8", "fsync,fdatasync", "delay_exit=300000");
}

#[test]
fn fault_9_a_disk_that_is_full_for_a_while() {
    let Some(disk) = SmallDisk::mount("judge, fault 9") else { return };
    let judge = Judge::start(|setup| setup.data_dir(&disk.path().join("data")));
    judge.store.answers(Answer::Refuse(503, "away"));
    let ballast = disk.fill_but(3 << 20);
    let is_full = || judge.appliance.get("/readyz").1.contains("no room on the disk of");
    until("a full disk", 2 * MINUTE, is_full);
    judge.appliance.stats();
    fs::remove_file(ballast).unwrap();
    judge.store.answers(Answer::Accept);
    judge.load().wait_for_acks(300, MINUTE);
    judge.acquits();
}

/// The end of a segment's entries: after them it reads as zeros.
fn end_of_entries(bytes: &[u8]) -> usize {
    bytes.iter().rposition(|byte| *byte != 0).unwrap() + 1
}

#[test]
fn fault_12_a_torn_tail() {
    let mut judge = Judge::start(|setup| setup.set("spool.segment-size", "64MiB"));
    for garbage in [vec![0x5a; 1], vec![0x5a; 300], b"\xff\xf6E\xfe".to_vec()] {
        judge.load().wait_for_acks(100, MINUTE);
        judge.restart(|appliance| {
            let path = appliance.segment(0);
            let mut bytes = fs::read(&path).unwrap();
            let end = end_of_entries(&bytes);
            bytes[end..end + garbage.len()].copy_from_slice(&garbage);
            fs::write(&path, bytes).unwrap();
        });
    }
    judge.acquits();
}

#[test]
fn fault_13_a_bit_that_flips_at_rest_costs_its_entry_and_is_reported() {
    let mut judge = Judge::start(|setup| setup.set("spool.segment-size", "64MiB"));
    judge.store.answers(Answer::Refuse(503, "away"));
    judge.load().wait_for_acks(500, MINUTE);
    judge.restart(|appliance| {
        let path = appliance.segment(0);
        let mut bytes = fs::read(&path).unwrap();
        // An entry after the store went down; a damaged last entry would be a torn tail.
        let words = b"sample,vin=";
        let is_line = |at: &usize| bytes[*at..].starts_with(words);
        let lines: Vec<usize> = (0..bytes.len()).filter(is_line).collect();
        bytes[lines[lines.len() * 3 / 4]] ^= 1;
        fs::write(&path, bytes).unwrap();
    });
    judge.store.answers(Answer::Accept);
    judge.load().wait_for_acks(100, MINUTE);
    let promised = judge.settled();
    let damaged = judge.appliance.count("points.damaged");
    let stored = judge.stored();
    let has = |vin: &str, seq: u64| stored[vin].iter().any(|found| found.seq == seq);
    let missing: usize = promised
        .iter()
        .map(|promise| promise.acked.iter().filter(|seq| !has(&promise.vin, **seq)).count())
        .sum();
    assert!(damaged > 0 && missing as u64 <= damaged, "{missing} missing, {damaged} told");
    assert!(judge.appliance.spool(0).join("quarantine").exists());
}

#[test]
fn fault_14_a_cursor_that_is_gone_old_or_garbage() {
    let mut judge = Judge::start(|setup| setup.set("spool.segment-size", "256KiB"));
    let cursor = |appliance: &Appliance| appliance.spool(0).join("cursor");
    let old = fs::read(cursor(&judge.appliance)).unwrap();
    let changes: [&dyn Fn(&Path); 3] =
        [&|path| fs::remove_file(path).unwrap(), &|path| fs::write(path, &old).unwrap(), &|path| {
            fs::write(path, [0x5a; 8192]).unwrap()
        }];
    for change in changes {
        judge.load().wait_for_acks(500, MINUTE);
        judge.restart(|appliance| change(&cursor(appliance)));
    }
    judge.acquits();
}

#[test]
fn fault_15_a_store_that_hangs() {
    let judge = Judge::start(|setup| setup);
    judge.answers_for(Answer::Stall, Duration::from_secs(5));
    assert_eq!(judge.appliance.get("/readyz").0, 200, "vehicles are served");
    judge.acquits();
}

#[test]
fn fault_16_an_unavailable_store_is_not_retried_in_a_hot_loop() {
    let judge = Judge::start(|setup| setup);
    for status in [500, 502, 503, 429] {
        let before = judge.store.writes();
        judge.answers_for(Answer::Refuse(status, "busy"), Duration::from_secs(2));
        let asked = judge.store.writes() - before;
        assert!(asked < 60, "{asked} requests in two seconds of HTTP {status}");
    }
    judge.acquits();
}

#[test]
fn fault_17_refusals_that_are_about_no_line_hold_everything() {
    let judge = Judge::start(|setup| setup);
    for (status, body) in [
        (400, "what is that?"),
        (401, r#"{"code":"unauthorized","message":"unauthorized access"}"#),
        (403, ""),
        (404, r#"{"code":"not found","message":"bucket \"telemetry\" not found"}"#),
        (413, ""),
        (422, "no"),
    ] {
        judge.answers_for(Answer::Refuse(status, body), Duration::from_secs(1));
        judge.store.answers(Answer::Accept);
        judge.load().wait_for_acks(100, MINUTE);
    }
    judge.acquits();
}

#[test]
fn fault_17_a_refused_line_is_one_letter_and_its_neighbours_are_stored() {
    let mut judge = Judge::start(|setup| setup);
    judge.store.answers(Answer::RefuseLinesWith("77i,"));
    judge.load().wait_for_acks(3_000, MINUTE);
    let promised = judge.settled();
    let letters = judge.appliance.count("points.dead_lettered");
    let stored = judge.stored();
    let mut missing = 0;
    for promise in &promised {
        let has = |seq: &u64| stored[&promise.vin].iter().any(|found| found.seq == *seq);
        let lost: Vec<&u64> = promise.acked.iter().filter(|seq| !has(seq)).collect();
        assert!(lost.iter().all(|seq| *seq % 100 == 77), "{lost:?}");
        missing += lost.len() as u64;
    }
    assert!(missing > 0 && missing == letters, "{missing} missing, {letters} letters");
}

#[test]
fn fault_18_an_answer_that_is_lost_after_all_is_stored() {
    let judge = Judge::start(|setup| setup);
    judge.answers_for(Answer::AcceptAndHangUp, Duration::from_secs(3));
    judge.acquits();
}

/// Each for some time, with retries at a bounded rate, and none leaves connections open.
#[test]
fn fault_19_broken_or_endless_connections_and_invalid_answers() {
    let judge = Judge::start(|setup| setup.set("store.request-timeout", "500ms"));
    let descriptors = judge.appliance.descriptors();
    for answer in [
        Answer::HangUp,
        Answer::Reset,
        Answer::Stall,
        Answer::Garbage(b"SSH-2.0-OpenSSH_9.6\r\n"),
        Answer::Garbage(b"HTTP/1.1 204"),
        Answer::Garbage(b"\x15\x03\x01\x00\x02\x02\x46"),
        Answer::Slow,
        Answer::Endless,
    ] {
        let before = judge.store.writes();
        judge.answers_for(answer.clone(), Duration::from_secs(2));
        let asked = judge.store.writes() - before;
        // On a busy machine two seconds may be longer: the rate is what is bounded.
        assert!(asked < 200, "{asked} requests in about two seconds of {answer:?}");
        assert_eq!(judge.appliance.get("/readyz").0, 200, "vehicles are served");
        judge.store.answers(Answer::Accept);
        judge.load().wait_for_acks(100, MINUTE);
    }
    let left = || judge.appliance.descriptors() < descriptors + 16;
    until("no connection is left behind", MINUTE, left);
    judge.acquits();
}

#[test]
fn fault_19_connections_that_are_refused() {
    let mut judge = Judge::start(|setup| setup);
    judge.store.goes_away();
    until("it is told", MINUTE, || judge.appliance.get("/readyz").1.contains("refused"));
    judge.load().wait_for_acks(1_000, MINUTE);
    judge.store.comes_back();
    judge.acquits();
}

#[test]
fn fault_21_an_outage_with_kills_and_a_backlog_together_with_new_points() {
    let mut judge = Judge::start(|setup| setup.set("spool.segment-size", "256KiB"));
    judge.store.answers(Answer::Refuse(503, "away"));
    for _ in 0..3 {
        judge.load().wait_for_acks(1_500, MINUTE);
        judge.restart(|_| {});
    }
    assert!(judge.appliance.count("points.in_spool") >= 4_000);
    judge.acquits();
}

/// The numbers of the vehicles' lines, in the order in which the store accepted them.
fn numbers(lines: &[String]) -> BTreeMap<&str, Vec<u64>> {
    let mut numbers: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
    for line in lines {
        let (vehicle, rest) = line.split_once(" seq=").unwrap();
        numbers.entry(vehicle).or_default().push(rest.split_once('i').unwrap().0.parse().unwrap());
    }
    numbers
}

/// If configured, new points are stored while the backlog is shipped: a number is stored before
/// lower ones; and a kill in between loses nothing.
#[test]
fn fault_21_new_points_after_an_outage_are_not_starved_by_the_backlog() {
    let mut judge = Judge::start(|setup| {
        setup
            .set("spool.segment-size", "256KiB")
            .set("sink.batch-lines", "20")
            .set("sink.backfill-share", "0.5")
            .set("sink.backfill-after", "200ms")
    });
    judge.store.answers(Answer::Refuse(503, "away"));
    judge.load().wait_for_acks(4_000, MINUTE);
    let stretches = |judge: &Judge| judge.appliance.metric("fleetline_sink_open_stretches");
    judge.store.answers(Answer::Accept);
    let goes_ahead = |lines: &[String]| {
        numbers(lines).values().any(|numbers| {
            let mut most = 0;
            numbers.iter().any(|number| {
                most = most.max(*number);
                number + 100 < most
            })
        })
    };
    let has_gone = || goes_ahead(&judge.store.lines_in_order());
    until("newer points are there before older ones", MINUTE, has_gone);
    judge.store.answers(Answer::Refuse(503, "away"));
    judge.load().wait_for_acks(1_000, MINUTE);
    judge.restart(|_| {});
    judge.store.answers(Answer::Accept);
    until("one stretch a shard", 2 * MINUTE, || stretches(&judge) == Some(2.0));
    judge.acquits();
}

#[test]
fn fault_36_a_second_process_on_the_same_data() {
    let judge = Judge::start(|setup| setup);
    let second = judge.appliance.cli(&["serve"]);
    let said = String::from_utf8_lossy(&second.stderr);
    assert!(!second.status.success() && said.contains("in use by another process"), "{said}");
    judge.acquits();
}
