//! Clients that publish to each other: the load source of the delivering half, one thread, MQTT
//! 3.1.1, a hidden mode of the benchmark's own binary.
//!
//! It connects and subscribes, says `prepared` on standard output, waits for a line on standard
//! input, runs, prints a [`Report`] as one line of JSON, and keeps its connections until standard
//! input ends, so that their memory can be looked at. For [`Shape::Storm`] connecting is the run.

use std::{
    io::{self, BufRead},
    net::SocketAddr,
    time::{Duration, Instant},
};

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use super::{
    Outcome,
    crowd::Crowd,
    fault, frame,
    process::{Partner, raise_descriptors, say},
};

/// Who subscribes to what, and who publishes to whom.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, PartialEq, Eq)]
pub(crate) enum Shape {
    /// All subscribe to the topic that all publish to.
    Fan,
    /// Each publisher has a topic, and one filter matches all of them.
    In,
    /// The same, and the subscribers share the filter.
    Shared,
    /// Each subscriber has a topic, and each message goes to one of them at random.
    One,
    /// Each subscriber has this many wildcard filters, and a message matches one of all.
    Filters(u32),
    /// Nobody publishes here: all subscribe to the topic of the first simulated vehicle.
    Watch,
    /// Nobody publishes: connecting, with three filters each, is what is measured.
    Storm,
}

/// What the clients do.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Audience {
    pub(crate) shape: Shape,
    pub(crate) subscribers: u32,
    pub(crate) publishers: u32,
    pub(crate) qos: u8,
    /// Messages a publisher may have unacknowledged.
    pub(crate) window: u32,
    /// Messages that may be on their way to some receiver.
    pub(crate) ahead: u64,
    /// Messages a second, over all publishers; `None`: as fast as the two bounds allow.
    pub(crate) rate: Option<f64>,
}

/// What came of it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Report {
    pub(crate) published: u64,
    pub(crate) acknowledged: u64,
    pub(crate) delivered: u64,
    pub(crate) missing: u64,
    pub(crate) disordered: u64,
    /// Of the run; for [`Shape::Storm`] until the last SUBACK.
    pub(crate) seconds: f64,
    /// Milliseconds from publish to delivery.
    pub(crate) p50: f64,
    pub(crate) p99: f64,
}

/// Bytes of a payload: the moment, the publisher and its count come first.
const PAYLOAD_BYTES: usize = 200;
/// How long the last deliveries may take.
const LAST_WAIT: Duration = Duration::from_secs(10);
/// How long connecting and subscribing may take.
const SETUP_WAIT: Duration = Duration::from_secs(60);
/// Clients that are on their way in at once.
const AT_ONCE: u32 = 500;

/// The clients' process, seen from the benchmark.
#[derive(Debug)]
pub(crate) struct Running(Partner);

impl Running {
    /// Starts the clients, who will publish for so many seconds, and waits until they are prepared.
    pub(crate) fn start(audience: &Audience, port: u16, seconds: u32) -> Outcome<Self> {
        let (port, seconds) = (port.to_string(), seconds.to_string());
        let audience = serde_json::to_string(audience)?;
        let mut partner = Partner::start(&["audience", &port, &seconds, &audience])?;
        partner.line()?;
        Ok(Self(partner))
    }

    /// Lets them run; their connections stay until this is dropped.
    pub(crate) fn run(&mut self) -> Outcome<Report> {
        Ok(serde_json::from_str(&self.0.ask("go")?)?)
    }
}

/// The hidden mode.
pub(crate) fn serve(port: &str, seconds: &str, audience: &str) -> Outcome {
    let audience: Audience = serde_json::from_str(audience)?;
    let address: SocketAddr = format!("127.0.0.1:{port}").parse()?;
    raise_descriptors()?;
    let mut input = io::stdin().lock().lines();
    let mut clients = Clients::new(audience)?;
    let is_storm = audience.shape == Shape::Storm;
    if !is_storm {
        clients.connect(address)?;
    }
    say("prepared")?;
    input.next().ok_or_else(|| fault("nobody let the clients run"))??;
    let started = Instant::now();
    if is_storm {
        clients.connect(address)?;
    } else {
        clients.publish(Duration::from_secs(seconds.parse()?))?;
    }
    clients.tally.report.seconds = started.elapsed().as_secs_f64();
    say(&serde_json::to_string(&clients.tally.report)?)?;
    input.next();
    Ok(())
}

#[derive(Clone, Copy, Default)]
struct Publisher {
    unacknowledged: u32,
    packet_id: u16,
    /// Messages that it has published.
    count: u32,
}

struct Clients {
    /// The subscribers, then the publishers.
    crowd: Crowd,
    tally: Tally,
}

/// What the clients know.
struct Tally {
    audience: Audience,
    /// Clients that have their CONNACK and all SUBACKs.
    ready: u32,
    /// The origin of the moments in the payloads.
    epoch: Instant,
    publishers: Vec<Publisher>,
    /// By subscriber and publisher: the last count that came.
    last: Vec<u32>,
    latency: Histogram<u64>,
    report: Report,
}

impl Clients {
    fn new(audience: Audience) -> Outcome<Self> {
        let (subscribers, publishers) =
            (audience.subscribers as usize, audience.publishers as usize);
        let tally = Tally {
            audience,
            ready: 0,
            epoch: Instant::now(),
            publishers: vec![Publisher::default(); publishers],
            last: vec![0; publishers * subscribers],
            latency: Histogram::new_with_bounds(1, 60_000_000_000, 3)?,
            report: Report::default(),
        };
        Ok(Self { crowd: Crowd::new()?, tally })
    }

    fn turn(&mut self, wait: Option<Duration>) -> Outcome {
        let Self { crowd, tally } = self;
        crowd.turn(wait, &mut |idx, first, body, out| tally.packet(idx, first, body, out))
    }

    /// Connects all clients and subscribes: for a storm all at once, else not more at a time than a
    /// busy machine greets within a second.
    fn connect(&mut self, address: SocketAddr) -> Outcome {
        let Audience { shape, subscribers, publishers, .. } = self.tally.audience;
        let count = subscribers + publishers;
        let at_once = if shape == Shape::Storm { count } else { AT_ONCE };
        for idx in 0..count {
            while self.tally.ready + at_once <= idx {
                self.turn(Some(Duration::from_millis(100)))?;
            }
            self.crowd.enter(idx as usize, address, true)?;
        }
        let deadline = Instant::now() + SETUP_WAIT;
        while self.tally.ready < count {
            self.turn(Some(Duration::from_millis(100)))?;
            if Instant::now() > deadline {
                return Err(fault(format!("{} of {count} clients got ready", self.tally.ready)));
            }
        }
        Ok(())
    }

    /// Publishes for as long as it is to last, and waits for the last deliveries.
    fn publish(&mut self, lasts: Duration) -> Outcome {
        let Audience { rate, ahead, .. } = self.tally.audience;
        let receivers = match self.tally.audience.shape {
            Shape::Fan => u64::from(self.tally.audience.subscribers),
            _ => 1,
        };
        let begin = Instant::now();
        let mut publisher = 0;
        while begin.elapsed() < lasts {
            let due = rate.map(|rate| begin.elapsed().as_secs_f64() * rate);
            let mut full = 0;
            while full < self.tally.audience.publishers
                && due.is_none_or(|due| as_float(self.tally.report.published) < due)
                && (rate.is_some()
                    || self.tally.report.published * receivers - self.tally.report.delivered
                        < ahead * receivers)
            {
                full = if self.publish_one(publisher)? { 0 } else { full + 1 };
                publisher = (publisher + 1) % self.tally.audience.publishers as usize;
            }
            // A paced load looks at the clock more often than poll can wait.
            self.turn(Some(if rate.is_some() {
                Duration::ZERO
            } else {
                Duration::from_millis(1)
            }))?;
        }
        let deadline = Instant::now() + LAST_WAIT;
        let expected = self.tally.report.published * receivers;
        let is_done = |report: &Report, qos: u8| {
            report.delivered >= expected && (qos == 0 || report.acknowledged >= report.published)
        };
        while !is_done(&self.tally.report, self.tally.audience.qos) && Instant::now() < deadline {
            self.turn(Some(Duration::from_millis(10)))?;
        }
        self.tally.report.missing = expected.saturating_sub(self.tally.report.delivered);
        let at =
            |share| Duration::from_nanos(self.tally.latency.value_at_quantile(share)).as_secs_f64();
        (self.tally.report.p50, self.tally.report.p99) = (at(0.5) * 1e3, at(0.99) * 1e3);
        Ok(())
    }

    /// False if this publisher may not.
    fn publish_one(&mut self, publisher: usize) -> Outcome<bool> {
        let tally = &mut self.tally;
        let at = tally.subscribers() + publisher;
        let Audience { shape, qos, window, subscribers, .. } = tally.audience;
        let state = &mut tally.publishers[publisher];
        if qos > 0 && state.unacknowledged >= window {
            return Ok(false);
        }
        let random = |most: u32| rand::random_range(0..most);
        let topic = match shape {
            Shape::Fan | Shape::Watch | Shape::Storm => "fan".to_owned(),
            Shape::In | Shape::Shared => format!("v/{publisher}/telemetry"),
            Shape::One => format!("v/{}/cmd", random(subscribers)),
            Shape::Filters(each) => format!("v/1/x/{}", random(each * subscribers)),
        };
        state.count += 1;
        let now = u64::try_from(tally.epoch.elapsed().as_nanos())?;
        let mut payload = [b'x'; PAYLOAD_BYTES];
        payload[..8].copy_from_slice(&now.to_be_bytes());
        payload[8..12].copy_from_slice(&u32::try_from(publisher)?.to_be_bytes());
        payload[12..16].copy_from_slice(&state.count.to_be_bytes());
        let topic = frame::with_length(&topic);
        if qos == 0 {
            self.crowd.write(at, 0x30, &[&topic, &payload]);
        } else {
            state.packet_id = state.packet_id.checked_add(1).unwrap_or(1);
            state.unacknowledged += 1;
            let id = state.packet_id.to_be_bytes();
            self.crowd.write(at, 0x30 | (qos << 1), &[&topic, &id, &payload]);
        }
        tally.report.published += 1;
        Ok(true)
    }
}

impl Tally {
    fn subscribers(&self) -> usize {
        self.audience.subscribers as usize
    }

    fn packet(&mut self, idx: usize, first: u8, body: &[u8], out: &mut Vec<u8>) -> Outcome {
        match first >> 4 {
            2 if body == [0, 0] => self.connected(idx, out),
            3 => self.delivered(idx, first, body, out)?,
            4 => {
                let publisher = idx - self.subscribers();
                self.publishers[publisher].unacknowledged -= 1;
                self.report.acknowledged += 1;
            }
            9 if body[2..].iter().all(|code| *code <= 2) => self.ready += 1,
            _ => return Err(fault(format!("client {idx} got {first:02x} {body:02x?}"))),
        }
        Ok(())
    }

    /// Subscribes, if it is a subscriber.
    fn connected(&mut self, idx: usize, out: &mut Vec<u8>) {
        if idx >= self.subscribers() {
            self.ready += 1;
            return;
        }
        let filters: Vec<String> = match self.audience.shape {
            Shape::Fan => vec!["fan".to_owned()],
            Shape::Watch => vec!["vehicles/FLSIM000000000001/telemetry".to_owned()],
            Shape::In => vec!["v/+/telemetry".to_owned()],
            Shape::Shared => vec!["$share/group/v/+/telemetry".to_owned()],
            Shape::One => vec![format!("v/{idx}/cmd")],
            Shape::Filters(each) => {
                let first = idx * each as usize;
                (first..first + each as usize).map(|number| format!("v/+/x/{number}")).collect()
            }
            Shape::Storm => ["a", "b", "c/#"].map(|end| format!("v/{idx}/{end}")).into(),
        };
        let mut body = vec![0, 1];
        for filter in filters {
            body.extend(frame::with_length(&filter));
            body.push(self.audience.qos);
        }
        frame::write(out, 0x82, &[&body]);
    }

    fn delivered(&mut self, idx: usize, first: u8, body: &[u8], out: &mut Vec<u8>) -> Outcome {
        let broken = || fault("a PUBLISH that is none");
        let (_, mut rest) = frame::text(body).ok_or_else(broken)?;
        if first & 6 != 0 {
            let id = rest.get(..2).ok_or_else(broken)?;
            rest = &rest[2..];
            frame::write(out, 0x40, &[id]);
        }
        let field = |from: usize| -> Outcome<u32> {
            let bytes = rest.get(from..from + 4).ok_or_else(broken)?;
            Ok(u32::from_be_bytes(bytes.try_into()?))
        };
        let sent = u64::from(field(0)?) << 32 | u64::from(field(4)?);
        let (publisher, count) = (field(8)? as usize, field(12)?);
        let last = &mut self.last[idx * self.audience.publishers as usize + publisher];
        if count <= *last {
            self.report.disordered += 1;
        }
        *last = count;
        let now = u64::try_from(self.epoch.elapsed().as_nanos())?;
        self.latency.saturating_record(now.saturating_sub(sent));
        self.report.delivered += 1;
        Ok(())
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
fn as_float(count: u64) -> f64 {
    count as f64
}
