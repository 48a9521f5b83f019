//! Clients that publish to each other: the load source of the delivering half, one thread, MQTT
//! 3.1.1, a hidden mode of the benchmark's own binary.
//!
//! It connects and subscribes, says `prepared` on standard output, waits for a line on standard
//! input, runs, prints a [`Report`] as one line of JSON, and keeps its connections until standard
//! input ends, so that their memory can be looked at. For [`Shape::Storm`] connecting is the run.

use std::{
    io::{self, BufRead, Read, Write},
    net::SocketAddr,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use hdrhistogram::Histogram;
use mio::{Events, Interest, Poll, Token, net::TcpStream};
use serde::{Deserialize, Serialize};

use super::{
    Outcome, fault, frame,
    process::{Process, piped, raise_descriptors},
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
const READ_BYTES: usize = 64 * 1024;

/// The clients' process, seen from the benchmark.
#[derive(Debug)]
pub(crate) struct Running {
    process: Process,
    lines: io::Lines<io::BufReader<std::process::ChildStdout>>,
}

impl Running {
    /// Starts the clients, who will publish for so many seconds, and waits until they are prepared.
    pub(crate) fn start(audience: &Audience, port: u16, seconds: u32) -> Outcome<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        let (port, seconds) = (port.to_string(), seconds.to_string());
        command.args(["audience", &port, &seconds, &serde_json::to_string(audience)?]);
        piped(&mut command).stdin(Stdio::piped()).stderr(Stdio::inherit());
        let mut process = Process::start(&mut command)?;
        let lines = process.stdout()?;
        let mut running = Self { process, lines };
        running.line()?;
        Ok(running)
    }

    /// Lets them run; their connections stay until this is dropped.
    pub(crate) fn run(&mut self) -> Outcome<Report> {
        let input = self.process.child.stdin.as_mut().ok_or_else(|| fault("no pipe"))?;
        input.write_all(b"go\n")?;
        Ok(serde_json::from_str(&self.line()?)?)
    }

    fn line(&mut self) -> Outcome<String> {
        Ok(self.lines.next().ok_or_else(|| fault("the clients have ended"))??)
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
    clients.report.seconds = started.elapsed().as_secs_f64();
    say(&serde_json::to_string(&clients.report)?)?;
    input.next();
    Ok(())
}

fn say(line: &str) -> Outcome {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    Ok(out.flush()?)
}

struct Client {
    stream: TcpStream,
    input: Vec<u8>,
    output: Vec<u8>,
    is_dirty: bool,
    unacknowledged: u32,
    packet_id: u16,
}

struct Clients {
    audience: Audience,
    poll: Poll,
    /// The subscribers, then the publishers.
    all: Vec<Client>,
    dirty: Vec<usize>,
    scratch: Vec<u8>,
    /// Clients that have their CONNACK and all SUBACKs.
    ready: u32,
    /// The origin of the moments in the payloads.
    epoch: Instant,
    /// By publisher: how many messages it has published.
    counts: Vec<u32>,
    /// By subscriber and publisher: the last count that came.
    last: Vec<u32>,
    latency: Histogram<u64>,
    report: Report,
}

impl Clients {
    fn new(audience: Audience) -> Outcome<Self> {
        let (subscribers, publishers) =
            (audience.subscribers as usize, audience.publishers as usize);
        Ok(Self {
            audience,
            poll: Poll::new()?,
            all: Vec::with_capacity(subscribers + publishers),
            dirty: Vec::new(),
            scratch: vec![0; READ_BYTES],
            ready: 0,
            epoch: Instant::now(),
            counts: vec![0; publishers],
            last: vec![0; publishers * subscribers],
            latency: Histogram::new_with_bounds(1, 60_000_000_000, 3)?,
            report: Report::default(),
        })
    }

    fn subscribers(&self) -> usize {
        self.audience.subscribers as usize
    }

    /// Connects all clients and subscribes: for a storm all at once, else not more at a time than a
    /// busy machine greets within a second.
    fn connect(&mut self, address: SocketAddr) -> Outcome {
        let count = self.audience.subscribers + self.audience.publishers;
        let at_once = if self.audience.shape == Shape::Storm { count } else { AT_ONCE };
        for idx in 0..count {
            while self.ready + at_once <= idx {
                self.turn(Some(Duration::from_millis(100)))?;
            }
            let idx = idx as usize;
            // From several addresses: one has too few ports.
            let own = SocketAddr::from(([127, 0, 0, u8::try_from(2 + idx % 8)?], 0));
            let mut stream = dial(own, address)?;
            self.poll.registry().register(
                &mut stream,
                Token(idx),
                Interest::READABLE | Interest::WRITABLE,
            )?;
            let mut client = Client {
                stream,
                input: Vec::new(),
                output: Vec::new(),
                is_dirty: false,
                unacknowledged: 0,
                packet_id: 0,
            };
            let id = frame::with_length(&format!("c{idx:07}"));
            let head = b"\0\x04MQTT\x04\x02\x01\x2c";
            frame::write(&mut client.output, 0x10, &[head, &id]);
            self.all.push(client);
        }
        let deadline = Instant::now() + SETUP_WAIT;
        while self.ready < count {
            self.turn(Some(Duration::from_millis(100)))?;
            if Instant::now() > deadline {
                return Err(fault(format!("{} of {count} clients got ready", self.ready)));
            }
        }
        Ok(())
    }

    /// Publishes for as long as it is to last, and waits for the last deliveries.
    fn publish(&mut self, lasts: Duration) -> Outcome {
        let Audience { rate, ahead, .. } = self.audience;
        let receivers = match self.audience.shape {
            Shape::Fan => u64::from(self.audience.subscribers),
            _ => 1,
        };
        let begin = Instant::now();
        let mut publisher = 0;
        while begin.elapsed() < lasts {
            let due = rate.map(|rate| begin.elapsed().as_secs_f64() * rate);
            let mut full = 0;
            while full < self.audience.publishers
                && due.is_none_or(|due| as_float(self.report.published) < due)
                && (rate.is_some()
                    || self.report.published * receivers - self.report.delivered
                        < ahead * receivers)
            {
                full = if self.publish_one(publisher)? { 0 } else { full + 1 };
                publisher = (publisher + 1) % self.audience.publishers as usize;
            }
            // A paced load looks at the clock more often than poll can wait.
            self.turn(Some(if rate.is_some() {
                Duration::ZERO
            } else {
                Duration::from_millis(1)
            }))?;
        }
        let deadline = Instant::now() + LAST_WAIT;
        let expected = self.report.published * receivers;
        let is_done = |report: &Report, qos: u8| {
            report.delivered >= expected && (qos == 0 || report.acknowledged >= report.published)
        };
        while !is_done(&self.report, self.audience.qos) && Instant::now() < deadline {
            self.turn(Some(Duration::from_millis(10)))?;
        }
        self.report.missing = expected.saturating_sub(self.report.delivered);
        let at = |share| Duration::from_nanos(self.latency.value_at_quantile(share)).as_secs_f64();
        (self.report.p50, self.report.p99) = (at(0.5) * 1e3, at(0.99) * 1e3);
        Ok(())
    }

    /// False if this publisher may not.
    fn publish_one(&mut self, publisher: usize) -> Outcome<bool> {
        let at = self.subscribers() + publisher;
        let Audience { shape, qos, window, subscribers, .. } = self.audience;
        if qos > 0 && self.all[at].unacknowledged >= window {
            return Ok(false);
        }
        let random = |most: u32| rand::random_range(0..most);
        let topic = match shape {
            Shape::Fan | Shape::Watch | Shape::Storm => "fan".to_owned(),
            Shape::In | Shape::Shared => format!("v/{publisher}/telemetry"),
            Shape::One => format!("v/{}/cmd", random(subscribers)),
            Shape::Filters(each) => format!("v/1/x/{}", random(each * subscribers)),
        };
        self.counts[publisher] += 1;
        let now = u64::try_from(self.epoch.elapsed().as_nanos())?;
        let mut payload = [b'x'; PAYLOAD_BYTES];
        payload[..8].copy_from_slice(&now.to_be_bytes());
        payload[8..12].copy_from_slice(&u32::try_from(publisher)?.to_be_bytes());
        payload[12..16].copy_from_slice(&self.counts[publisher].to_be_bytes());
        let client = &mut self.all[at];
        let topic = frame::with_length(&topic);
        if qos == 0 {
            frame::write(&mut client.output, 0x30, &[&topic, &payload]);
        } else {
            client.packet_id = client.packet_id.checked_add(1).unwrap_or(1);
            client.unacknowledged += 1;
            let id = client.packet_id.to_be_bytes();
            frame::write(&mut client.output, 0x30 | (qos << 1), &[&topic, &id, &payload]);
        }
        self.report.published += 1;
        self.touch(at);
        Ok(true)
    }

    fn touch(&mut self, idx: usize) {
        if !std::mem::replace(&mut self.all[idx].is_dirty, true) {
            self.dirty.push(idx);
        }
    }

    /// Writes what there is to write, and handles what has come.
    fn turn(&mut self, wait: Option<Duration>) -> Outcome {
        for idx in std::mem::take(&mut self.dirty) {
            self.all[idx].is_dirty = false;
            self.all[idx].flush()?;
        }
        let mut events = Events::with_capacity(1024);
        self.poll.poll(&mut events, wait)?;
        for event in &events {
            let Token(idx) = event.token();
            if event.is_writable() {
                self.all[idx].flush()?;
            }
            if event.is_readable() {
                self.read(idx)?;
            }
        }
        Ok(())
    }

    fn read(&mut self, idx: usize) -> Outcome {
        let mut scratch = std::mem::take(&mut self.scratch);
        loop {
            let client = &mut self.all[idx];
            let kept = client.input.len();
            scratch[..kept].copy_from_slice(&client.input);
            let read = match client.stream.read(&mut scratch[kept..]) {
                Ok(0) => return Err(fault(format!("the connection of client {idx} was closed"))),
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error.into()),
            };
            let mut rest = &scratch[..kept + read];
            while let Some((first, body, behind)) = frame::packet(rest) {
                self.packet(idx, first, body)?;
                rest = behind;
            }
            let client = &mut self.all[idx];
            client.input.clear();
            client.input.extend_from_slice(rest);
            if kept + read < scratch.len() {
                break;
            }
        }
        self.scratch = scratch;
        Ok(())
    }

    fn packet(&mut self, idx: usize, first: u8, body: &[u8]) -> Outcome {
        match first >> 4 {
            2 if body == [0, 0] => self.connected(idx)?,
            3 => self.delivered(idx, first, body)?,
            4 => {
                self.all[idx].unacknowledged -= 1;
                self.report.acknowledged += 1;
            }
            9 if body[2..].iter().all(|code| *code <= 2) => self.ready += 1,
            _ => return Err(fault(format!("client {idx} got {first:02x} {body:02x?}"))),
        }
        Ok(())
    }

    /// Subscribes, if it is a subscriber.
    fn connected(&mut self, idx: usize) -> Outcome {
        if idx >= self.subscribers() {
            self.ready += 1;
            return Ok(());
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
        frame::write(&mut self.all[idx].output, 0x82, &[&body]);
        self.touch(idx);
        Ok(())
    }

    fn delivered(&mut self, idx: usize, first: u8, body: &[u8]) -> Outcome {
        let broken = || fault("a PUBLISH that is none");
        let (_, mut rest) = frame::text(body).ok_or_else(broken)?;
        if first & 6 != 0 {
            let id = rest.get(..2).ok_or_else(broken)?;
            rest = &rest[2..];
            frame::write(&mut self.all[idx].output, 0x40, &[id]);
            self.touch(idx);
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

impl Client {
    fn flush(&mut self) -> Outcome {
        while !self.output.is_empty() {
            match self.stream.write(&self.output) {
                Ok(written) => drop(self.output.drain(..written)),
                // It has not connected yet, or the kernel's buffer is full: an event will say.
                Err(error)
                    if matches!(
                        error.kind(),
                        io::ErrorKind::WouldBlock | io::ErrorKind::NotConnected
                    ) =>
                {
                    break;
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}

/// Begins to connect, from that address of ours.
fn dial(own: SocketAddr, to: SocketAddr) -> Outcome<TcpStream> {
    use rustix::net::{self, AddressFamily, SocketFlags, SocketType, sockopt};
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = net::socket_with(AddressFamily::INET, SocketType::STREAM, flags, None)?;
    sockopt::set_tcp_nodelay(&socket, true)?;
    net::bind(&socket, &own)?;
    match net::connect(&socket, &to) {
        Ok(()) | Err(rustix::io::Errno::INPROGRESS) => {}
        Err(error) => return Err(error.into()),
    }
    Ok(TcpStream::from_std(std::net::TcpStream::from(socket)))
}

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
fn as_float(count: u64) -> f64 {
    count as f64
}
