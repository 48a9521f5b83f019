//! Vehicles that publish continuously and log their acknowledgements.
//!
//! The log belongs to the test: the appliance may be killed at any moment, and everything that it
//! has acknowledged by then must be stored.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use super::{
    Packet, Sample, Vehicle, Version,
    vehicle::publish_packet,
    wait::{self, until},
};

/// The maximum number of messages in flight per vehicle.
const WINDOW: usize = 32;

#[derive(Debug, Default)]
struct Progress {
    sent: AtomicU64,
    acked: Mutex<BTreeSet<u64>>,
}

#[derive(Debug)]
struct Shared {
    address: Mutex<Option<SocketAddr>>,
    stop: AtomicBool,
    /// Least time between two windows of one vehicle; bounds the rate.
    rest: Duration,
    vehicles: BTreeMap<String, Progress>,
}

/// A running fleet.
#[derive(Debug)]
pub(crate) struct Load {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

/// The log of one vehicle: everything in `acked` must be stored, and nothing that it has not sent.
#[derive(Debug)]
pub(crate) struct Promised {
    pub(crate) vin: String,
    pub(crate) acked: BTreeSet<u64>,
    pub(crate) sent: u64,
}

impl Load {
    /// Starts vehicles, half of them on 3.1.1 and half on 5.0, at most `WINDOW` messages per `rest`
    /// and vehicle.
    pub(crate) fn start(address: SocketAddr, vehicles: usize, rest: Duration) -> Self {
        let vehicles = (0..vehicles).map(|i| (format!("VIN{i:04}"), Progress::default())).collect();
        let shared = Arc::new(Shared {
            address: Mutex::new(Some(address)),
            stop: AtomicBool::new(false),
            rest,
            vehicles,
        });
        let versions = [Version::V3, Version::V5].into_iter().cycle();
        let threads = shared
            .vehicles
            .keys()
            .cloned()
            .zip(versions)
            .map(|(vin, version)| {
                let shared = Arc::clone(&shared);
                thread::spawn(move || shared.drive(&vin, version))
            })
            .collect();
        Self { shared, threads }
    }

    /// Sets the appliance's address for the vehicles; `None`: it is not running.
    pub(crate) fn moved(&self, address: Option<SocketAddr>) {
        *self.shared.address.lock().unwrap() = address;
    }

    /// All acknowledgements so far.
    pub(crate) fn acked(&self) -> u64 {
        let vehicles = self.shared.vehicles.values();
        vehicles.map(|progress| progress.acked.lock().unwrap().len() as u64).sum()
    }

    /// Waits until `more` messages have been acknowledged from now on.
    #[track_caller]
    pub(crate) fn wait_for_acks(&self, more: u64, limit: Duration) {
        let goal = self.acked() + more;
        until(&format!("{more} more acknowledgements"), limit, || self.acked() >= goal);
    }

    /// Ends the load and returns the log.
    pub(crate) fn stop(self) -> Vec<Promised> {
        self.shared.stop.store(true, Ordering::Relaxed);
        for thread in self.threads {
            thread.join().unwrap();
        }
        let promised = |(vin, progress): (&String, &Progress)| Promised {
            vin: vin.clone(),
            acked: progress.acked.lock().unwrap().clone(),
            sent: progress.sent.load(Ordering::Relaxed),
        };
        self.shared.vehicles.iter().map(promised).collect()
    }
}

impl Shared {
    fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Runs one vehicle: connect, send unacknowledged messages again, continue; after any error,
    /// from the beginning.
    fn drive(&self, vin: &str, version: Version) {
        let mut open: VecDeque<u64> = VecDeque::new();
        while !self.stopped() {
            let address = *self.address.lock().unwrap();
            let vehicle = address.and_then(|to| Vehicle::try_connect(to, version, vin));
            match vehicle {
                Some(vehicle) => self.ride(vin, version, vehicle, &mut open),
                None => wait::pause(),
            }
        }
    }

    /// One connection, until it breaks or the load ends.
    fn ride(&self, vin: &str, version: Version, mut vehicle: Vehicle, open: &mut VecDeque<u64>) {
        let progress = &self.vehicles[vin];
        let topic = Sample::topic(vin);
        let bytes = |seq: u64| {
            publish_packet(version, &topic, &Sample { seq }.payload(), 1, packet_id(seq), &[])
        };
        let again: Vec<u8> = open.iter().copied().flat_map(bytes).collect();
        if vehicle.try_send(&again).is_err() {
            return;
        }
        let mut window_began = Instant::now();
        loop {
            if !self.stopped() && open.is_empty() {
                while window_began.elapsed() < self.rest && !self.stopped() {
                    wait::pause();
                }
                window_began = Instant::now();
                let first = progress.sent.fetch_add(WINDOW as u64, Ordering::Relaxed);
                open.extend(first..first + WINDOW as u64);
                let window: Vec<u8> = open.iter().copied().flat_map(bytes).collect();
                if vehicle.try_send(&window).is_err() {
                    return;
                }
            }
            if self.stopped() && open.is_empty() {
                return;
            }
            match vehicle.receive(Duration::from_millis(200)) {
                Packet::Whole(0x40, body) => {
                    let id = u16::from_be_bytes([body[0], body[1]]);
                    // Acknowledgements arrive in the order of the publishes.
                    let seq = open.pop_front().expect("an acknowledgement that is due");
                    assert_eq!(id, packet_id(seq), "an acknowledgement out of order");
                    progress.acked.lock().unwrap().insert(seq);
                }
                Packet::Nothing if self.stopped() => return,
                Packet::Nothing => {}
                Packet::Closed | Packet::Whole(..) => return,
            }
        }
    }
}

fn packet_id(seq: u64) -> u16 {
    u16::try_from(seq % 65_535 + 1).unwrap()
}
