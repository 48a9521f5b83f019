//! A vehicle that publishes while other clients behave badly: they cost it only a share of the
//! machine.

use std::{
    io::Read,
    net::TcpStream,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use super::client::{start, subscribe};
use crate::harness::{
    Appliance, Sample,
    vehicle::{Vehicle, Version, connect_packet, packet, publish_packet, text},
};

/// The p99 PUBACK latency of a vehicle, one message after the other.
fn p99(appliance: &Appliance, vin: &str, count: usize) -> Duration {
    let mut vehicle = Vehicle::connect(appliance.mqtt(), Version::V5, vin);
    let mut took: Vec<Duration> = (0..count)
        .map(|number| {
            let payload = Sample { seq: number as u64 }.payload();
            let begun = Instant::now();
            let id = u16::try_from(number + 1).unwrap();
            assert_eq!(vehicle.publish_acked(&Sample::topic(vin), &payload, id).reason(), 0);
            begun.elapsed()
        })
        .collect();
    took.sort_unstable();
    took[count * 99 / 100 - 1]
}

/// A client that subscribes to the vehicle's topics and does not read.
fn deaf(appliance: &Appliance, id: &str) -> TcpStream {
    use std::io::Write;
    let mut stream = TcpStream::connect(appliance.mqtt()).unwrap();
    stream.write_all(&connect_packet(Version::V3, id, 0, &[])).unwrap();
    let subscribe = [&[0, 1][..], &text("vehicles/#"), &[1], &text("flood"), &[1]].concat();
    stream.write_all(&packet(0x82, &subscribe)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream.read_exact(&mut [0; 4 + 6]).unwrap();
    stream
}

/// The time limits are generous, for a busy machine; they show that the vehicle does not wait for
/// the others. On an idle machine both latencies are a few milliseconds, and similar.
#[test]
fn a_vehicle_does_not_wait_for_clients_that_do_not_read_or_that_reconnect() {
    let (_store, appliance) = start(|setup| {
        setup
            .set("mqtt.sessions.queue-messages-max", "100")
            .set("mqtt.sessions.queue-stall-max", "10m")
    });
    let alone = p99(&appliance, "V1", 200);
    let silent = deaf(&appliance, "silent");
    let mut slow = deaf(&appliance, "slow");
    let is_over = Arc::new(AtomicBool::new(false));
    let mut others = Vec::new();
    // Two that publish to each other, and to clients that do not read, with full queues.
    for (id, to) in [("left", "to/right"), ("right", "to/left")] {
        let mut client = Vehicle::connect(appliance.mqtt(), Version::V3, id);
        assert_eq!(subscribe(&mut client, Version::V3, &format!("to/{id}"), 1), 1);
        let is_over = Arc::clone(&is_over);
        others.push(thread::spawn(move || {
            for round in 0..u16::MAX {
                let both = [to, "flood"]
                    .map(|topic| publish_packet(Version::V3, topic, &[7; 500], 1, round + 1, &[]));
                if is_over.load(Ordering::Relaxed) || client.try_send(&both.concat()).is_err() {
                    break;
                }
            }
        }));
    }
    // A thousand that connect and disconnect.
    let (address, ended) = (appliance.mqtt(), Arc::clone(&is_over));
    others.push(thread::spawn(move || {
        for number in 0..1000 {
            let id = format!("brief-{number}");
            let Some(mut client) = Vehicle::try_connect(address, Version::V5, &id) else {
                continue;
            };
            drop(
                client.try_send(&packet(0x82, &[&[0, 1, 0][..], &text("brief/+"), &[1]].concat())),
            );
            if number % 2 == 0 {
                drop(client.try_send(&[0xe0, 0]));
            }
            if ended.load(Ordering::Relaxed) {
                break;
            }
        }
    }));
    // One that reads a byte now and then.
    let ended = Arc::clone(&is_over);
    others.push(thread::spawn(move || {
        while !ended.load(Ordering::Relaxed) && matches!(slow.read(&mut [0]), Ok(1)) {
            crate::harness::pause();
        }
    }));
    let beside = p99(&appliance, "V2", 200);
    eprintln!("PUBACK p99 alone {alone:?}, beside the others {beside:?}");
    assert!(beside < 20 * alone.max(Duration::from_millis(50)), "{alone:?}, then {beside:?}");
    is_over.store(true, Ordering::Relaxed);
    drop(silent);
    // Threads that wait in a full socket end when it is closed.
    drop(appliance);
    for other in others {
        other.join().unwrap();
    }
}
