//! What the simulated disk loses, and what code that uses it may rely on.

use std::{io, path::Path};

use crate::env::{
    disk::Disk as _,
    sim::{Fault, SimDisk},
};

/// Kills a process at each of its disk operations while it creates folders, starts the next one,
/// cuts the power, and checks that the folders are there that the next one has created.
#[test]
fn folders_that_a_killed_process_has_created_are_durable_for_the_next_one() {
    let dir = Path::new("data/spool/0");
    for nth in 0..12 {
        for seed in 0..32 {
            let disk = SimDisk::new();
            let fault =
                Fault { call: None, nth, error: io::ErrorKind::Interrupted, is_permanent: true };
            disk.set_fault(Some(fault));
            let killed = disk.create_dirs(dir).is_err();
            disk.set_fault(None);
            disk.create_dirs(dir).expect("no fault");
            disk.crash(seed);
            assert!(disk.files(dir).is_ok(), "call {nth} ({killed}), seed {seed}");
        }
    }
    // Without a sync the simulated disk does lose them.
    let lost = (0..32).filter(|seed| {
        let disk = SimDisk::new();
        assert!(disk.create_dir(Path::new("data")).expect("no fault"));
        disk.crash(*seed);
        disk.files(Path::new("data")).is_err()
    });
    assert!((8..24).contains(&lost.count()));
}
