//! What bad points cost the good ones: a spool of lines of which none, 1 % or half is bad, shipped
//! to a store that refuses them as each store does.
//!
//! `cargo bench --bench delivery` prints the time until the spool is empty, beside that of good
//! lines only, and the requests that it took. Bad lines must ship within twice the time of good
//! ones where the types of the store are known, or the store tells them when it refuses points or
//! is asked. An InfluxDB whose types are met on the way says only how many points it dropped, and
//! not even of all, so the batch whose refusal tells the types is sent a second time.
//!
//! ```text
//! spool ─▶ sink ──HTTP──▶ stub: stores and counts, or refuses lines with a bad value
//!             └─▶ dead-letter log
//! ```
//!
//! The stub takes the time of a store for each line, one request after the other. Beside one that
//! costs nothing all that would be seen is what it costs to write letters.

#![expect(clippy::disallowed_methods, reason = "a benchmark reads the machine as it is")]

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    num::NonZeroUsize,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;
use fleetline::{
    dead_letter,
    env::{
        Supervisor, SystemClock,
        disk::{Disk, RealDisk},
    },
    model::{Catalog, FieldType, LineDialect, Measurement, Secret, ShardId},
    sink::{Options, Parts, Shard, start},
    spool::{self, Budget, EntryBuffer},
    store::{self, Credentials, InfluxDb2, Newlines, Store, Stored, Target, TdEngine},
    telemetry::{Critical, HealthBoard, Metrics},
};

const LINES: usize = 20_000;
/// Bad lines of a thousand.
const SHARES: [usize; 3] = [0, 10, 500];
/// How much longer half-bad lines may take.
const FACTOR_MAX: f64 = 2.0;
const PATIENCE: Duration = Duration::from_secs(120);
/// What a line costs the quickest store that was measured: 200,000 a second.
const LINE_TIME: Duration = Duration::from_micros(5);

type Outcome<T = ()> = Result<T, Box<dyn std::error::Error>>;

/// How a store refuses a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manner {
    /// InfluxDB 2: the others are stored, and the count of the bad ones is told, with the type.
    Conflict,
    /// The same where its types were read at the start, as those of mapped measurements are.
    Known,
    /// TDengine: the request is refused whole, and the table tells its types.
    Described,
    /// TDengine: the request is refused whole, and nothing tells why.
    Opaque,
}

fn main() -> Outcome {
    drop(rustls::crypto::ring::default_provider().install_default());
    let mut out = io::stdout().lock();
    writeln!(out, "{LINES} lines of one shard, the time until all are stored or dead letters")?;
    writeln!(out, "{:<34}{:>8}{:>10}{:>8}{:>12}", "", "bad", "seconds", "times", "requests")?;
    let mut missed = 0;
    for (name, manner, must) in [
        ("InfluxDB 2, types are known", Manner::Known, true),
        ("InfluxDB 2, types are met", Manner::Conflict, true),
        ("TDengine, type conflicts", Manner::Described, true),
        ("TDengine, refused without words", Manner::Opaque, false),
    ] {
        let mut good = 0.0;
        for share in SHARES {
            let (took, requests) = deliver(manner, share)?;
            let took = took.as_secs_f64();
            good = if share == 0 { took } else { good };
            let times = took / good;
            let verdict = match must && times > FACTOR_MAX {
                true => "  MISSED",
                false => "",
            };
            missed += usize::from(!verdict.is_empty());
            let bad = format!("{} %", share as f64 / 10.0);
            writeln!(out, "{name:<34}{bad:>8}{took:>10.3}{times:>8.2}{requests:>12}{verdict}")?;
        }
    }
    match missed {
        0 => Ok(()),
        missed => Err(format!("{missed} rows took more than {FACTOR_MAX} times").into()),
    }
}

/// Whether the line of this number is bad, where so many of a thousand are.
fn is_bad(number: usize, share: usize) -> bool {
    // Spread, so that no stretch is all good.
    (number * 617) % 1000 < share
}

/// Ships one spool; how long that took, and in how many writes.
fn deliver(manner: Manner, share: usize) -> Outcome<(Duration, usize)> {
    let folder = tempfile::tempdir()?;
    let stub = Stub::start(manner)?;
    let disk: Arc<dyn Disk> = Arc::new(RealDisk);
    let board = HealthBoard::default();
    let metrics = Arc::new(Metrics::new(board.clone()));
    let options = spool::Options {
        dir: folder.path().join("spool/0"),
        dialect: LineDialect::Unsigned,
        segment_bytes_max: 64 << 20,
        budget: Arc::new(Budget::new(1 << 30)),
    };
    let mut opened = spool::open(Arc::clone(&disk), options)?;
    let ledger = metrics.ledgers().shard(ShardId(0));
    let mut n_bad = 0;
    for first in (0..LINES).step_by(100) {
        let mut entry = EntryBuffer::new();
        for number in first..first + 100 {
            let value = if is_bad(number, share) { manner.bad_value() } else { "1.5" };
            n_bad += u64::from(is_bad(number, share));
            let line = format!("m,vin=V{:03} x={value},y=2i {}\n", number % 200, number + 1);
            entry.bytes_mut().extend_from_slice(line.as_bytes());
            entry.items += 1;
        }
        opened.writer.append_unsynced(&mut entry)?;
        ledger.spooled(100, 100);
    }
    opened.writer.sync()?;
    let supervisor = Supervisor::default();
    let letters = dead_letter::Options::new(folder.path().join("dead-letter"));
    let letters = dead_letter::open(disk, letters, Arc::clone(&metrics), &board, &supervisor)?;
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let clock = Arc::new(SystemClock::start());
    let options = store::Options::new(manner.target(), vec![format!("http://{}", stub.address)]);
    let store =
        Store::new(&options, Arc::<SystemClock>::clone(&clock), Arc::clone(&metrics), &supervisor)?;
    manner.prepare(&store);
    let begun = Instant::now();
    let sink = start(
        runtime.handle(),
        Parts {
            options: Options {
                batch_lines: NonZeroUsize::MIN.saturating_add(9_999),
                ..Options::default()
            },
            store: Arc::new(store),
            dead_letters: letters.handle.clone(),
            catalog: Arc::new(ArcSwap::from_pointee(Catalog::default())),
            clock,
            metrics: Arc::clone(&metrics),
            supervisor: supervisor.clone(),
            health: board.cell("store", Critical::No),
        },
        vec![Shard { id: ShardId(0), reader: opened.reader, ledger }],
    );
    while sink.state().shards()[0].waiting_entries > 0 {
        if begun.elapsed() > PATIENCE {
            return Err("the spool does not get empty".into());
        }
        thread::sleep(Duration::from_millis(1));
    }
    let took = begun.elapsed();
    let points = metrics.ledgers().points();
    if (points.dead_lettered, points.stored) != (n_bad, LINES as u64 - n_bad) {
        return Err(format!("{n_bad} lines are bad, and it came to {points:?}").into());
    }
    runtime.block_on(sink.drain(Duration::from_secs(5)));
    letters.close();
    Ok((took, stub.writes.load(Ordering::Relaxed)))
}

impl Manner {
    /// What a bad line says: a value of another type, or one that only the store knows to be wrong.
    fn bad_value(self) -> &'static str {
        match self {
            Self::Conflict | Self::Known | Self::Described => "\"text\"",
            Self::Opaque => "-666.5",
        }
    }

    /// Has the store know what was read at the start.
    fn prepare(self, store: &Store) {
        let fields = |kind| vec![("x".to_owned(), kind)];
        let mapped = fields(FieldType::String);
        let mapped = Measurement { vehicle_tag: None, tags: Vec::new(), fields: mapped };
        let stored = Stored { tags: Vec::new(), fields: fields(FieldType::Float) };
        if self == Self::Known {
            store.learn_types("m", &mapped, &stored);
        }
    }

    fn target(self) -> Target {
        match self {
            Self::Conflict | Self::Known => Target::InfluxDb2(InfluxDb2 {
                org: "o".to_owned(),
                bucket: "b".to_owned(),
                token: None,
                create: false,
            }),
            Self::Described | Self::Opaque => Target::TdEngine(TdEngine {
                database: "fleet".to_owned(),
                credentials: Credentials::Token(Secret::new("t")),
                create: false,
                newlines: Newlines::Refuse,
                string_bytes_max: TdEngine::STRING_BYTES_MAX,
            }),
        }
    }

    /// What a write of so many bad lines is answered.
    fn refusal(self, n_bad: usize) -> (u16, String) {
        match self {
            Self::Conflict | Self::Known => {
                let message = format!(
                    "failure writing points to database: partial write: field type conflict: \
                     input field \\\"x\\\" on measurement \\\"m\\\" is type string, already exists \
                     as type float dropped={n_bad}"
                );
                (422, format!(r#"{{"code":"unprocessable entity","message":"{message}"}}"#))
            }
            Self::Described => {
                let words = "point type and db type mismatch, db type:DOUBLE, point type:VARCHAR";
                (
                    500,
                    format!(r#"{{"code":"internal error","message":"[0x3002] SML:0x1, {words}"}}"#),
                )
            }
            Self::Opaque => {
                (500, r#"{"code":"internal error","message":"[0x203] invalid data"}"#.to_owned())
            }
        }
    }

    /// What a statement is answered.
    fn told(self, text: &str) -> String {
        let answer = |data: &str, columns: &str| {
            format!(
                r#"{{"code":0,"column_meta":[{columns}],"data":[{data}],"rows":{}}}"#,
                data.matches('[').count()
            )
        };
        if text.contains("server_version") {
            return answer(r#"["3.3.6.6"]"#, r#"["server_version()","VARCHAR",7]"#);
        }
        if text.contains("ins_databases") {
            let columns = r#"["name","VARCHAR",64],["precision","VARCHAR",2]"#;
            return answer(r#"["fleet","ns"]"#, columns);
        }
        if self == Self::Opaque {
            return r#"{"code":9731,"desc":"Table does not exist"}"#.to_owned();
        }
        let columns = r#"["field","VARCHAR",64],["type","VARCHAR",16],["length","INT",4],["note","VARCHAR",12]"#;
        let rows = r#"["_ts","TIMESTAMP",8,""],["x","DOUBLE",8,""],["y","BIGINT",8,""],["vin","NCHAR",4,"TAG"]"#;
        answer(rows, columns)
    }
}

/// The store.
struct Stub {
    address: SocketAddr,
    writes: Arc<AtomicUsize>,
}

impl Stub {
    /// Serves until the process ends.
    fn start(manner: Manner) -> Outcome<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let (address, writes) = (listener.local_addr()?, Arc::new(AtomicUsize::new(0)));
        let (counted, busy) = (Arc::clone(&writes), Arc::new(Mutex::new(())));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (counted, busy) = (Arc::clone(&counted), Arc::clone(&busy));
                thread::spawn(move || drop(serve(&stream, manner, &counted, &busy)));
            }
        });
        Ok(Self { address, writes })
    }
}

fn serve(
    mut stream: &TcpStream,
    manner: Manner,
    writes: &AtomicUsize,
    busy: &Mutex<()>,
) -> io::Result<()> {
    let mut reader = BufReader::with_capacity(1 << 20, stream);
    let mut line = String::new();
    loop {
        line.clear();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let is_question = line.contains("/rest/sql");
        let mut length = 0;
        loop {
            line.clear();
            reader.read_line(&mut line)?;
            let header = line.trim().to_ascii_lowercase();
            if header.is_empty() {
                break;
            }
            if let Some(value) = header.strip_prefix("content-length:") {
                length = value.trim().parse().map_err(io::Error::other)?;
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        let answer = if is_question {
            Some((200, manner.told(&String::from_utf8_lossy(&body))))
        } else {
            writes.fetch_add(1, Ordering::Relaxed);
            let n_lines = memchr::memchr_iter(b'\n', &body).count();
            let turn = busy.lock().unwrap_or_else(PoisonError::into_inner);
            thread::sleep(LINE_TIME * u32::try_from(n_lines).map_err(io::Error::other)?);
            drop(turn);
            let bad = format!(" x={}", manner.bad_value());
            let n_bad = memchr::memmem::find_iter(&body, bad.as_bytes()).count();
            (n_bad > 0).then(|| manner.refusal(n_bad))
        };
        let answer = match answer {
            None => "HTTP/1.1 204 No Content\r\n\r\n".to_owned(),
            Some((status, text)) => {
                format!("HTTP/1.1 {status} Told\r\nContent-Length: {}\r\n\r\n{text}", text.len())
            }
        };
        stream.write_all(answer.as_bytes())?;
    }
}
