//! Wrong configurations and their exact messages, overrides, and the shipped files.

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use serde_json::Value;

/// A store, so that nothing else is missing. Five lines.
const STORE: &str = "[store]\nkind = \"influxdb2\"\nurls = [\"http://127.0.0.1:8086\"]\n\
                     org = \"fleet\"\nbucket = \"telemetry\"\n";

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Runs `fleetline` in a folder, with only these variables of ours in the environment.
pub(crate) fn fleetline(folder: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fleetline"));
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(|name| name.starts_with("FLEETLINE_")) {
            command.env_remove(name);
        }
    }
    command.current_dir(folder).args(arguments).envs(variables.iter().copied()).output().unwrap()
}

/// `check` on a configuration file `f.toml` in a folder of its own, with one mapping.
fn check(text: &str, variables: &[(&str, &str)], set: &[&str]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("schemas")).unwrap();
    fs::write(folder.path().join("schemas/any.toml"), crate::refusals::LINES).unwrap();
    fs::write(folder.path().join("f.toml"), text).unwrap();
    let mut arguments = vec!["check", "--config", "f.toml"];
    for argument in set {
        arguments.extend(["--set", argument]);
    }
    fleetline(folder.path(), &arguments, variables)
}

/// The messages of a wrong configuration, one per line.
#[track_caller]
fn check_wrong_with(text: &str, variables: &[(&str, &str)], set: &[&str], expect: &str) {
    let output = check(text, variables, set);
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(told.trim_end(), expect);
    assert_eq!(output.status.code(), Some(2));
    assert!(output.stdout.is_empty());
}

#[track_caller]
fn check_wrong(text: &str, expect: &str) {
    check_wrong_with(text, &[], &[], expect);
}

/// A wrong key together with a correct store.
#[track_caller]
fn check_wrong_beside_store(text: &str, expect: &str) {
    check_wrong(&format!("{STORE}{text}"), expect);
}

#[test]
fn a_syntax_error_is_told_with_its_line() {
    check_wrong(
        "data-dir = \"x\"\n[mqtt\nlisten = []\n",
        "f.toml:2: not valid TOML: unclosed table, expected `]`",
    );
}

#[test]
fn a_missing_file_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["check", "--config", "absent.toml", "--set", "store.kind=influxdb3"];
    let output = fleetline(folder.path(), &arguments, &[]);
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(
        told.starts_with("cannot read the configuration file `absent.toml`: No such file"),
        "{told}"
    );
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn an_unknown_key_is_told_with_what_was_meant() {
    check_wrong_beside_store(
        "[spool]\nsegmentsize = \"64MiB\"\n",
        "f.toml:7: spool.segmentsize: unknown key; did you mean spool.segment-size?",
    );
    check_wrong_beside_store(
        "[mqtt]\nmax_packet_size = \"64MiB\"\n",
        "f.toml:7: mqtt.max_packet_size: unknown key; did you mean mqtt.max-packet-size?",
    );
    check_wrong_beside_store(
        "[spool]\nbatch-lines = 5\n",
        "f.toml:7: spool.batch-lines: unknown key; did you mean sink.batch-lines?",
    );
    check_wrong_beside_store(
        "[mqqt]\nlisten = []\n",
        "f.toml:6: mqqt: unknown key; did you mean [mqtt]?",
    );
    check_wrong_beside_store(
        "[cluster.nodes]\nx = 1\n",
        "f.toml:6: cluster: unknown key; config/reference.md lists all of them",
    );
}

#[test]
fn a_value_of_another_kind_is_told_with_what_to_write() {
    check_wrong_beside_store(
        "[sink]\ngzip = \"yes\"\n",
        "f.toml:7: sink.gzip = \"yes\": expected true or false",
    );
    check_wrong_beside_store(
        "[spool]\nmax-size = \"8GB\"\n",
        "f.toml:7: spool.max-size = \"8GB\": expected a size such as \"64MiB\"; did you mean \
         \"8GiB\"?",
    );
    check_wrong_beside_store(
        "[sink]\nbatch-age = 200\n",
        "f.toml:7: sink.batch-age = 200: expected a duration such as \"200ms\"; did you mean \
         \"200s\"?",
    );
    check_wrong_beside_store(
        "[sink]\nbatch-lines = -1\n",
        "f.toml:7: sink.batch-lines = -1: expected a whole number",
    );
    check_wrong_beside_store(
        "[mqtt]\nlisten = []\n",
        "f.toml:7: mqtt.listen = []: empty; expected a list of addresses such as \
         [\"127.0.0.1:1883\"]",
    );
    check_wrong_beside_store(
        "spool = 3\n",
        "f.toml:6: store.spool: unknown key; config/reference.md lists all of them",
    );
    check_wrong_beside_store(
        "[spool.shards]\ncount = 3\n",
        "f.toml:6: spool.shards: a table where a single value belongs, or the reverse",
    );
    check_wrong(
        "[store]\nkind = \"influx2\"\n",
        "f.toml:2: store.kind = \"influx2\": expected one of embedded, influxdb1, influxdb2, \
         influxdb3, tdengine; did you mean \"influxdb2\"?",
    );
}

#[test]
fn a_value_outside_its_bounds_is_told_with_the_bound_and_its_reason() {
    check_wrong_beside_store(
        "[spool]\nsegment-size = \"1KiB\"\n",
        "f.toml:7: spool.segment-size = \"1KiB\": below the minimum of 4KiB: a file has a header, \
         a footer and at least one entry",
    );
    check_wrong_beside_store(
        "[mqtt]\nreceive-maximum = 70000\n",
        "f.toml:7: mqtt.receive-maximum = 70000: above the maximum of 65535: it is a 16-bit \
         number in MQTT 5.0",
    );
    check_wrong_beside_store(
        "[spool]\nshards = 0\n",
        "f.toml:7: spool.shards = 0: below the minimum of 1: points have to lie somewhere",
    );
    check_wrong_beside_store(
        "[sink]\nretry-delay-max = \"1h\"\n",
        "f.toml:7: sink.retry-delay-max = \"1h\": above the maximum of 10s: a store that is back \
         is found within 10 s",
    );
}

#[test]
fn settings_that_do_not_go_together_are_told_with_the_reason() {
    check_wrong_beside_store(
        "[spool]\nmax-size = \"64MiB\"\n",
        "f.toml:7: spool.max-size = \"64MiB\": below \"128MiB\", which 2 shards take with one \
         segment of \"64MiB\" each; raise it, or lower spool.segment-size",
    );
    check_wrong_beside_store(
        "[sink]\nretry-delay-min = \"8s\"\n",
        "f.toml:7: sink.retry-delay-max = \"10s\": below twice sink.retry-delay-min = \"8s\": the \
         wait could not grow; raise it, or lower sink.retry-delay-min",
    );
    check_wrong_beside_store(
        "[telemetry]\nlog = \"fleetline=loud\"\n",
        "f.toml:7: telemetry.log = \"fleetline=loud\": `loud` is no level; levels are error, warn, \
         info, debug, trace, off; write a level such as \"info\"",
    );
}

#[test]
fn listening_beyond_loopback_has_to_be_allowed() {
    check_wrong_beside_store(
        "[mqtt]\nlisten = [\"127.0.0.1:1883\", \"0.0.0.0:1884\"]\n[http]\nlisten = \"[::]:8080\"\n",
        "f.toml:7: mqtt.listen = [\"127.0.0.1:1883\", \"0.0.0.0:1884\"]: 0.0.0.0:1884 can be \
         reached from other machines, and nobody is asked who they are; listen on 127.0.0.1, \
         say with auth.users or certificates who may come in, or write auth.anonymous = true to \
         allow everybody\n\
         f.toml:9: http.listen = \"[::]:8080\": [::]:8080 can be reached from other machines, and \
         nobody is asked who they are; listen on 127.0.0.1, name tokens of operators with \
         auth.tokens, or write auth.anonymous = true to allow everybody",
    );
    let allowed = format!("{STORE}[auth]\nanonymous = true\n[mqtt]\nlisten = [\"0.0.0.0:1883\"]\n");
    assert!(check(&allowed, &[], &[]).status.success());
    check_wrong_beside_store(
        "[mqtt]\nlisten = [\"localhost:1883\", \"127.0.0.1:8080\"]\n",
        "f.toml:7: mqtt.listen = [\"localhost:1883\", \"127.0.0.1:8080\"]: `localhost:1883` is not \
         an IP address with a port; write it like \"mqtt://127.0.0.1:1883\" or \"127.0.0.1:1883\"\n\
         http.listen = \"127.0.0.1:8080\": 127.0.0.1:8080 is taken by mqtt.listen; give each \
         listener an address of its own",
    );
}

#[test]
fn a_store_is_asked_for_whole_and_only_for_what_its_kind_knows() {
    check_wrong(
        "[store]\nkind = \"influxdb2\"\nurls = [\"ftp://x\"]\norg = \"\"\n",
        "f.toml:4: store.org = \"\": below the minimum of 1: a name has a letter\n\
         store.bucket: missing; influxdb2 needs it; write, for example, bucket = \"telemetry\"\n\
         f.toml:3: store.urls = [\"ftp://x\"]: `ftp://x` is neither http nor https; write the base \
         address, such as \"http://127.0.0.1:8086\"",
    );
    check_wrong(
        "[store]\nkind = \"influxdb1\"\nurls = [\"http://a\"]\ndatabase = \"d\"\nbucket = \"b\"\n\
         username = \"u\"\n",
        "f.toml:5: store.bucket = \"b\": a setting of influxdb2, and store.kind is influxdb1; \
         remove it or change the kind\n\
         f.toml:6: store.username = \"u\": a user without a password; write store.password-file",
    );
    check_wrong(
        "[store]\nkind = \"influxdb3\"\ndatabase = \"d\"\n",
        "store.urls: missing; write where the store is, such as urls = [\"http://127.0.0.1:8086\"]",
    );
}

/// The case `o04-log-level-that-is-none`.
#[test]
fn a_level_of_the_log_that_is_none_is_refused_with_the_nearest() {
    check_wrong_beside_store(
        "[telemetry]\nlog = \"warning\"\n",
        "f.toml:7: telemetry.log = \"warning\": `warning` is no level; did you mean \"warn\"?; write \
         a level such as \"info\"",
    );
}

/// The addresses of `s3-store-addresses`.
#[test]
fn an_address_of_a_store_is_a_base_address_and_its_secrets_are_not_repeated() {
    let with = |url: &str| STORE.replace("http://127.0.0.1:8086", url);
    check_wrong(
        &with("http://h:8086/api/v2/write"),
        "f.toml:3: store.urls = [\"http://h:8086/api/v2/write\"]: `/api/v2/write` is an endpoint of \
         a store, which is added by itself; write the base address, \"http://h:8086\"",
    );
    check_wrong(
        &with("https://h/influx/write/"),
        "f.toml:3: store.urls = [\"https://h/influx/write/\"]: `/write` is an endpoint of a store, \
         which is added by itself; write the base address, \"https://h/influx\"",
    );
    check_wrong(
        &with("http://h:8086/?token=abc"),
        "f.toml:3: store.urls = [\"http://h:8086/?…\"]: `http://h:8086/?…` has a query or fragment, \
         which requests would lose; write the base address, such as \"http://127.0.0.1:8086\"",
    );
    check_wrong(
        &with("http://u:hush@h:8086"),
        "f.toml:3: store.urls = [\"http://…@h:8086\"]: an address with a user in it would be logged; \
         write the base address, such as \"http://127.0.0.1:8086\"",
    );
    assert!(check(&with("https://h/influx/"), &[], &[]).status.success());
}

/// `o13-store-with-a-private-authority`: what can be checked without the store.
#[test]
fn a_file_of_authorities_that_holds_none_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ca.pem");
    let text = format!("{STORE}ca-file = \"{}\"\n", path.display());
    let told = |text: &str| String::from_utf8(check(text, &[], &[]).stderr).unwrap();
    assert!(told(&text).contains("cannot read the certificates"), "{}", told(&text));
    fs::write(&path, "no certificate").unwrap();
    assert!(told(&text).contains("it holds no certificate"), "{}", told(&text));
    let block = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    fs::write(&path, block).unwrap();
    let unusable = told(&text);
    assert!(unusable.contains("certificate 1 in it is not usable"), "{unusable}");
}

const WEB_SOCKET: &str = "[store]\nkind = \"tdengine\"\nurls = [\"ws://127.0.0.1:6041\"]\n\
                          database = \"fleet\"\n";

#[cfg(feature = "taos-ws")]
#[test]
fn what_the_client_over_a_web_socket_would_not_do_is_refused() {
    let with = |more: &str| format!("{WEB_SOCKET}username = \"root\"\npassword = \"p\"\n{more}");
    assert!(check(&with(""), &[], &[]).status.success());
    check_wrong(
        &with("[sink]\ngzip = true\n"),
        "f.toml:8: sink.gzip = true: nothing is compressed over a WebSocket; leave it false",
    );
    check_wrong(
        &format!("{WEB_SOCKET}token = \"t\"\n"),
        "f.toml:5: store.token: no token is sent over a WebSocket; write a user and \
         store.password-file, or http:// in store.urls",
    );
    let elsewhere = |urls: &str| with("").replace("[\"ws://127.0.0.1:6041\"]", urls);
    check_wrong(
        &elsewhere("[\"ws://127.0.0.1:1\", \"http://127.0.0.1:2\"]"),
        "f.toml:3: store.urls = [\"ws://127.0.0.1:1\", \"http://127.0.0.1:2\"]: a store is reached in \
         one way, and this is two; write http:// or ws:// for all of them",
    );
    check_wrong(
        &elsewhere("[\"wss://h/prefix\"]"),
        "f.toml:3: store.urls = [\"wss://h/prefix\"]: the client finds the adapter's WebSocket only \
         behind an address without path; write ws://host:port, or http:// with the path",
    );
}

#[test]
fn only_tdengine_is_reached_over_a_web_socket() {
    check_wrong(
        "[store]\nkind = \"influxdb3\"\ndatabase = \"d\"\nurls = [\"ws://127.0.0.1:1\"]\n",
        "f.toml:4: store.urls = [\"ws://127.0.0.1:1\"]: only tdengine is spoken to over a WebSocket; \
         write http:// or https://",
    );
}

#[test]
fn tdengine_is_asked_for_what_only_it_needs() {
    const TDENGINE: &str = "[store]\nkind = \"tdengine\"\nurls = [\"http://127.0.0.1:6041\"]\n";
    check_wrong(
        TDENGINE,
        "store.database: missing; tdengine needs it; write, for example, database = \"telemetry\"\n\
         store.username: missing; tdengine asks everybody; write a user and store.password-file, \
         or a token",
    );
    let with = |more: &str| format!("{TDENGINE}{more}");
    check_wrong(
        &with("database = \"Fleet\"\ntoken = \"t\"\norg = \"o\"\n"),
        "f.toml:6: store.org = \"o\": a setting of influxdb2, and store.kind is tdengine; \
         remove it or change the kind\n\
         f.toml:4: store.database = \"Fleet\": TDengine folds or refuses such a name; use a-z, 0-9 \
         and _, a letter first, at most 64 of them",
    );
    check_wrong(
        &with("database = \"fleet\"\nusername = \"root\"\n"),
        "f.toml:5: store.username = \"root\": a user without a password; write \
         store.password-file",
    );
    let whole = with("database = \"fleet\"\nusername = \"root\"\npassword = \"p\"\n");
    for word in ["tags", "table", "database"] {
        check_wrong(
            &format!("{TDENGINE}database = \"{word}\"\nusername = \"root\"\npassword = \"p\"\n"),
            &format!(
                "f.toml:4: store.database = \"{word}\": a word of TDengine's language, of which it \
                 refuses each write; choose another name, such as \"fleet\""
            ),
        );
    }
    check_wrong_beside_store(
        "newlines = \"space\"\n",
        "f.toml:6: store.newlines = \"space\": a setting of tdengine, and store.kind is influxdb2; \
         remove it or change the kind",
    );
    for more in ["create = true\n", "[uplink]\ntag-bytes-max = \"1KiB\"\n"] {
        let output = check(&format!("{whole}{more}"), &[], &[]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    assert!(check(&with("database = \"fleet\"\ntoken = \"t\"\n"), &[], &[]).status.success());
}

#[test]
fn a_secret_comes_from_one_place_and_is_never_printed() {
    check_wrong_beside_store(
        "token = \"s3cr3t\"\ntoken-file = \"t\"\n",
        "f.toml:7: store.token-file = \"t\": store.token is written too, and only one can be \
         meant; remove one of them",
    );
    check_wrong_beside_store(
        "token-file = \"absent\"\n",
        "f.toml:6: store.token-file = \"absent\": cannot read the secret `absent`: No such file or \
         directory (os error 2)",
    );
    check_wrong_beside_store(
        "token = \"s3cr3t\\u0007\"\n",
        "f.toml:6: store.token: the secret holds control characters, which no header can carry; \
         write it on one line",
    );
    check_wrong_beside_store(
        "token = \" \"\n",
        "f.toml:6: store.token: the secret is empty; write it there",
    );
    // A later layer wins: the token in the file is not checked.
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("secret");
    fs::write(&secret, "other\n").unwrap();
    let text = format!("{STORE}token = \"bad\\u0007\"\n");
    let variables = [("FLEETLINE_STORE__TOKEN_FILE", secret.to_str().unwrap())];
    assert!(check(&text, &variables, &[]).status.success());
}

#[test]
fn environment_and_arguments_override_the_file_and_are_refused_like_it() {
    check_wrong_with(
        STORE,
        &[("FLEETLINE_SPOOL__SHARD", "3")],
        &["sink.batch-size=1MB", "sink.nothing", "nothing=1"],
        "environment variable FLEETLINE_SPOOL__SHARD: spool.shard: unknown key; did you mean \
         FLEETLINE_SPOOL__SHARDS?\n\
         --set: sink.batch-size = \"1MB\": expected a size such as \"64MiB\"; did you mean \
         \"1MiB\"?\n\
         --set: `sink.nothing` has no value; write it as --set key=value\n\
         --set: nothing: unknown key; config/reference.md lists all of them",
    );
    // The file's bad value is replaced before anything is checked against others.
    let text = format!("{STORE}[spool]\nmax-size = \"64MiB\"\n");
    assert!(check(&text, &[("FLEETLINE_SPOOL__MAX_SIZE", "1GiB")], &[]).status.success());
    assert!(check(&text, &[], &["spool.max-size=\"1GiB\""]).status.success());
    let output = check(STORE, &[], &["mqtt.listen=127.0.0.1:0", "store.token=12345"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn check_can_answer_in_json() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["check", "--json", "--set", "spool.shards=0", "--set", "store.kind=influxdb3"];
    let output = fleetline(folder.path(), &arguments, &[]);
    assert_eq!(output.status.code(), Some(2));
    assert!(output.stderr.is_empty());
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(answer["ok"], false);
    let first = answer["problems"][0].as_str().unwrap();
    assert!(first.starts_with("--set: spool.shards = 0: below the minimum"), "{first}");
}

#[test]
fn the_shipped_configuration_and_schemas_are_right() {
    let output = fleetline(repository(), &["check", "--config", "config/fleetline.toml"], &[]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// `UPDATE=1` rewrites it.
#[test]
fn the_reference_is_fresh() {
    let path = repository().join("config/reference.md");
    let expect = fleetline::config::reference();
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&path, &expect).unwrap();
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    assert!(found == expect, "config/reference.md is stale: UPDATE=1 cargo test --test it config");
}

#[test]
fn wrong_usage_and_wrong_configuration_end_with_2_and_help_with_0() {
    let folder = tempfile::tempdir().unwrap();
    let code = |arguments: &[&str]| fleetline(folder.path(), arguments, &[]).status.code();
    assert_eq!(code(&[]), Some(2));
    assert_eq!(code(&["fly"]), Some(2));
    assert_eq!(code(&["check", "--nothing"]), Some(2));
    assert_eq!(code(&["check"]), Some(2));
    assert_eq!(code(&["--help"]), Some(0));
    assert_eq!(code(&["check", "--help"]), Some(0));
    let help = fleetline(folder.path(), &["check", "--help"], &[]);
    assert!(String::from_utf8_lossy(&help.stdout).contains("Example"));
}

/// A misspelt variable has no effect, which must be reported. A service with our name in an
/// orchestrator creates such variables, so they are not an error.
#[test]
fn a_variable_with_our_prefix_that_is_no_key_is_named_and_the_token_is_not() {
    let variables = [("FLEETLINE_DATADIR", "/data"), ("FLEETLINE_TOKEN", "t")];
    let output = check(STORE, &variables, &[]);
    let told = String::from_utf8(output.stderr).unwrap();
    let named: Vec<_> = told.lines().filter(|line| line.contains("variable")).collect();
    let expect = "warning: environment variable FLEETLINE_DATADIR is no key of the configuration \
                  and is ignored";
    assert_eq!(named, [expect]);
    assert!(output.status.success());
}
