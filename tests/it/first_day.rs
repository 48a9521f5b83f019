//! Situations of an operator's first day: an empty folder, a setting that does not fit the data
//! directory, a check that asks the store.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpStream,
    path::Path,
    time::Duration,
};

use serde_json::Value;

use crate::{
    config::fleetline,
    harness::{Answer, Sample, Server, Setup, StandIn, Vehicle, Version, until},
    refusals::LINES,
};

const MINUTE: Duration = Duration::from_mins(1);

/// Runs `fleetline` in a folder with one mapping: exit code, standard output, standard error.
fn told(folder: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> (i32, String, String) {
    fs::create_dir_all(folder.join("schemas")).unwrap();
    fs::write(folder.join("schemas/lines.toml"), LINES).unwrap();
    let output = fleetline(folder, arguments, variables);
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

#[test]
fn an_empty_data_dir_is_refused() {
    // o09-empty-data-dir
    let folder = tempfile::tempdir().unwrap();
    let set = |argument| told(folder.path(), &["check", "--set", argument], &[]);
    let empty = "empty; expected the path of a folder";
    for (code, _, error) in [
        told(folder.path(), &["check"], &[("FLEETLINE_DATA_DIR", "")]),
        told(folder.path(), &["dead-letter", "list"], &[("FLEETLINE_DATA_DIR", "")]),
        set("data-dir="),
        set("data-dir=\"\""),
        set("schemas.dir="),
    ] {
        assert!(code == 2 && error.contains(empty), "{code} {error}");
    }
}

#[test]
fn no_mappings_at_all_are_reported_by_check_and_serve_and_refused_by_a_reload() {
    // o11-no-mappings
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("empty")).unwrap();
    let (code, out, error) = told(folder.path(), &["check", "--set", "schemas.dir=empty"], &[]);
    assert_eq!((code, out.as_str()), (0, "all is well: 0 mappings\n"));
    assert!(error.starts_with("warning: there is no mapping in `empty`: every publish"), "{error}");

    let store = StandIn::start(Answer::Accept);
    let appliance = Setup::new().store2(&store.url(), "token").start();
    let schemas = appliance.setup().home().join("schemas");
    let files: Vec<_> = fs::read_dir(&schemas).unwrap().map(|it| it.unwrap().path()).collect();
    let texts: Vec<_> = files.iter().map(|file| (file, fs::read(file).unwrap())).collect();
    let mut vehicle = Vehicle::connect(appliance.mqtt(), Version::V5, "v");
    files.iter().for_each(|file| fs::remove_file(file).unwrap());
    appliance.signal("HUP");
    until("it is refused", MINUTE, || appliance.log().contains("the old ones stay"));
    assert!(appliance.log().contains("there is no mapping in"), "{}", appliance.log());
    for id in 1..9 {
        vehicle.publish_acked(&Sample::topic("VIN"), &Sample { seq: 1 }.payload(), id);
    }
    assert_eq!(appliance.count("messages.unmapped"), 0);
    // A topic without a mapping is logged, once.
    for id in 1..4 {
        vehicle.publish_acked("nobody/maps/this", b"{}", 100 + id);
    }
    let log = appliance.log();
    assert_eq!(log.matches("topic=\"nobody/maps/this\"").count(), 1, "{log}");
    texts.iter().for_each(|(file, text)| fs::write(file, text).unwrap());
    appliance.signal("HUP");
    until("it is taken", MINUTE, || appliance.log().contains("mappings loaded anew"));
    let is_counted =
        |line: &str| line.contains("mappings loaded anew") && line.contains("mappings=1 was=1");
    assert!(appliance.log().lines().any(is_counted), "{}", appliance.log());

    let setup = Setup::new().store2(&store.url(), "token").set("schemas.dir", "none");
    fs::create_dir(setup.home().join("none")).unwrap();
    let appliance = setup.start();
    assert!(appliance.log().contains("there is no mapping in `none`"), "{}", appliance.log());
}

#[test]
fn check_reads_the_data_directory_and_reshard_keeps_unconfirmed_points() {
    // o14-check-that-asks-nobody
    let store = StandIn::start(Answer::Refuse(503, "away"));
    let mut appliance = Setup::new().store2(&store.url(), "token").start();
    let mut vehicle = Vehicle::connect(appliance.mqtt(), Version::V5, "v");
    for seq in 0..60_u64 {
        let topic = Sample::topic(&format!("VIN{}", seq % 6));
        let id = u16::try_from(seq + 1).unwrap();
        vehicle.publish_acked(&topic, &Sample { seq }.payload(), id);
    }
    let running = appliance.cli(&["spool", "reshard", "3"]);
    let error = String::from_utf8(running.stderr).unwrap();
    assert!(error.contains("is in use by another process"), "{error}");
    appliance.terminate(MINUTE);
    let check = appliance.cli(&["check", "--set", "spool.shards=3"]);
    let error = String::from_utf8(check.stderr).unwrap();
    assert_eq!(check.status.code(), Some(2), "{error}");
    assert!(error.contains("has 2 shards and the configuration asks for 3"), "{error}");
    assert!(error.contains("`fleetline spool reshard 3`"), "{error}");

    let done = appliance.cli_ok(&["spool", "reshard", "3"]);
    assert_eq!(
        done,
        "2 shards before, 3 now; 60 points that wait were moved\n\
         set spool.shards = 3 before the next start\n"
    );
    let status = appliance.cli_ok(&["spool", "status", "--json"]);
    let status: Value = serde_json::from_str(&status).unwrap();
    let points = status["shards"].as_array().unwrap().iter().map(|it| it["points"].as_u64());
    assert_eq!(points.sum::<Option<u64>>(), Some(60), "{status}");
    let better = StandIn::start(Answer::Accept);
    let setup = Setup::new().store2(&better.url(), "token").set("spool.shards", "3");
    let data = appliance.setup().data().to_path_buf();
    let after = setup.data_dir(&data).start();
    until("all is stored", MINUTE, || after.count("points.stored") == 60);
    assert_eq!(better.lines().len(), 60);
}

const TYPED_SCHEMA: &str = r#"{"type": "object", "properties": {"n": {"type": "integer"}}}"#;

const TYPED_MAPPING: &str = r#"
[[mapping]]
name        = "typed"
topic       = "typed/{vin}"
format      = "json"
schema      = "m.schema.json"
measurement = "typed"
vehicle     = "{vin}"
tags        = ["vin"]
"#;

#[test]
fn check_online_asks_the_store() {
    // o14-check-that-asks-nobody
    let folder = tempfile::tempdir().unwrap();
    let asked = |url: &str| {
        let urls = format!("store.urls=[\"{url}\"]");
        let store = ["store.kind=influxdb2", &urls, "store.org=o", "store.bucket=b"];
        let mut arguments = vec!["check", "--online", "--set", "store.token=t"];
        arguments.extend(store.iter().flat_map(|argument| ["--set", argument]));
        told(folder.path(), &arguments, &[])
    };
    let (code, out, error) = asked(&StandIn::start(Answer::Accept).url());
    assert_eq!((code, out.as_str()), (0, "all is well: 1 mappings\n"), "{error}");
    let refusing = StandIn::start(Answer::Refuse(401, "unauthorized access"));
    let (code, _, error) = asked(&refusing.url());
    assert!(code == 2 && error.contains("unauthorized access"), "{error}");
    assert!(error.contains(&format!("`{}` does not take points", refusing.url())), "{error}");
    let (code, _, error) = asked("http://127.0.0.1:1");
    assert!(code == 2 && error.contains("does not take points"), "{error}");
    // A field that the store has with another type, and one with the same type.
    fs::write(folder.path().join("schemas/m.schema.json"), TYPED_SCHEMA).unwrap();
    fs::write(folder.path().join("schemas/typed.toml"), TYPED_MAPPING).unwrap();
    let typed = Server::start(|request| {
        let csv = "#datatype,string,long,string,string\n#group,false,false,false,true\n\
                   #default,_result,,,\n,result,table,_value,_field\n,,0,seven,n\n\n";
        Some(match request.path.starts_with("/api/v2/query") && request.body.contains("last()") {
            true => (200, csv.to_owned()),
            false if request.path.starts_with("/api/v2/query") => (200, String::new()),
            false => (204, String::new()),
        })
    });
    let (code, _, error) = asked(&typed.url());
    let conflict = "measurement `typed`: field `n` is an integer by the mappings and a string in \
                    the store";
    assert!(code == 2 && error.contains(conflict), "{code} {error}");
    // A store that refuses requests without a token.
    let (_, _, error) = told(
        folder.path(),
        &[
            "check",
            "--set",
            "store.kind=influxdb2",
            "--set",
            "store.urls=[\"http://127.0.0.1:1\"]",
            "--set",
            "store.org=o",
            "--set",
            "store.bucket=b",
        ],
        &[],
    );
    assert!(error.contains("warning: store.token: not set"), "{error}");
}

#[test]
fn a_damaged_header_is_reported_by_spool_verify() {
    let store = StandIn::start(Answer::Refuse(503, "away"));
    let setup = Setup::new().store2(&store.url(), "token").set("spool.shards", "1");
    let mut appliance = setup.start();
    let mut vehicle = Vehicle::connect(appliance.mqtt(), Version::V5, "v");
    vehicle.publish_acked(&Sample::topic("VIN"), &Sample { seq: 1 }.payload(), 1);
    appliance.kill_9();
    appliance.cli_ok(&["spool", "verify"]);
    let segment = appliance.setup().data().join("spool/0/00000000000000000001.seg");
    let mut bytes = fs::read(&segment).unwrap();
    bytes[0] ^= 0xff;
    fs::write(&segment, &bytes).unwrap();
    let verified = appliance.cli(&["spool", "verify"]);
    let error = String::from_utf8(verified.stderr).unwrap();
    assert_eq!(verified.status.code(), Some(1), "{error}");
    let name = "00000000000000000001.seg: 32 bytes at 0 are damaged; no entry is lost";
    assert!(error.contains(name), "{error}");
    // Nothing in it is intact any more.
    bytes[..100].fill(0xff);
    fs::write(&segment, &bytes).unwrap();
    let verified = appliance.cli(&["spool", "verify"]);
    let error = String::from_utf8(verified.stderr).unwrap();
    assert_eq!(verified.status.code(), Some(1), "{error}");
    assert!(error.contains("is no segment of this spool"), "{error}");
}

#[test]
fn a_query_time_longer_than_the_request_timeout_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (code, _, error) = told(folder.path(), &["check", "--set", "query.time-max=30s"], &[]);
    assert_eq!(code, 2, "{error}");
    assert!(error.contains("http.request-timeout"), "{error}");
    assert!(error.contains("not above query.time-max = \"30s\""), "{error}");
}

/// Every line of standard error, as a log collector reads it.
fn json_lines(error: &str) -> Vec<Value> {
    error.lines().map(|line| serde_json::from_str(line).expect(line)).collect()
}

#[test]
fn errors_before_the_start_are_reported_in_the_format_of_the_log() {
    // o04-log-level-that-is-none
    let folder = tempfile::tempdir().unwrap();
    let json = [("FLEETLINE_TELEMETRY__LOG_FORMAT", "json")];
    let busy = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let busy = format!("http.listen={}", busy.local_addr().unwrap());
    for (set, code, words) in [
        ("telemetry.log=warning", 2, "did you mean \"warn\"?"),
        ("no-such.key=1", 2, "no-such"),
        ("mqtt.listen=[\"0.0.0.0:1883\"]", 2, "auth.anonymous"),
        ("data-dir=/dev/null/x", 1, "data directory"),
        (busy.as_str(), 1, "Address already in use"),
    ] {
        let listen = "mqtt.listen=[\"127.0.0.1:0\"]";
        let arguments = ["serve", "--set", listen, "--set", set];
        let (found, _, error) = told(folder.path(), &arguments, &json);
        let lines = json_lines(&error);
        let says = lines.iter().any(|line| {
            line["level"] == "ERROR"
                && line["timestamp"].is_string()
                && line["message"].as_str().unwrap().contains(words)
        });
        assert!(found == code && says, "{set}: {found} {error}");
    }
    // Also if the format is set together with the error, and if a mapping is wrong.
    fs::write(folder.path().join("wrong.toml"), "[[mapping]]\n").unwrap();
    for arguments in [
        ["serve", "--set", "telemetry.log-format=json", "--set", "sink.batch-lines=x"],
        ["serve", "--set", "telemetry.log-format=json", "--set", "schemas.dir=."],
    ] {
        let (code, _, error) = told(folder.path(), &arguments, &[]);
        assert_eq!(code, 2, "{error}");
        assert!(!json_lines(&error).is_empty());
    }
    let (_, _, error) = told(folder.path(), &["serve", "--set", "sink.batch-lines=x"], &[]);
    assert!(error.starts_with("--set: sink.batch-lines"), "{error}");
}

/// Connections are opened until the appliance has no descriptor left.
#[test]
fn a_lack_of_descriptors_is_logged_once_by_both_servers_and_shown_in_readyz() {
    let appliance = Setup::new().set("telemetry.log", "info").start();
    let pid = rustix::process::Pid::from_raw(i32::try_from(appliance.pid()).unwrap()).unwrap();
    // An existing connection, because no new one can be opened.
    let mut operator = TcpStream::connect(appliance.url().trim_start_matches("http://")).unwrap();
    operator.set_read_timeout(Some(MINUTE)).unwrap();
    let mut ready = || {
        operator.write_all(b"GET /readyz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n").unwrap();
        let mut answer = vec![0; 64 * 1024];
        let len = operator.read(&mut answer).unwrap();
        String::from_utf8_lossy(&answer[..len]).into_owned()
    };
    until("it is ready", MINUTE, || ready().contains("200 OK"));
    // Accepted and answered by every worker, so that all of them have their descriptors.
    let vehicles = ["a", "b", "c", "d"]
        .map(|client_id| Vehicle::connect(appliance.mqtt(), Version::V5, client_id));
    let open = fs::read_dir(format!("/proc/{}/fd", appliance.pid())).unwrap().count() as u64;
    let limit = rustix::process::Rlimit { current: Some(open + 4), maximum: Some(open + 4) };
    rustix::process::prlimit(Some(pid), rustix::process::Resource::Nofile, limit).unwrap();
    let http = appliance.url().trim_start_matches("http://").to_owned();
    let mut peers: Vec<TcpStream> =
        (0..8).map(|_| TcpStream::connect(appliance.mqtt()).unwrap()).collect();
    peers.extend((0..8).map(|_| TcpStream::connect(&http).unwrap()));
    until("readyz shows it", MINUTE, || ready().contains("no descriptor is left"));
    assert!(ready().contains("200 OK"), "the appliance goes on with those who are in");
    std::thread::sleep(Duration::from_secs(2));
    let log = appliance.log();
    assert_eq!(log.matches("no descriptor is left").count(), 1, "{log}");
    assert!(!log.contains("accepting"), "{log}");
    assert!(log.lines().count() < 40, "{log}");
    // When the peers are gone it works again.
    drop((peers, vehicles));
    until("it is over", MINUTE, || !ready().contains("no descriptor is left"));
}
