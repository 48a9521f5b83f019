//! Nothing acknowledged is lost if the appliance is killed at any moment (UP-1, SP-2, SP-3, SK-1,
//! EM-1).
//!
//! The test keeps the vehicles' log of acknowledgements and compares it with the database.
//! `real::durability` does the same with real servers, for longer.

use std::time::Duration;

use crate::harness::{Database, Dice, Load, Setup, sqlite, until};

const MINUTE: Duration = Duration::from_mins(1);

/// Small segments, so that some kills happen during rotations and deletions.
fn setup(database: &Database) -> Setup {
    database.serves(Setup::new()).set("spool.segment-size", "1MiB")
}

/// Kills at random moments, some of them during recovery, then compares with the database.
pub(crate) fn check_kills(database: &Database, rounds: u64) {
    let mut dice = Dice::new();
    let mut appliance = setup(database).start();
    let load = Load::start(appliance.mqtt(), 8, Duration::from_millis(20));
    for _ in 0..rounds {
        load.wait_for_acks(1 + dice.below(1_500), MINUTE);
        appliance.kill_9();
        load.moved(None);
        if dice.below(3) == 0 {
            appliance.start_and_kill_9_after(Duration::from_millis(dice.below(150)));
        }
        appliance.start_again();
        load.moved(Some(appliance.mqtt()));
        appliance.stats();
    }
    load.wait_for_acks(500, MINUTE);
    let promised = load.stop();
    until("an empty spool", 2 * MINUTE, || appliance.count("points.in_spool") == 0);

    database.check_promises(&appliance, &promised);
    let stats = appliance.stats();
    assert_eq!(stats["points"]["damaged"], 0, "{stats}");
    assert_eq!(stats["points"]["dead_lettered"], 0, "{stats}");
    assert_eq!(stats["messages"]["dead_lettered"], 0, "{stats}");
    if matches!(database, Database::Embedded) {
        assert_eq!(appliance.metric("fleetline_embedded_damaged_files_total"), Some(0.0));
        let (status, _) = appliance.terminate(MINUTE);
        assert!(status.success(), "{status}");
        sqlite::check_integrity(appliance.setup().data());
        database.check_promises(&appliance, &promised);
    }
}

#[test]
fn ten_kills_under_load_lose_nothing_in_the_embedded_store() {
    check_kills(&Database::Embedded, 10);
}
