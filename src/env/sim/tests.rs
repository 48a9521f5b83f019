//! What the simulated disk loses, and what the code above it may rely on.

use std::{io, path::Path};

use crate::env::{
    disk::Disk as _,
    sim::{Fault, SimDisk},
};

/// Kills a process at each of its calls while it makes folders, starts the next one, cuts the
/// power, and looks for what the next one was promised.
#[test]
fn folders_that_a_killed_process_has_made_are_durable_for_the_next_one() {
    let dir = Path::new("data/spool/0");
    for nth in 0..12 {
        for seed in 0..32 {
            let disk = SimDisk::new();
            let fault =
                Fault { call: None, nth, error: io::ErrorKind::Interrupted, for_good: true };
            disk.set_fault(Some(fault));
            let killed = disk.create_dirs(dir).is_err();
            disk.set_fault(None);
            disk.create_dirs(dir).expect("no fault");
            disk.crash(seed);
            assert!(disk.files(dir).is_ok(), "call {nth} ({killed}), seed {seed}");
        }
    }
    // And the simulation does lose what is not synced.
    let lost = (0..32).filter(|seed| {
        let disk = SimDisk::new();
        assert!(disk.create_dir(Path::new("data")).expect("no fault"));
        disk.crash(*seed);
        disk.files(Path::new("data")).is_err()
    });
    assert!((8..24).contains(&lost.count()));
}
