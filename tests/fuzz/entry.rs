//! The fuzz targets: what each does with its input, and how it checks the result.
//!
//! Used by the fuzz crate, whose targets are one line each, and by `tests/it/corpus.rs`, which
//! replays kept inputs.

use std::{fs, num::NonZeroU16, path::Path, sync::Arc};

use fleetline::{
    config,
    env::{Supervisor, disk::RealDisk},
    mapping::{self, Plans},
    model::{Cause, LineDialect, SessionId, ShardCount, UnixNanos},
    mqtt::fuzz,
    schema::Sources,
    sessions,
    spool::{self, BatchLimits, Budget, EntryBuffer},
    telemetry::{HealthBoard, Metrics},
    uplink::{Limits, Message, Sender, TopicMemo, Transcoder},
};

const SHARDS: ShardCount = ShardCount(NonZeroU16::new(2).unwrap());
/// 2026-01-01T00:00:00Z.
const NOW: UnixNanos = UnixNanos(1_767_225_600_000_000_000);

/// A mapping per format with a map, a list, points, and the parts that a payload may repeat:
/// members of a oneof, properties, entries, keys. They are small, so that the cost of a payload is
/// visible.
const REPEATED: [(&str, &str); 6] = [
    (
        "m.proto",
        "syntax = \"proto3\"; package t;
         message E { int32 a = 1; optional string b = 2; }
         message M { map<string, int32> k = 1; repeated E p = 2; repeated int32 l = 3;
                     oneof o { E w = 4; int32 c = 5; } map<uint32, bool> n = 6; }",
    ),
    (
        "m.avsc",
        r#"{"type":"record","name":"R","fields":[
            {"name":"k","type":{"type":"map","values":"int"}},
            {"name":"l","type":{"type":"array","items":"boolean"}},
            {"name":"p","type":{"type":"array","items":{"type":"record","name":"E","fields":[
                {"name":"a","type":"int"},{"name":"z","type":{"type":"fixed","name":"F","size":0}}]}}}
        ]}"#,
    ),
    (
        "m.schema.json",
        r#"{"type":"object","properties":{
            "k":{"type":"object","additionalProperties":{"type":"integer"}},
            "l":{"type":"array","items":{"type":["number","null"]}},
            "o":{"type":"object","properties":{"x":{"type":"string"},"y":{"type":"integer"}}},
            "p":{"type":"array","items":{"type":"object","properties":{
                "a":{"type":"integer"},"b":{"type":"string"}},"required":["a"]}}}}"#,
    ),
    (
        "m.toml",
        "[[mapping]]\nname = \"p\"\ntopic = \"protobuf/{vin}\"\nformat = \"protobuf\"\n\
         schema = \"m.proto\"\nmessage = \"t.M\"\nmeasurement = \"p\"\nvehicle = \"{vin}\"\n\
         tags = [\"vin\"]\npoints = \"p\"\n",
    ),
    (
        "n.toml",
        "[[mapping]]\nname = \"a\"\ntopic = \"avro/{vin}\"\nformat = \"avro\"\n\
         schema = \"m.avsc\"\nmessage = \"R\"\nmeasurement = \"a\"\nvehicle = \"{vin}\"\n\
         tags = [\"vin\"]\npoints = \"p\"\n\
         [[mapping]]\nname = \"j\"\ntopic = \"json/{vin}\"\nformat = \"json\"\n\
         schema = \"m.schema.json\"\nmeasurement = \"j\"\nvehicle = \"{vin}\"\n\
         tags = [\"vin\"]\npoints = \"p\"\n",
    ),
    (
        "o.toml",
        "[[mapping]]\nname = \"l\"\ntopic = \"lines/{vin}\"\nformat = \"line-protocol\"\n\
         vehicle = \"{vin}\"\ntags = [\"vin\"]\n",
    ),
];

/// The maximum steps per byte with [`REPEATED`]: an element of two bytes reads about ten values and
/// the message's own lists, a key is compared with up to 15 others.
const STEPS_A_BYTE: u64 = 16;

/// A kept case of `decode`: mappings and a payload.
struct Case {
    plans: Plans,
    topic: String,
    content_type: Option<String>,
    payload: Vec<u8>,
}

impl Case {
    /// The cases with their own schemas.
    fn all() -> Vec<Self> {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR"));
        let dirs = [dir.join("tests/golden/decode"), dir.join("../golden/decode")];
        let dir = dirs.into_iter().find(|dir| dir.is_dir()).expect("the kept cases");
        let folders = fs::read_dir(dir).expect("the kept cases");
        let mut folders: Vec<_> = folders.map(|folder| folder.expect("a case").path()).collect();
        folders.sort();
        folders.retain(|folder| folder.join("schemas").is_dir());
        folders.iter().map(|folder| Self::read(folder)).collect()
    }

    fn read(folder: &Path) -> Self {
        let options = mapping::Options::new(folder.join("schemas"), LineDialect::Unsigned);
        let text = |name: &str| fs::read_to_string(folder.join(name)).ok();
        let trimmed = |text: String| text.trim().to_owned();
        Self {
            plans: Plans::load(&options).expect("its schemas load"),
            topic: text("topic").map(trimmed).expect("its topic"),
            content_type: text("content-type").map(trimmed),
            payload: fs::read(folder.join("payload")).expect("its payload"),
        }
    }
}

thread_local! {
    /// Every shape of payload.
    static CASES: Vec<Case> = Case::all();
    /// The mappings whose payloads may repeat themselves.
    static REPEATING: Plans = {
        let texts = REPEATED.map(|(path, text)| (path.to_owned(), text.to_owned()));
        let options = mapping::Options::new("unused".into(), LineDialect::Signed);
        Plans::from_sources(&Sources::from_texts(texts), &options).expect("they load")
    };
    /// The schemas and mappings that are shipped.
    static SHIPPED: Plans = {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR"));
        // The fuzz crate lies two folders below the product's.
        let dir = [dir.join("schemas"), dir.join("../../schemas")]
            .into_iter()
            .find(|dir| dir.join("telemetry.toml").is_file())
            .expect("the shipped schemas");
        Plans::load(&mapping::Options::new(dir, LineDialect::Unsigned)).expect("they load")
    };
}

/// A message becomes lines that an independent parser reads, in the counted number, or fails with a
/// cause other than `panic`.
fn transcode(plans: &Plans, topic: &str, payload: &[u8]) {
    transcode_message(
        plans,
        &Message {
            topic,
            payload,
            content_type: None,
            sender: Sender::Unchecked,
            received_at: NOW,
        },
    );
}

/// The same for a whole message.
fn transcode_message(plans: &Plans, message: &Message<'_>) {
    let mut transcoder = Transcoder::new(Limits::default(), SHARDS);
    let mut lines = [EntryBuffer::new(), EntryBuffer::new()];
    let done = transcoder.transcode(plans, message, &mut TopicMemo::<()>::default(), &mut lines);
    for failure in transcoder.failures() {
        assert_ne!(failure.cause, Cause::Panic, "{}", failure.detail);
    }
    let mut points = 0;
    for buffer in &lines {
        assert_eq!(buffer.is_empty(), buffer.items == 0);
        let text = std::str::from_utf8(buffer.payload()).expect("lines are UTF-8");
        for line in influxdb_line_protocol::parse_lines(text) {
            line.unwrap_or_else(|error| panic!("{error}: {text:?}"));
            points += 1;
        }
    }
    assert_eq!(points, done.points);
}

/// Any topic.
pub fn topic(data: &[u8]) {
    let topic = String::from_utf8_lossy(data);
    SHIPPED.with(|plans| transcode(plans, &topic, b""));
}

/// Any bytes, read as MQTT packets of a client and of a server.
pub fn mqtt_codec(data: &[u8]) {
    fuzz::codec(data);
}

/// Any packets of one MQTT client.
pub fn mqtt_session(data: &[u8]) {
    fuzz::session(data);
}

/// Any sequence of subscribes and unsubscribes.
pub fn mqtt_tree(data: &[u8]) {
    fuzz::tree(data);
}

/// Any protobuf payload: one message, and a batch.
pub fn protobuf(data: &[u8]) {
    SHIPPED.with(|plans| {
        transcode(plans, "vehicles/VIN/telemetry", data);
        transcode(plans, "vehicles/VIN/telemetry/batch", data);
    });
}

/// Any Avro payload.
pub fn avro(data: &[u8]) {
    SHIPPED.with(|plans| {
        transcode(plans, "vehicles/VIN/telemetry/avro", data);
        transcode(plans, "vehicles/VIN/trips/avro", data);
    });
}

/// Any JSON payload.
pub fn json(data: &[u8]) {
    SHIPPED.with(|plans| transcode(plans, "vehicles/VIN/telemetry/json", data));
}

/// Any line protocol.
pub fn line(data: &[u8]) {
    SHIPPED.with(|plans| transcode(plans, "vehicles/VIN/telemetry/lines", data));
}

/// Any payload in each format: its cost must be proportional to its bytes. The message's own lists
/// are short here, because each point repeats them.
pub fn steps(data: &[u8]) {
    let limits = Limits { repeated_max: 16, ..Limits::default() };
    let mut transcoder = Transcoder::new(limits.clone(), SHARDS);
    let mut lines = [EntryBuffer::new(), EntryBuffer::new()];
    for topic in ["protobuf/VIN", "avro/VIN", "json/VIN", "lines/VIN"] {
        lines.iter_mut().for_each(EntryBuffer::clear);
        let message = Message {
            topic,
            payload: data,
            content_type: None,
            sender: Sender::Unchecked,
            received_at: NOW,
        };
        REPEATING.with(|plans| {
            transcoder.transcode(plans, &message, &mut TopicMemo::<()>::default(), &mut lines)
        });
        let most = STEPS_A_BYTE * data.len() as u64 + 64;
        let steps = transcoder.steps();
        assert!(steps <= most, "{topic}: {steps} steps for {} bytes", data.len());
    }
}

/// A kept payload of `decode`, of any shape, that is damaged. The first two bytes choose the case,
/// the rest are changes of four bytes each: operation, position (two bytes), value.
pub fn cases(data: &[u8]) {
    /// 2026-11-22T21:19:39Z, as in the cases.
    const RECEIVED_AT: UnixNanos = UnixNanos(1_795_382_379_000_000_000);
    let Some((which, changes)) = data.split_first_chunk() else { return };
    CASES.with(|cases| {
        let case = &cases[usize::from(u16::from_be_bytes(*which)) % cases.len()];
        let mut payload = case.payload.clone();
        for change in changes.chunks_exact(4) {
            let at = usize::from(u16::from_be_bytes([change[1], change[2]]));
            let other = &cases[usize::from(change[3]) % cases.len()].payload;
            damage_text(&mut payload, change[0], at, change[3], other);
        }
        let (topic, content_type) = (case.topic.as_str(), case.content_type.as_deref());
        let message = Message {
            topic,
            payload: &payload,
            content_type,
            sender: Sender::Unchecked,
            received_at: RECEIVED_AT,
        };
        transcode_message(&case.plans, &message);
    });
}

/// Any mapping file besides a schema: it loads, or every problem is reported.
pub fn mapping(data: &[u8]) {
    let text = String::from_utf8_lossy(data).into_owned();
    let proto = "syntax = \"proto3\"; package t; message M { int64 a = 1; repeated M b = 2; \
                 map<string, double> c = 3; string d = 4; }";
    let sources = Sources::from_texts([
        ("m.toml".to_owned(), text),
        ("t.proto".to_owned(), proto.to_owned()),
    ]);
    let options = mapping::Options::new("unused".into(), LineDialect::Signed);
    match Plans::from_sources(&sources, &options) {
        Ok(plans) => transcode(&plans, "a/b", &[0x08, 0x01, 0x22, 0x01, b'x']),
        Err(errors) => assert!(!errors.problems.is_empty()),
    }
}

/// Any configuration file: it resolves, or every problem is reported.
pub fn config(data: &[u8]) {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("fleetline.toml");
    fs::write(&file, data).expect("a file");
    let sources = config::Sources { file: Some(file), set: Vec::new() };
    if let Err(errors) = config::load(&sources) {
        assert!(!errors.to_string().is_empty());
    }
}

/// A spool whose segment was changed on disk. Even first byte: the rest are patches, two bytes of
/// offset and one of value each; odd: the rest replaces the segment. It opens or returns an error;
/// the entries read back are those that were appended, in order, without damaged ones (SP-7).
pub fn spool_open(data: &[u8]) {
    let folder = tempfile::tempdir().expect("a folder");
    let options = || spool::Options {
        dir: folder.path().to_owned(),
        dialect: LineDialect::Signed,
        segment_bytes_max: 64 * 1024,
        budget: Arc::new(Budget::new(1 << 20)),
    };
    let mut kept = Vec::new();
    let mut opened = spool::open(Arc::new(RealDisk), options()).expect("a new spool");
    for number in 0..8_usize {
        let mut entry = EntryBuffer::new();
        let line = format!("m,vin={number} v={number}i 1\n").repeat(number + 1);
        entry.bytes_mut().extend_from_slice(line.as_bytes());
        entry.items = u32::try_from(number + 1).expect("small");
        opened.writer.append_unsynced(&mut entry).expect("room");
        kept.push(line.into_bytes());
    }
    opened.writer.sync().expect("a sync");
    drop(opened);
    damage(folder.path(), data);

    let Ok(mut opened) = spool::open(Arc::new(RealDisk), options()) else { return };
    let limits = BatchLimits { bytes_max: 1, items_max: 1 };
    let mut from = 0;
    for _ in 0..64 {
        let mut bytes = Vec::new();
        match opened.reader.read_batch(&mut bytes, limits) {
            Ok(Some(_)) if bytes.is_empty() => {}
            Ok(Some(_)) => {
                let at = kept[from..].iter().position(|entry| *entry == bytes);
                from += at.expect("an entry that was appended, in order") + 1;
            }
            Ok(None) | Err(_) => return,
        }
    }
    panic!("the spool never ends");
}

/// A session journal. Even first byte: the rest are patches of its largest file, two bytes of
/// offset and one of value each; odd: the rest is a frame of records after the existing ones, or,
/// if the byte's last two bits are set, the only entry of its table, with a valid checksum. It
/// opens or returns an error; its content can be queried.
pub fn sessions_open(data: &[u8]) {
    let folder = tempfile::tempdir().expect("a folder");
    let options = || sessions::Options {
        bytes_max: 1 << 20,
        ..sessions::Options::new(folder.path().to_owned())
    };
    let (board, supervisor) = (HealthBoard::default(), Supervisor::default());
    let metrics = Arc::new(Metrics::new(board.clone()));
    let open = || {
        let metrics = Arc::clone(&metrics);
        sessions::open(Arc::new(RealDisk), options(), NOW, metrics, &board, &supervisor)
    };
    let journal = open().expect("a new journal");
    let told: sessions::OnAnswer<()> = Arc::new(|_| {});
    let mut change = journal.sessions.change(&told);
    let message = sessions::StoredMessage {
        qos: 1,
        retain: true,
        expires: None,
        topic: "t",
        properties: b"",
        payload: b"payload",
    };
    let live = SessionId { worker: 0, number: 0 };
    let (client_id, will) = ("c", Some((message, 5)));
    let opened = sessions::Open {
        identity: "",
        client_id,
        is_clean: false,
        is_anonymous: true,
        expiry: 60,
        at: NOW,
        live,
        will,
    };
    change.open(&opened, ());
    let to = sessions::Delivery {
        session: 1,
        qos: 1,
        retain: false,
        may_wait: false,
        is_command: false,
        ids: &[],
    };
    let publish = sessions::Publish {
        message: Some(message),
        retained_as: 1,
        received: Some((1, 7)),
        will: 0,
        deliveries: &[to],
    };
    change.publish(&publish, None);
    journal.sessions.feed().offer(change);
    journal.close();
    match data.split_first() {
        Some((first, entry)) if first % 4 == 3 => replace_table(folder.path(), entry),
        Some((first, frame)) if first % 2 == 1 => append_frame(folder.path(), frame),
        _ => damage(folder.path(), data),
    }
    let Ok(journal) = open() else { return };
    for facts in journal.sessions.page(None, 100) {
        let (answer, answered) = std::sync::mpsc::channel();
        let session = facts.session;
        let wanted = sessions::Wanted { session, from: 0, upto: u64::MAX, bytes_max: 1 << 20 };
        journal.sessions.fetch(wanted, move |piece| answer.send(piece).expect("it waits"));
        let piece = answered.recv().expect("an answer");
        assert!(piece.entries.len() as u64 <= facts.queued);
    }
    journal.sessions.retained(&mut |_, _| {}).unwrap_or_default();
    journal.close();
}

/// Puts another table into a session journal.
fn replace_table(folder: &Path, entry: &[u8]) {
    let mut left = Some(entry);
    let mut fill = |out: &mut EntryBuffer| {
        let entry = left.take();
        out.bytes_mut().extend(entry.into_iter().flatten());
        entry.is_some()
    };
    spool::write_file(&RealDisk, folder, "table", &mut fill).expect("it is written");
}

/// Appends a frame of records to a session journal.
fn append_frame(folder: &Path, frame: &[u8]) {
    let options = spool::Options {
        dir: folder.to_owned(),
        dialect: LineDialect::Signed,
        segment_bytes_max: 64 * 1024,
        budget: Arc::new(Budget::new(1 << 20)),
    };
    let mut opened = spool::open(Arc::new(RealDisk), options).expect("it was closed");
    let mut entry = EntryBuffer::new();
    entry.bytes_mut().extend_from_slice(frame);
    opened.writer.append_unsynced(&mut entry).expect("room");
    opened.writer.sync().expect("a sync");
}

/// Changes the largest file of a folder.
fn damage(folder: &Path, data: &[u8]) {
    let files = fs::read_dir(folder).expect("the spool's folder");
    let segment = files
        .map(|file| file.expect("a file").path())
        .max_by_key(|path| fs::metadata(path).map_or(0, |metadata| metadata.len()))
        .expect("a segment");
    let mut bytes = fs::read(&segment).expect("its bytes");
    match data.split_first() {
        None => return,
        Some((first, rest)) if first % 2 == 1 => bytes = rest.to_vec(),
        Some((_, rest)) => {
            for patch in rest.chunks_exact(3) {
                let offset = usize::from(u16::from_be_bytes([patch[0], patch[1]]));
                if let Some(byte) = bytes.get_mut(offset) {
                    *byte = patch[2];
                }
            }
        }
    }
    fs::write(&segment, bytes).expect("the damage");
}

/// A damaged schemas directory: it loads, or every problem is reported; it never hangs and never
/// panics. The first byte chooses a folder, the rest are changes of five bytes each: operation,
/// file, position (two bytes), value.
pub fn schemas(data: &[u8]) {
    let Some((which, changes)) = data.split_first() else { return };
    let mut files = FOLDERS.with(|folders| folders[usize::from(*which) % folders.len()].clone());
    let whole = files.clone();
    for change in changes.chunks_exact(5) {
        let (kind, file) = (change[0], usize::from(change[1]) % files.len());
        let at = usize::from(u16::from_be_bytes([change[2], change[3]]));
        let other = &whole[usize::from(change[4]) % whole.len()].1;
        damage_text(&mut files[file].1, kind, at, change[4], other);
    }
    let texts =
        files.into_iter().map(|(path, bytes)| (path, String::from_utf8_lossy(&bytes).into_owned()));
    let options = mapping::Options::new("unused".into(), LineDialect::Signed);
    match Plans::from_sources(&Sources::from_texts(texts), &options) {
        Ok(plans) => drop(plans.registry().problems_of_unreached()),
        Err(errors) => assert!(!errors.problems.is_empty()),
    }
}

/// Texts that make parsers recurse deeply or endlessly.
const TRAPS: [&str; 20] = [
    "{",
    "[",
    "(",
    "{\"a\":",
    "not (",
    "message M { ",
    "\"$ref\": \"#\", ",
    "\"items\": {\"$ref\": \"#\"}, ",
    "\"additionalProperties\": {\"$ref\": \"#\"}, ",
    "{\"type\": \"array\", \"items\": ",
    "import \"telemetry.proto\"; ",
    "\"type\": \"fleet.v1.Telemetry\", ",
    ".a",
    "option (a).b",
    "[(a) = {",
    "not ",
    "{\"anyOf\": [{\"type\": \"null\"}, ",
    "\"allOf\": [{\"$ref\": \"#\"}], ",
    "{\"prefixItems\": [",
    "optional group A = 1 { ",
];

/// Changes one file.
fn damage_text(text: &mut Vec<u8>, kind: u8, at: usize, how: u8, other: &[u8]) {
    let at = at % (text.len() + 1);
    let end = (at + usize::from(how)).min(text.len());
    let insert = |text: &mut Vec<u8>, what: &[u8]| {
        text.splice(at..at, what.iter().copied());
    };
    match kind % 24 {
        0 => text[at..end].iter_mut().take(1).for_each(|byte| *byte = how),
        1 => drop(text.drain(at..end)),
        2 => text.truncate(at),
        3 | 8..12 => {
            let piece = text[at..end].repeat(2);
            insert(text, &piece);
        }
        4 | 12..16 => insert(text, TRAPS[usize::from(how) % TRAPS.len()].as_bytes()),
        5 => insert(text, TRAPS[usize::from(how) % TRAPS.len()].repeat(2_000).as_bytes()),
        6 | 16..20 => {
            let from = at.min(other.len());
            insert(text, &other[from..(from + 200).min(other.len())]);
        }
        _ => insert(text, &[how]),
    }
}

/// A path below the schemas directory, and the file's content.
type Folder = Vec<(String, Vec<u8>)>;

thread_local! {
    /// Folders to damage: the shipped one, and every kept one.
    static FOLDERS: Vec<Folder> = {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR"));
        let root = [dir.to_owned(), dir.join("../..")]
            .into_iter()
            .find(|dir| dir.join("schemas/telemetry.toml").is_file())
            .expect("the product's folder");
        let mut folders = vec![folder(&root.join("schemas"))];
        let kept = fs::read_dir(root.join("tests/golden/decode")).expect("kept folders");
        let mut kept: Vec<_> = kept.map(|entry| entry.expect("one").path().join("schemas")).collect();
        kept.sort();
        folders.extend(kept.iter().filter(|dir| dir.is_dir()).map(|dir| folder(dir)));
        folders
    };
}

/// All files below a folder.
fn folder(dir: &Path) -> Folder {
    let mut files = Vec::new();
    let mut folders = vec![dir.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(&next).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(dir).expect("below").to_string_lossy().into_owned();
                files.push((name, fs::read(&path).expect("a file")));
            }
        }
    }
    files.sort();
    files
}

/// The layers below MQTT (PROXY headers, upgrades to a WebSocket, its frames): the result does not
/// depend on how the bytes are cut into pieces.
pub fn framing(input: &[u8]) {
    fleetline::mqtt::check_framing(input);
}
