//! Commands to vehicles: from the POST to the vehicle's hand, and how many a CPU second makes
//! durable, and brings and sees acknowledged.
//!
//! ```text
//! POST ──▶ fleetline serve (SQLite, fsync) ──MQTT──▶ a client of this process, QoS 1
//! POST of 1,000 vehicles that are away ──▶ fleetline serve: durable, no more
//! POST of 200 vehicles that are here ──▶ fleetline serve ──MQTT──▶ clients, PUBACK
//! the same, with a POST for each of them from 32 operators at once
//! POST of a push over all that is stored ──▶ fleetline serve: frozen, durable, to all here
//! a message that raises an alarm ──MQTT──▶ fleetline serve ──MQTT──▶ its vehicle
//! ```
//!
//! Each row starts an appliance of its own. CPU is that of the appliance, user and system. A row in
//! which a command is missing fails, whatever its rate.
//!
//! ```text
//! cargo bench --bench downlink -- [--row latency|created|delivered|single|push|frozen|alarm]…
//!     [--commands N]
//! ```

#![expect(clippy::disallowed_methods, reason = "a benchmark reads the machine as it is")]

#[path = "rig/mod.rs"]
mod rig;

use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
    path::Path,
    process::ExitCode,
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use rig::{
    Outcome, fault,
    operator::{Operator, post_each, post_list},
    process::cpu_seconds,
    server::{self, Server},
    table::{line, met, thousands},
};

/// Vehicles of one request.
const TOGETHER: usize = 1000;
/// Vehicles that are connected in the row of deliveries.
const CONNECTED: usize = 200;
/// Operators at a time where each command has a POST of its own.
const OPERATORS: usize = 32;
const PATIENCE: Duration = Duration::from_secs(120);

fn main() -> ExitCode {
    let arguments: Vec<String> =
        std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    rig::exit(measure(&arguments))
}

fn measure(arguments: &[String]) -> Outcome {
    let (mut rows, mut commands) = (Vec::new(), 100_000_usize);
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        let value = rest.next().ok_or_else(|| fault(format!("{argument} wants a value")))?;
        match argument.as_str() {
            "--row" => rows.push(value.clone()),
            "--commands" => commands = value.parse()?,
            _ => return Err(fault(format!("there is no {argument}"))),
        }
    }
    let wants = |row: &str| rows.is_empty() || rows.iter().any(|wanted| wanted == row);
    if wants("latency") {
        latency_row()?;
    }
    if wants("created") {
        created_row(commands)?;
    }
    if wants("delivered") {
        delivered_row(commands, true)?;
    }
    if wants("single") {
        delivered_row(commands, false)?;
    }
    if wants("push") {
        push_row()?;
    }
    if wants("frozen") {
        frozen_row()?;
    }
    if wants("alarm") {
        alarm_row()?;
    }
    Ok(())
}

/// A vehicle that subscribes to its commands at QoS 1.
struct Vehicle {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Vehicle {
    fn connect(server: &Server, vin: &str) -> Outcome<Self> {
        let mut stream = TcpStream::connect(("127.0.0.1", server.mqtt_port))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let text = |text: &str| -> Outcome<Vec<u8>> {
            let mut bytes = u16::try_from(text.len())?.to_be_bytes().to_vec();
            bytes.extend(text.as_bytes());
            Ok(bytes)
        };
        let packet = |first: u8, body: Vec<u8>| -> Outcome<Vec<u8>> {
            let mut bytes = vec![first, u8::try_from(body.len())?];
            bytes.extend(body);
            Ok(bytes)
        };
        let hello = [text("MQTT")?, vec![4, 2, 0, 0], text(vin)?].concat();
        stream.write_all(&packet(0x10, hello)?)?;
        // What goes to many at once has one topic, what is declared one of its own for each.
        let own = text(&format!("c/{vin}"))?;
        let filters = [vec![0, 1], text("c")?, vec![1], own, vec![1]].concat();
        stream.write_all(&packet(0x82, filters)?)?;
        let mut said = [0; 10];
        stream.read_exact(&mut said)?;
        if said[..4] != *b"\x20\x02\0\0" || said[8..] != [1, 1] {
            return Err(fault(format!("not welcome: {said:02x?}")));
        }
        Ok(Self { stream, buffer: Vec::new() })
    }

    /// Reads what there is and acknowledges it; tells how many commands that were.
    fn take(&mut self) -> Outcome<usize> {
        let mut chunk = [0; 16384];
        let count = self.stream.read(&mut chunk)?;
        if count == 0 {
            return Err(fault("the appliance closed the connection"));
        }
        self.buffer.extend_from_slice(&chunk[..count]);
        let (mut taken, mut at, mut answer) = (0, 0, Vec::new());
        while let [first, length, rest @ ..] = &self.buffer[at..] {
            let length = usize::from(*length);
            if length > 127 {
                return Err(fault("a packet is longer than those of this benchmark"));
            }
            if length > rest.len() {
                break;
            }
            if first >> 4 == 3 {
                let topic = usize::from(u16::from_be_bytes([rest[0], rest[1]]));
                answer.extend([0x40, 2, rest[2 + topic], rest[3 + topic]]);
                taken += 1;
            }
            at += 2 + length;
        }
        self.buffer.drain(..at);
        self.stream.write_all(&answer)?;
        Ok(taken)
    }
}

fn latency_row() -> Outcome {
    const COUNT: usize = 2000;
    let folder = server::folder()?;
    let server = Server::start_embedded(folder.path())?;
    let mut vehicle = Vehicle::connect(&server, "V")?;
    let mut operator = Operator::connect(&server)?;
    let (tell, told) = mpsc::channel();
    let taking = thread::spawn(move || {
        for _ in 0..COUNT {
            // Its error is told by what then is missing.
            if vehicle.take().is_err() || tell.send(Instant::now()).is_err() {
                return;
            }
        }
    });
    let mut took = Vec::with_capacity(COUNT);
    for _ in 0..COUNT {
        let began = Instant::now();
        operator.post("/api/v1/vehicles/V/commands", r#"{"topic":"c","payload":"AAAA"}"#)?;
        took.push(told.recv_timeout(PATIENCE)?.saturating_duration_since(began));
        // So that its PUBACK is through, and the next one is not held up by this one.
        thread::sleep(Duration::from_millis(3));
    }
    drop(taking.join());
    took.sort_unstable();
    let ms = |share: usize| took[COUNT * share / 100].as_secs_f64() * 1e3;
    let (p50, p99) = (ms(50), ms(99));
    let is_met = p50 <= 2.0 && p99 <= 10.0;
    let is_aim_met = p50 <= 1.5 && p99 <= 4.0;
    line(&format!(
        "latency    POST to the vehicle's hand, durable in between: p50 {p50:.2} ms, p99 {p99:.2} ms \
         (2 and 10, aim 1.5 and 4)  {}",
        met(is_met, is_aim_met)
    ));
    server.process.stop()
}

fn created_row(commands: usize) -> Outcome {
    let folder = server::folder()?;
    let server = Server::start_embedded(folder.path())?;
    let mut operator = Operator::connect(&server)?;
    let vehicles: Vec<String> = (0..commands).map(|it| format!("WVWZZZ1JZXW{it:06}")).collect();
    let (began, cpu) = (Instant::now(), cpu_seconds(server.id())?);
    for vehicles in vehicles.chunks(TOGETHER) {
        post_list(&mut operator, vehicles, "vehicles/WVWZZZ1JZXW000000/commands/limit-charge")?;
    }
    let (took, cpu) = (began.elapsed(), cpu_seconds(server.id())? - cpu);
    let bytes = server::bytes_below(&server::data_dir(folder.path()).join("downlink"))?;
    let count = f64::from(u32::try_from(commands)?);
    let rate = count / cpu;
    line(&format!(
        "created    {} a CPU second (20,000, aim 40,000)  {}",
        thousands(rate),
        met(rate >= 20e3, rate >= 40e3)
    ));
    let seconds = took.as_secs_f64() * 100e3 / count;
    line(&format!(
        "           100,000 vehicles that are away: durable within {seconds:.1} s (10, aim 3)  {}",
        met(seconds <= 10.0, seconds <= 3.0)
    ));
    #[expect(clippy::cast_precision_loss, reason = "bytes of a file")]
    let each = bytes as f64 / count;
    line(&format!(
        "           {each:.0} bytes each on disk, the log of SQLite included (1,024)  {}",
        met(each <= 1024.0, each <= 1024.0)
    ));
    server.process.stop()
}

/// Commands to vehicles that are here, `together` in a POST or each with its own.
fn delivered_row(commands: usize, together: bool) -> Outcome {
    let folder = server::folder()?;
    let server = Server::start_embedded(folder.path())?;
    let names: Vec<String> = (0..CONNECTED).map(|it| format!("V{it:04}")).collect();
    let vehicles = names.iter().map(|name| Vehicle::connect(&server, name));
    let vehicles: Vec<Vehicle> = vehicles.collect::<Outcome<_>>()?;
    let operators = (0..OPERATORS).map(|_| Operator::connect(&server));
    let mut operators: Vec<Operator> = operators.collect::<Outcome<_>>()?;
    let rounds = commands.min(20_000) / CONNECTED;
    let (tell, told) = mpsc::channel();
    for mut vehicle in vehicles {
        let tell = tell.clone();
        thread::spawn(move || {
            while let Ok(taken) = vehicle.take() {
                if tell.send(taken).is_err() {
                    return;
                }
            }
        });
    }
    let (began, cpu) = (Instant::now(), cpu_seconds(server.id())?);
    let mut taken = 0;
    for _ in 0..rounds {
        if together {
            post_list(&mut operators[0], &names, "c")?;
        } else {
            post_each(&mut operators, &names)?;
        }
        while taken < CONNECTED {
            taken += told.recv_timeout(PATIENCE)?;
        }
        taken -= CONNECTED;
    }
    let (took, cpu) = (began.elapsed(), cpu_seconds(server.id())? - cpu);
    let count = f64::from(u32::try_from(rounds * CONNECTED)?);
    let rate = count / cpu;
    let how = if together { "delivered" } else { "single   " };
    line(&format!(
        "{how}  and acknowledged, {} a POST: {} a CPU second (10,000, aim 20,000), {} a second  {}",
        if together { CONNECTED } else { 1 },
        thousands(rate),
        thousands(count / took.as_secs_f64()),
        met(rate >= 10e3, rate >= 20e3)
    ));
    server.process.stop()
}

/// What pushes and alarms need: a mapping, a command, and an alarm that most messages do not raise.
const DECLARED: &str = r#"
[[mapping]]
name = "state"
topic = "s/{vin}"
format = "json"
schema = "state.schema.json"
measurement = "state"
vehicle = "{vin}"
tags = ["vin"]
[[command]]
name = "limit"
topic = "c/{vin}"
format = "json"
schema = "limit.schema.json"
[[alarm]]
name = "hot"
mapping = "state"
when = "temp > 60"
command = "limit"
fields = { percent = "{temp}" }
once-per = "1ms"
"#;
const STATE: &str = r#"{"type": "object", "properties": {"temp": {"type": "integer"}}}"#;
const LIMIT: &str = r#"{"type": "object", "properties": {"percent": {"type": "integer"}}}"#;

/// An appliance with these, in a folder.
fn start_declared(folder: &Path) -> Outcome<Server> {
    let schemas = folder.join("schemas");
    fs::create_dir(&schemas)?;
    fs::write(schemas.join("m.toml"), DECLARED)?;
    fs::write(schemas.join("state.schema.json"), STATE)?;
    fs::write(schemas.join("limit.schema.json"), LIMIT)?;
    Server::start_embedded_with(folder, &schemas, "[query]\nrows-max = 1000000\n")
}

/// Publishes one point of each vehicle, and waits until all are stored.
fn store_points(server: &Server, vehicles: usize) -> Outcome {
    let mut line = Vehicle::connect(server, "filler")?;
    for some in (0..vehicles).collect::<Vec<_>>().chunks(TOGETHER) {
        let mut packets = Vec::new();
        for (place, vehicle) in some.iter().enumerate() {
            packets.extend(state(&format!("V{vehicle:06}"), 50, u16::try_from(place + 1)?)?);
        }
        line.stream.write_all(&packets)?;
        let mut answers = vec![0; 4 * some.len()];
        line.stream.read_exact(&mut answers)?;
    }
    let began = Instant::now();
    while server.stored()? < u64::try_from(vehicles)? {
        if began.elapsed() > PATIENCE {
            return Err(fault("the points are not stored"));
        }
        thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// A publish of QoS 1.
fn state(vin: &str, temp: u32, id: u16) -> Outcome<Vec<u8>> {
    let (topic, payload) = (format!("s/{vin}"), format!("{{\"temp\":{temp}}}"));
    let mut packet = vec![0x32, u8::try_from(2 + topic.len() + 2 + payload.len())?];
    packet.extend(u16::try_from(topic.len())?.to_be_bytes());
    packet.extend(topic.as_bytes());
    packet.extend(id.to_be_bytes());
    packet.extend(payload.as_bytes());
    Ok(packet)
}

/// A push to every vehicle that has a point.
const PUSH: &str = r#"{"query": {"measurement": "state", "fields": ["temp"], "from": "-1h",
    "fn": "last"}, "command": "limit", "fields": {"percent": "{temp}"}}"#;

fn push_row() -> Outcome {
    const COUNT: usize = 10_000;
    let folder = server::folder()?;
    let server = start_declared(folder.path())?;
    store_points(&server, COUNT)?;
    let vehicles = (0..COUNT).map(|it| Vehicle::connect(&server, &format!("V{it:06}")));
    let mut vehicles: Vec<Vehicle> = vehicles.collect::<Outcome<_>>()?;
    for vehicle in &vehicles {
        vehicle.stream.set_nonblocking(true)?;
    }
    let mut operator = Operator::connect(&server)?;
    let began = Instant::now();
    let posting = thread::spawn(move || {
        let posted = operator.post("/api/v1/pushes", PUSH).map_err(|error| error.to_string());
        (posted, began.elapsed())
    });
    let mut taken = 0;
    while !vehicles.is_empty() {
        if began.elapsed() > PATIENCE {
            return Err(fault(format!("{taken} of {COUNT} vehicles have their command")));
        }
        let mut waiting = Vec::with_capacity(vehicles.len());
        for mut vehicle in vehicles {
            match vehicle.take() {
                Ok(0) => waiting.push(vehicle),
                Ok(count) => taken += count,
                Err(error) if is_nothing_yet(error.as_ref()) => waiting.push(vehicle),
                Err(error) => return Err(error),
            }
        }
        vehicles = waiting;
    }
    let took = began.elapsed().as_secs_f64();
    let (posted, answered) = posting.join().map_err(|_| fault("the operator died"))?;
    posted.map_err(fault)?;
    line(&format!(
        "push       one to 10,000 vehicles that are here: the last has it after {took:.2} s (2), \
         the 202 came after {:.2} s  {}",
        answered.as_secs_f64(),
        met(took <= 2.0, took <= 2.0)
    ));
    server.process.stop()
}

fn is_nothing_yet(error: &(dyn std::error::Error + 'static)) -> bool {
    let error = error.downcast_ref::<std::io::Error>();
    error.is_some_and(|error| error.kind() == std::io::ErrorKind::WouldBlock)
}

fn frozen_row() -> Outcome {
    const COUNT: usize = 100_000;
    let folder = server::folder()?;
    let server = start_declared(folder.path())?;
    store_points(&server, COUNT)?;
    let mut operator = Operator::connect(&server)?;
    let began = Instant::now();
    let answer = operator.post("/api/v1/pushes", PUSH)?;
    let took = began.elapsed().as_secs_f64();
    if !answer.contains("\"targeted\":100000") {
        return Err(fault(answer));
    }
    line(&format!(
        "frozen     a push to 100,000, frozen and durable within {took:.1} s (10, aim 3)  {}",
        met(took <= 10.0, took <= 3.0)
    ));
    server.process.stop()
}

fn alarm_row() -> Outcome {
    const COUNT: u16 = 2000;
    let folder = server::folder()?;
    let server = start_declared(folder.path())?;
    let mut vehicle = Vehicle::connect(&server, "V")?;
    let mut took = Vec::with_capacity(COUNT.into());
    for id in 1..=COUNT {
        let packet = state("V", 61 + u32::from(id), id)?;
        let began = Instant::now();
        vehicle.stream.write_all(&packet)?;
        while vehicle.take()? == 0 {}
        took.push(began.elapsed());
        thread::sleep(Duration::from_millis(3));
    }
    took.sort_unstable();
    let ms = |share: usize| took[took.len() * share / 100].as_secs_f64() * 1e3;
    let (p50, p99) = (ms(50), ms(99));
    line(&format!(
        "alarm      publish to the command in the vehicle's hand, both durable in between: p50 \
         {p50:.2} ms, p99 {p99:.2} ms (p99 10)  {}",
        met(p99 <= 10.0, p99 <= 10.0)
    ));
    server.process.stop()
}
