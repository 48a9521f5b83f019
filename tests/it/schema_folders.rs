//! The schemas directory as Kubernetes, git, editors and attackers leave it: what is read, what is
//! passed over, and that no reload harms the running appliance.

use std::{
    fs::{self, Permissions},
    os::unix::{
        fs::{PermissionsExt, symlink},
        net::UnixListener,
    },
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use crate::{
    config::fleetline,
    harness::{Setup, until},
};

const BUS_PROTO: &str = "syntax = \"proto3\"; package acme; message Bus { double speed = 1; }\n";
const BUS_TOML: &str = "[[mapping]]\nname = \"bus\"\ntopic = \"bus/{vin}\"\nformat = \"protobuf\"\n\
                        schema = \"bus.proto\"\nmessage = \"acme.Bus\"\nmeasurement = \"bus\"\n\
                        vehicle = \"{vin}\"\ntags = [\"vin\"]\n";

/// A folder with a schemas directory, for `check` to read.
struct Checked {
    home: tempfile::TempDir,
}

impl Checked {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        fs::create_dir(home.path().join("schemas")).unwrap();
        Self { home }
    }

    fn path(&self, path: &str) -> PathBuf {
        self.home.path().join("schemas").join(path)
    }

    fn write(&self, path: &str, text: impl AsRef<[u8]>) -> &Self {
        fs::create_dir_all(self.path(path).parent().unwrap()).unwrap();
        fs::write(self.path(path), text).unwrap();
        self
    }

    /// Writes a correct mapping and its schema.
    fn bus(&self) -> &Self {
        self.write("bus.proto", BUS_PROTO).write("bus.toml", BUS_TOML)
    }

    /// Exit code, standard output and standard error of `check`; it must end fast.
    fn check(&self, set: &[&str]) -> (i32, String, String) {
        let mut arguments = vec!["check"];
        for set in set.iter().chain(&["store.kind=embedded"]) {
            arguments.extend(["--set", set]);
        }
        let began = Instant::now();
        let output = fleetline(self.home.path(), &arguments, &[]);
        assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
        (
            output.status.code().expect("it ended by itself"),
            String::from_utf8(output.stdout).unwrap(),
            String::from_utf8(output.stderr).unwrap(),
        )
    }

    /// One mapping is found, and standard error is `stderr`.
    #[track_caller]
    fn is_well(&self, stderr: &str) {
        let expect = (0, "all is well: 1 mappings\n".to_owned(), stderr.to_owned());
        assert_eq!(self.check(&[]), expect);
    }

    /// The folder is refused, and standard error is `stderr`.
    #[track_caller]
    fn is_refused(&self, set: &[&str], stderr: &str) {
        assert_eq!(self.check(set), (2, String::new(), stderr.to_owned()));
    }
}

/// `s5-schemas-directory`: a ConfigMap is mounted as links to links; each file counts once.
#[test]
fn a_config_map_holds_one_of_each_file() {
    let folder = Checked::new();
    folder.write("..2026_11_27_06_00_00.1/bus.proto", BUS_PROTO);
    folder.write("..2026_11_27_06_00_00.1/bus.toml", BUS_TOML);
    symlink("..2026_11_27_06_00_00.1", folder.path("..data")).unwrap();
    symlink("..data/bus.proto", folder.path("bus.proto")).unwrap();
    symlink("..data/bus.toml", folder.path("bus.toml")).unwrap();
    folder.is_well("");
}

/// `s5-schemas-directory`: git's copies, macOS's companions, what editors leave.
#[test]
fn leftovers_are_passed_over() {
    let folder = Checked::new();
    folder.bus();
    for name in [
        ".git/bus.toml",
        "._bus.proto",
        "bus.toml~",
        ".bus.toml.swp",
        "bus.proto.bak",
        "#bus.toml#",
        "bus.toml.orig",
        "notes.md",
        "old~/bus.toml",
    ] {
        folder.write(name, "junk {\0");
    }
    folder.is_well("");
}

/// `s5-schemas-directory`: links to a parent folder are not followed forever, and the files of a
/// linked folder are still found by its other path.
#[test]
fn links_that_lead_in_circles_end() {
    let folder = Checked::new();
    folder.write("bus.toml", BUS_TOML.replace("bus.proto", "b/linked/bus.proto"));
    folder.write("vendor/bus.proto", BUS_PROTO);
    symlink(".", folder.path("a")).unwrap();
    symlink(".", folder.path("b")).unwrap();
    symlink("vendor", folder.path("linked")).unwrap();
    symlink("../vendor", folder.path("vendor/again")).unwrap();
    symlink("nowhere.proto", folder.path("gone.proto")).unwrap();
    folder.is_well("warning: ./schemas/gone.proto: passed over: it is a link that leads nowhere\n");
}

/// An entry that is not a file, cannot be read or is too large is passed over; a mapping file that
/// cannot be read is an error, because without it messages would count as unmapped.
#[test]
fn what_cannot_be_read_is_reported() {
    let folder = Checked::new();
    folder.bus().write("large.proto", vec![b' '; 5 << 20]).write("locked/x.toml", "");
    let fifo = Command::new("mkfifo").arg(folder.path("pipe.toml")).status().unwrap();
    assert!(fifo.success());
    let _socket = UnixListener::bind(folder.path("socket.proto")).unwrap();
    symlink("/dev/zero", folder.path("zero.avsc")).unwrap();
    fs::set_permissions(folder.path("locked"), Permissions::from_mode(0o0)).unwrap();
    let (code, said, stderr) = folder.check(&[]);
    let is_root = fs::read_dir(folder.path("locked")).is_ok();
    fs::set_permissions(folder.path("locked"), Permissions::from_mode(0o755)).unwrap();
    assert_eq!((code, said.as_str()), (0, "all is well: 1 mappings\n"), "{stderr}");
    let mut expect = vec![
        "large.proto: passed over: it has more than 4194304 bytes; raise `schemas.file-size-max`",
        "locked: passed over: it cannot be read: Permission denied (os error 13)",
        "pipe.toml: passed over: it is no regular file",
        "socket.proto: passed over: it is no regular file",
        "zero.avsc: passed over: it is no regular file",
    ];
    if is_root {
        expect.remove(1);
        // Root can read everything: it reads the empty file in there.
        expect.insert(
            1,
            "locked/x.toml: passed over: it has no [[mapping]], [[command]], [[alarm]] or [[query]], so it is no mapping \
             file",
        );
    }
    let expect: String = expect.iter().map(|line| format!("warning: ./schemas/{line}\n")).collect();
    assert_eq!(stderr, expect);

    let large = Checked::new();
    large.bus().write("junk.toml", b"\0\x01\xff").write("more.toml", vec![b' '; 2_000]);
    large.is_refused(
        &["schemas.file-size-max=1KiB"],
        "./schemas/junk.toml:1: line 1 holds a NUL byte, so it is no text in UTF-8; save it as UTF-8\n\
         ./schemas/more.toml: it has more than 1024 bytes; raise `schemas.file-size-max`\n",
    );
    large.is_refused(
        &["schemas.entries-max=2"],
        "./schemas: more than 2 files and folders; name a smaller folder in `schemas.dir`, or raise \
         `schemas.entries-max`\n",
    );
    let schemas = Checked::new();
    schemas.bus().write("a.avsc", "x".repeat(1_014 - BUS_TOML.len()));
    schemas.is_refused(
        &["schemas.size-max=1KiB"],
        "./schemas/bus.toml:5: `bus.proto` is there, but with it all files have more than 1024 bytes; \
         raise `schemas.size-max`\n",
    );
}

/// Files that no mapping needs are no error: broken ones, files of another kind, and two that
/// define the same name (`p7-two-versions`).
#[test]
fn what_no_mapping_needs_harms_nobody() {
    let folder = Checked::new();
    folder
        .bus()
        .write("copy/bus.proto", BUS_PROTO)
        .write("Cargo.toml", "[package]\nname = \"x\"\n");
    folder.write("a.avsc", "{").write("b.schema.json", "[]").write("c.proto", "message {");
    let stderr = [
        "Cargo.toml: passed over: it has no [[mapping]], [[command]], [[alarm]] or [[query]], so it is no \
         mapping file",
        "c.proto:1: expected an identifier, but found '{' (no mapping needs this file)",
        "a.avsc:1: not the JSON expected here: EOF while parsing an object (no mapping needs this \
         file)",
        "b.schema.json:1: the payload has no `type`; say which (no mapping needs this file)",
    ];
    folder.is_well(&stderr.map(|line| format!("warning: ./schemas/{line}\n")).concat());
}

/// `p9-schema-text`, `p9-edition`: the error says when a file exists but is not read.
#[test]
fn files_that_exist_but_are_not_read_are_reported() {
    let check = |name: &str, text: &[u8], stderr: &str| {
        let folder = Checked::new();
        let format = if name.ends_with(".proto") || name.ends_with(".PROTO") {
            "protobuf\"\nmessage = \"acme.Bus"
        } else if name.contains(".av") {
            "avro\"\nmessage = \"acme.Bus"
        } else {
            "json"
        };
        let mapping = BUS_TOML.replace("message = \"acme.Bus\"\n", "");
        folder.write("m.toml", mapping.replace("bus.proto", name).replace("protobuf", format));
        folder.write(name, text);
        folder.is_refused(&[], stderr);
    };
    let there = "./schemas/m.toml:5: `m.json` is there, but only *.schema.json is read; rename it to \
                 m.schema.json\n";
    check("m.json", b"{}", there);
    check(
        "d/m.avro",
        b"{}",
        "./schemas/m.toml:6: `d/m.avro` is there, but only *.avsc is read; rename it to m.avsc\n",
    );
    check(
        "m.PROTO",
        b"",
        "./schemas/m.toml:6: `m.PROTO` is there, but only *.proto is read; rename it to m.proto\n",
    );
    check(
        ".m.proto",
        b"",
        "./schemas/m.toml:6: `.m.proto` is there, but names that begin with a dot are passed over\n",
    );
    check(
        "m.schema.json",
        b"{\n\"title\": \"\xb3\xb5\"}",
        "./schemas/m.schema.json:2: line 2 is not UTF-8; save it as UTF-8\n",
    );
    check(
        "m.proto",
        b"syntax = \"proto3\"; // \xb3\xb5\npackage acme;\nmessage B\xfcs { }\n",
        "./schemas/m.proto:3: line 3 is not UTF-8; save it as UTF-8\n",
    );
    check(
        "m.avsc",
        b"\xff\xfe{\0}\0",
        "./schemas/m.avsc:1: line 1 begins with the mark of UTF-16; save it as UTF-8\n",
    );
    check(
        "m.proto",
        b"edition = \"2023\";\npackage acme;\nmessage Bus { double speed = 1; }\n",
        "./schemas/m.proto:1: editions of protobuf cannot be read; write `syntax = \"proto3\";`, and \
         `optional` where presence matters\n",
    );
}

/// `o11-no-mappings`: an empty folder is a mount that failed, or a new installation.
#[test]
fn a_folder_without_mappings_is_reported() {
    let folder = Checked::new();
    folder.write("bus.proto", BUS_PROTO);
    let stderr = "warning: there is no mapping in `./schemas`: every publish will be acknowledged \
                  and dropped as unmapped; put schemas and mappings (*.toml) there, or name their \
                  folder with schemas.dir\n";
    assert_eq!(folder.check(&[]), (0, "all is well: 0 mappings\n".to_owned(), stderr.to_owned()));
}

/// `s4-embedded-names`, `j3-reserved-name`: names that the configured store cannot hold are refused
/// at load; InfluxDB holds them all.
#[test]
fn names_that_the_store_cannot_hold_are_refused() {
    let folder = Checked::new();
    let field = |name| format!("\"{name}\": {{\"type\": \"number\"}}");
    let fields = ["Time", "speed", "Speed", "_id", "soc", "rowid"].map(field).join(", ");
    folder.write("depot.schema.json", format!("{{\"properties\": {{{fields}}}}}"));
    folder.write(
        "depot.toml",
        "[[mapping]]\nname = \"depot\"\ntopic = \"depot/{bus}/names\"\nformat = \"json\"\n\
         schema = \"depot.schema.json\"\nmeasurement = \"depot\"\nvehicle = \"{bus}\"\n\
         tags = [\"bus\"]\n",
    );
    folder.is_refused(
        &[],
        "./schemas/depot.toml:1: the field `Speed` and the field `speed` are one, because the \
         embedded store takes names without regard to case; rename it with `fields.rename`\n\
         ./schemas/depot.toml:1: the field `Time` has a name which the embedded store, as it takes \
         names without case, keeps for the timestamp; rename it with `fields.rename`\n\
         ./schemas/depot.toml:1: the field `_id` has a name which the embedded store keeps for \
         itself; rename it with `fields.rename`\n",
    );
    let influx = ["store.urls=http://127.0.0.1:1", "store.database=fleet", "store.kind=influxdb1"];
    let set: Vec<&str> = influx.iter().flat_map(|setting| ["--set", setting]).collect();
    let output = fleetline(folder.home.path(), &[&["check"], set.as_slice()].concat(), &[]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Writes a schema that once crashed the process or made it hang.
fn write_hostile(dir: &Path, name: &str) {
    let write = |file: &str, text: &str| fs::write(dir.join(file), text).unwrap();
    let mapping = |format: &str, schema: &str| {
        format!(
            "[[mapping]]\nname = \"hostile\"\ntopic = \"h/{{vin}}\"\nformat = {format}\n\
             schema = \"{schema}\"\nmeasurement = \"h\"\nvehicle = \"{{vin}}\"\ntags = [\"vin\"]\n"
        )
    };
    let json = mapping("\"json\"", "h.schema.json");
    let proto = mapping("\"protobuf\"\nmessage = \"M\"", "h.proto");
    let avro = mapping("\"avro\"\nmessage = \"M\"", "h.avsc");
    match name {
        "recursive" => {
            write(
                "h.schema.json",
                "{\"properties\":{\"z\":{\"$ref\":\"#/d\"}},\"d\":{\"type\":\"array\",\"items\":{\"$ref\":\"#/d\"}}}",
            );
            write("h.toml", &json);
        }
        "deep-json" => {
            write("h.schema.json", &"{\"items\":".repeat(200_000));
            write("h.toml", &json);
        }
        "deep-proto" => {
            let deep = "message M {".repeat(100_000);
            write("h.proto", &format!("syntax = \"proto3\"; {deep}"));
            write("h.toml", &proto);
        }
        "wide-proto" => {
            let step = |at: usize| format!("message M{at} {{ M{0} a = 1; M{0} b = 2; }}", at + 1);
            let steps: String = (0..30).map(step).collect();
            write(
                "h.proto",
                &format!(
                    "syntax = \"proto3\"; message M {{ M0 a = 1; }} {steps} message M30 {{ int64 x = 1; }}"
                ),
            );
            write("h.toml", &proto);
        }
        "deep-avro" => {
            let deep = "{\"type\":\"array\",\"items\":".repeat(90);
            let end = "}".repeat(90);
            write(
                "h.avsc",
                &format!(
                    "{{\"type\":\"record\",\"name\":\"M\",\"fields\":[{{\"name\":\"a\",\"type\":{deep}\"int\"{end}}}]}}"
                ),
            );
            write("h.toml", &avro);
        }
        "deep-when" => {
            write("h.schema.json", "{\"properties\":{\"a\":{\"type\":\"number\"}}}");
            write("h.toml", &format!("{json}when = \"{}a == 1\"\n", "not (".repeat(100_000)));
        }
        "deep-toml" => write("h.toml", &format!("a = {}", "[".repeat(200_000))),
        _ => unreachable!("no such case"),
    }
}

/// `j8-recursive-schema`: a reload refuses every hostile folder, and the appliance keeps running.
#[test]
fn a_reload_never_harms_the_running_appliance() {
    let appliance = Setup::new().set("store.kind", "embedded").start();
    let dir = appliance.setup().data().parent().unwrap().join("schemas");
    let kept: Vec<_> = fs::read_dir(&dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    let cases = [
        "recursive",
        "deep-json",
        "deep-proto",
        "wide-proto",
        "deep-avro",
        "deep-when",
        "deep-toml",
    ];
    for (done, case) in cases.iter().enumerate() {
        for entry in fs::read_dir(&dir).unwrap() {
            let path = entry.unwrap().path();
            if !kept.contains(&path) {
                fs::remove_file(path).unwrap();
            }
        }
        write_hostile(&dir, case);
        appliance.signal("HUP");
        let refused = || appliance.log().matches("the old ones stay").count();
        until(case, Duration::from_secs(60), || refused() > done);
        assert_eq!(appliance.get("/healthz").0, 200, "{case}");
    }
    let log = appliance.log();
    for cause in ["contains itself", "nests deeper than", "more than", "hold each other deeper"] {
        assert!(log.contains(cause), "{cause}: {log}");
    }
}
