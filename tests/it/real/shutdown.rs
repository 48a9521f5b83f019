//! SIGTERM under load: the appliance exits by itself with code 0, and loses nothing that it
//! acknowledged.

use std::time::Duration;

use crate::harness::{Influx, Kind, Load, Setup, until};

#[test]
fn a_drain_under_load_loses_nothing_and_ends_with_zero() {
    let Some(influx) = Influx::start("real::shutdown", Kind::Two) else { return };
    let mut appliance = influx.serves(Setup::new()).start();
    let load = Load::start(appliance.mqtt(), 8, Duration::from_millis(10));
    load.wait_for_acks(5_000, Duration::from_mins(1));
    let (status, said) = appliance.terminate(Duration::from_secs(30));
    assert_eq!(status.code(), Some(0), "{}", appliance.log());
    assert_eq!(said.len(), 1, "more than the ready line on standard output: {said:?}");
    load.moved(None);
    let promised = load.stop();

    // The spool holds what the database did not take during the drain.
    appliance.start_again();
    until("an empty spool", Duration::from_mins(2), || appliance.count("points.in_spool") == 0);
    influx.check_promises(&promised);
}
