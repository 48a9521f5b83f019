//! A full disk, and a journal whose fsync fails, at random moments in addition to kills, with QoS 1
//! and 2 in both directions, changing retained messages and due wills: the same guarantees hold as
//! with kills alone.

use std::fs;

use super::{
    client::{MINUTE, start},
    lasting_kills::{check_through, rounds},
};
use crate::harness::{Appliance, Dice, FaultyFile, SmallDisk, program, until};

/// Rounds of each kind; most of them end with a restart.
const ROUNDS: u64 = 15;

fn is_red(appliance: &Appliance, reason: &str) -> bool {
    let (status, body) = appliance.get("/readyz");
    status == 503 && body.contains(reason)
}

#[test]
fn a_full_disk_loses_nothing_through_kills_and_recovers_by_itself() {
    let Some(disk) = SmallDisk::mount("lasting_faults, full") else { return };
    let (_store, appliance) = start(|setup| {
        setup.set("mqtt.sessions.max-size", "16MiB").data_dir(&disk.path().join("data"))
    });
    let trouble = |appliance: &mut Appliance, dice: &mut Dice| {
        let ballast = disk.fill_but(dice.below(64 << 10));
        until("a full disk", MINUTE, || is_red(appliance, "no room for the session journal"));
        let how = dice.below(4);
        if how > 0 {
            appliance.kill_9();
        }
        if how == 1 {
            // It starts without room too.
            appliance.start_again();
        }
        fs::remove_file(ballast).unwrap();
        if how > 1 {
            appliance.start_again();
        }
        until("readiness", MINUTE, || appliance.get("/readyz").0 == 200);
    };
    check_through(appliance, rounds(ROUNDS), trouble);
}

#[test]
fn failed_fsyncs_of_the_journal_lose_nothing_that_was_acknowledged() {
    let test = "lasting_faults, failed fsync";
    let Some(strace) = program(test, "FLEETLINE_TEST_STRACE") else { return };
    let (_store, appliance) = start(|setup| setup.set("mqtt.sessions.max-size", "1MiB"));
    let trouble = |appliance: &mut Appliance, _: &mut Dice| {
        // Until it affects the file that is currently written.
        while !is_red(appliance, "sessions") {
            let file = appliance.journal();
            let calls = "fsync,fdatasync";
            let failing = FaultyFile::attach(&strace, appliance, &file, calls, "error=EIO");
            until("a failed fsync, or the next file", MINUTE, || {
                is_red(appliance, "sessions") || appliance.journal() != file
            });
            drop(failing);
        }
        appliance.kill_9();
        appliance.start_again();
        assert_eq!(appliance.get("/readyz").0, 200);
    };
    check_through(appliance, rounds(ROUNDS), trouble);
}
