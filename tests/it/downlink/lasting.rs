//! Commands to sessions that last: they stand in the session's queue, behind what came before them.

use super::fleet::{Car, MINUTE, sent, setup, state};
use crate::harness::{
    Appliance, until,
    vehicle::{Packet, Vehicle, Version, connect_packet},
};

/// A vehicle whose session lasts; whether it was there.
fn back(appliance: &Appliance) -> (Car, bool) {
    let mut connect = connect_packet(Version::V3, "V1", 60, &[]);
    connect[9] &= !2;
    let mut line = Vehicle::dial(appliance.mqtt(), Version::V3).unwrap();
    let answer = line.greet(&connect);
    let Packet::Whole(0x20, body) = answer else { panic!("no CONNACK: {answer:02x?}") };
    (Car::of(line, Version::V3, "V1"), body[0] == 1)
}

#[test]
fn a_command_waits_for_its_turn_in_the_queue_even_where_that_lies_on_disk() {
    let mut appliance = setup().set("mqtt.sessions.queue-memory-max", "1KiB").start();
    let (mut car, _) = back(&appliance);
    for filter in ["vehicles/V1/news", "vehicles/V1/commands/+"] {
        assert_eq!(car.subscribe(filter, 1), 1);
    }
    let mut publisher = Vehicle::connect(appliance.mqtt(), Version::V3, "publisher");
    for number in 1..=4 {
        publisher.publish_acked("vehicles/V1/news", &[b'x'; 1000], number);
    }
    let id = sent(&appliance, "V1", "limit-charge");
    until("it is on its way", MINUTE, || state(&appliance, &id) == "sent");
    for _ in 0..4 {
        let news = car.take();
        assert_eq!(news.payload.len(), 1000);
        car.acknowledge(news.id, 0);
    }
    let taken = car.take();
    assert_eq!((taken.command(), taken.is_repeat()), (id.clone(), false));
    // The line is cut before it is acknowledged: it comes again, with DUP.
    drop(car);
    let (mut car, is_present) = back(&appliance);
    assert!(is_present);
    let again = car.take();
    assert_eq!((again.command(), again.is_repeat()), (id.clone(), true));
    car.acknowledge(again.id, 0);
    until("it is delivered", MINUTE, || state(&appliance, &id) == "delivered");
    car.takes_nothing();
    assert_eq!(car.receipt(&id, "DONE"), 0);

    // And after a crash, once, from whoever has it then.
    let id = sent(&appliance, "V1", "limit-charge");
    assert_eq!(car.take().command(), id);
    appliance.kill_9();
    appliance.start_again();
    let (mut car, is_present) = back(&appliance);
    assert!(is_present);
    let again = car.take();
    assert_eq!((again.command(), again.is_repeat()), (id.clone(), true));
    car.acknowledge(again.id, 0);
    until("it is delivered", MINUTE, || state(&appliance, &id) == "delivered");
    car.takes_nothing();
    until("nothing waits", MINUTE, || appliance.count("deliveries.queued") == 0);
    appliance.stats();
}
