//! Clients whose sessions last while they are away: the load source of the session journal, one
//! thread, MQTT 3.1.1, a hidden mode of the benchmark's own binary.
//!
//! It is told what to do line by line on standard input (`WHAT PORT COUNT`), and says for each what
//! came of it as one line of JSON.

use std::{
    io::{self, BufRead},
    net::SocketAddr,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use serde::{Deserialize, Serialize};

use super::{
    Outcome,
    crowd::Crowd,
    fault, frame,
    process::{Partner, raise_descriptors, say},
};

/// What they are.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Absence {
    /// Each has one subscription, of QoS 1.
    pub(crate) sessions: u32,
    pub(crate) publishers: u32,
    /// Messages that a publisher may have unacknowledged.
    pub(crate) window: u32,
}

/// What came of it.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Report {
    /// Sessions made, messages acknowledged, or messages that came.
    pub(crate) count: u64,
    pub(crate) seconds: f64,
    /// Of the messages that came.
    pub(crate) twice: u64,
    pub(crate) missing: u64,
}

/// Bytes of a payload; its number comes first.
const PAYLOAD_BYTES: usize = 250;
/// How long anything may take.
const WAIT: Duration = Duration::from_secs(120);
/// Clients that are connected at once while sessions are made.
const AT_ONCE: usize = 500;

/// The clients' process, seen from the benchmark.
#[derive(Debug)]
pub(crate) struct Running(Partner);

impl Running {
    pub(crate) fn start(absence: &Absence) -> Outcome<Self> {
        Ok(Self(Partner::start(&["absent", &serde_json::to_string(absence)?])?))
    }

    /// Makes all sessions, and leaves them.
    pub(crate) fn leave(&mut self, port: u16) -> Outcome<Report> {
        self.ask("leave", port, 0)
    }

    /// Publishes so many messages to each session.
    pub(crate) fn fill(&mut self, port: u16, each: u32) -> Outcome<Report> {
        self.ask("fill", port, each)
    }

    /// Retains so many messages.
    pub(crate) fn retain(&mut self, port: u16, count: u32) -> Outcome<Report> {
        self.ask("retain", port, count)
    }

    /// Vehicles whose sessions last, or do not, publish so many messages that a mapping takes.
    pub(crate) fn uplink(&mut self, port: u16, count: u32, is_clean: bool) -> Outcome<Report> {
        self.ask(if is_clean { "uplink-clean" } else { "uplink" }, port, count)
    }

    /// So many sessions come back and take what waits for them.
    pub(crate) fn come_back(&mut self, port: u16, sessions: u32) -> Outcome<Report> {
        self.ask("return", port, sessions)
    }

    fn ask(&mut self, what: &str, port: u16, count: u32) -> Outcome<Report> {
        Ok(serde_json::from_str(&self.0.ask(&format!("{what} {port} {count}"))?)?)
    }
}

/// The hidden mode.
pub(crate) fn serve(absence: &str) -> Outcome {
    let mut away = Away { absence: serde_json::from_str(absence)?, each: 0 };
    raise_descriptors()?;
    for line in io::stdin().lock().lines() {
        let line = line?;
        let words: Vec<&str> = line.split(' ').collect();
        let [what, port, count] = words[..] else { return Err(fault(line)) };
        let address: SocketAddr = format!("127.0.0.1:{port}").parse()?;
        let count = count.parse()?;
        let started = Instant::now();
        let mut report = match what {
            "leave" => away.leave(address)?,
            "fill" => away.fill(address, count)?,
            "retain" => away.retain(address, count)?,
            "uplink" => away.uplink(address, count, false)?,
            "uplink-clean" => away.uplink(address, count, true)?,
            "return" => away.come_back(address, count)?,
            _ => return Err(fault(line)),
        };
        report.seconds = started.elapsed().as_secs_f64();
        say(&serde_json::to_string(&report)?)?;
    }
    Ok(())
}

struct Away {
    absence: Absence,
    /// Messages that were published to each session.
    each: u32,
}

/// One that publishes: what is unacknowledged, and what it published.
#[derive(Clone, Copy, Default)]
struct Publisher {
    unacknowledged: u32,
    count: u64,
}

impl Away {
    fn leave(&self, address: SocketAddr) -> Outcome<Report> {
        let sessions = self.absence.sessions as usize;
        let mut crowd = Crowd::new()?;
        let mut subscribed = Vec::new();
        let (mut begun, mut gone) = (0, 0);
        let deadline = Instant::now() + WAIT;
        while gone < sessions {
            while begun < sessions && crowd.here() < AT_ONCE {
                crowd.enter(begun, address, false)?;
                begun += 1;
            }
            crowd.turn(Some(Duration::from_millis(10)), &mut |idx, first, body, out| {
                match first >> 4 {
                    2 if body == [0, 0] => {
                        let filter = frame::with_length(&format!("v/{idx}/cmd"));
                        frame::write(out, 0x82, &[&[0, 1], &filter, &[1]]);
                    }
                    9 if body == [0, 1, 1] => subscribed.push(idx),
                    _ => return Err(fault(format!("client {idx} got {first:02x} {body:02x?}"))),
                }
                Ok(())
            })?;
            subscribed.drain(..).for_each(|idx| crowd.leave(idx));
            gone = begun - crowd.here();
            if Instant::now() > deadline {
                return Err(fault(format!("{gone} of {sessions} sessions were made")));
            }
        }
        Ok(Report { count: u64::from(self.absence.sessions), ..Report::default() })
    }

    fn fill(&mut self, address: SocketAddr, each: u32) -> Outcome<Report> {
        let Absence { sessions, publishers, .. } = self.absence;
        let total = u64::from(sessions) * u64::from(each);
        let before = self.each;
        self.each += each;
        // Round by round, so that each session gets its messages in their order from one publisher.
        let own = u64::from(sessions / publishers);
        self.publish(address, total, (0x32, true), &|publisher, count| {
            let session = (count % own) * u64::from(publishers) + u64::from(publisher);
            let number = u64::from(before) + count / own + 1;
            (format!("v/{session}/cmd"), numbered(number))
        })
    }

    fn retain(&self, address: SocketAddr, count: u32) -> Outcome<Report> {
        self.publish(address, count.into(), (0x33, true), &|publisher, count| {
            (format!("r/{publisher}/{count}"), numbered(count))
        })
    }

    fn uplink(&self, address: SocketAddr, count: u32, is_clean: bool) -> Outcome<Report> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis();
        let now = u64::try_from(now)?;
        self.publish(address, count.into(), (0x32, is_clean), &|publisher, count| {
            let speed = f64::from(publisher) + 0.5;
            (format!("vehicles/FL{publisher:015}/telemetry"), telemetry(now + count, speed))
        })
    }

    /// All publishers together publish so many messages, whose topics and payloads follow from the
    /// publisher and its count; all are acknowledged.
    fn publish(
        &self,
        address: SocketAddr,
        total: u64,
        (first, is_clean): (u8, bool),
        message: &dyn Fn(u32, u64) -> (String, Vec<u8>),
    ) -> Outcome<Report> {
        let Absence { publishers, window, sessions } = self.absence;
        let each = total / u64::from(publishers);
        let mut crowd = Crowd::new()?;
        for idx in 0..publishers {
            crowd.enter((sessions + idx) as usize, address, is_clean)?;
        }
        let mut all = vec![Publisher::default(); publishers as usize];
        let (mut ready, mut acknowledged) = (0, 0);
        let deadline = Instant::now() + WAIT;
        while acknowledged < each * u64::from(publishers) {
            for (publisher, state) in (0..publishers).zip(&mut all).filter(|_| ready == publishers)
            {
                while state.unacknowledged < window && state.count < each {
                    let (topic, payload) = message(publisher, state.count);
                    state.count += 1;
                    state.unacknowledged += 1;
                    let id = u16::try_from(state.count % 60_000 + 1)?.to_be_bytes();
                    let body: [&[u8]; 3] = [&frame::with_length(&topic), &id, &payload];
                    crowd.write((sessions + publisher) as usize, first, &body);
                }
            }
            crowd.turn(Some(Duration::from_millis(1)), &mut |idx, first, body, _| {
                match first >> 4 {
                    2 if body[1] == 0 => ready += 1,
                    4 => {
                        acknowledged += 1;
                        all[idx - sessions as usize].unacknowledged -= 1;
                    }
                    _ => return Err(fault(format!("client {idx} got {first:02x} {body:02x?}"))),
                }
                Ok(())
            })?;
            if Instant::now() > deadline {
                return Err(fault(format!("{acknowledged} of {total} were acknowledged")));
            }
        }
        Ok(Report { count: acknowledged, ..Report::default() })
    }

    fn come_back(&self, address: SocketAddr, sessions: u32) -> Outcome<Report> {
        let mut crowd = Crowd::new()?;
        for idx in 0..sessions {
            crowd.enter(idx as usize, address, false)?;
        }
        let mut last = vec![0_u64; sessions as usize];
        let mut report = Report::default();
        let expected = u64::from(sessions) * u64::from(self.each);
        let deadline = Instant::now() + WAIT;
        while report.count < expected && Instant::now() < deadline {
            crowd.turn(Some(Duration::from_millis(10)), &mut |idx, first, body, out| {
                let broken = || fault(format!("client {idx} got {first:02x} {body:02x?}"));
                if first >> 4 == 2 && body == [1, 0] {
                    return Ok(());
                }
                let (_, rest) = frame::text(body).filter(|_| first == 0x32).ok_or_else(broken)?;
                let (id, payload) = rest.split_at_checked(2).ok_or_else(broken)?;
                let number = payload.first_chunk().ok_or_else(broken)?;
                let number = u64::from_be_bytes(*number);
                frame::write(out, 0x40, &[id]);
                report.count += 1;
                report.twice += u64::from(number <= last[idx]);
                report.missing += number.saturating_sub(last[idx] + 1);
                last[idx] = last[idx].max(number);
                Ok(())
            })?;
        }
        report.missing += last.iter().map(|last| u64::from(self.each) - last).sum::<u64>();
        // Until the last acknowledgements are with the server.
        (0..sessions as usize).for_each(|idx| crowd.leave(idx));
        while crowd.here() > 0 && Instant::now() < deadline {
            crowd.turn(Some(Duration::from_millis(10)), &mut |idx, first, _, _| {
                Err(fault(format!("client {idx} got {first:02x} at the end")))
            })?;
        }
        Ok(report)
    }
}

/// A payload that says its number.
fn numbered(number: u64) -> Vec<u8> {
    let mut payload = number.to_be_bytes().to_vec();
    payload.resize(PAYLOAD_BYTES, b'x');
    payload
}

/// A payload of `telemetry.proto`, of 200 bytes: its time in milliseconds, a firmware, and a speed.
fn telemetry(time: u64, speed: f64) -> Vec<u8> {
    const FIRMWARE_BYTES: u8 = 127;
    const TRIP_BYTES: u8 = 53;
    let mut payload = vec![0x08];
    let mut rest = time;
    while rest >= 0x80 {
        payload.push(rest.to_le_bytes()[0] | 0x80);
        rest >>= 7;
    }
    payload.push(rest.to_le_bytes()[0]);
    for (tag, bytes) in [(0x1a, FIRMWARE_BYTES), (0x22, TRIP_BYTES)] {
        payload.extend([tag, bytes]);
        payload.resize(payload.len() + usize::from(bytes), b'x');
    }
    payload.push(0x29);
    payload.extend(speed.to_le_bytes());
    payload
}
