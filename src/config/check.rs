//! Checks across keys: settings that contradict each other. Each check has its reason.

use std::{collections::BTreeMap, net::SocketAddr, path::Path};

use crate::{
    config::{
        keys, listeners,
        problem::{Fault, Place, Problem},
        settings::Settings,
        source,
        value::{Misfit, print_duration, print_size},
        web_socket,
    },
    model::{Secret, line},
    mqtt,
    store::{self, Authorities},
    telemetry::{Chain, log},
};

/// What [`check`] determines besides the problems.
#[derive(Debug, Default)]
pub(super) struct Findings {
    /// The parsed listeners of `mqtt.listen`.
    pub(super) mqtt: Vec<mqtt::Listener>,
    /// The networks of `mqtt.proxy-protocol.from`.
    pub(super) proxies: Vec<mqtt::Network>,
    /// The parsed address of `http.listen`.
    pub(super) http: Option<SocketAddr>,
    /// By the key of the secret itself, even if it was written as a file.
    pub(super) secrets: BTreeMap<&'static str, Secret>,
    /// The certificates from `store.ca-file`.
    pub(super) authorities: Option<Authorities>,
}

/// Which checks apply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    /// All, for an appliance that will run.
    Appliance,
    /// Only those that matter to commands that read files.
    Offline,
}

/// Checks everything and collects the problems.
pub(super) fn check(settings: &Settings, scope: Scope, problems: &mut Vec<Problem>) -> Findings {
    let mut findings = Findings::default();
    check_folders(settings, problems);
    check_log(settings, problems);
    check_store_keys(settings, problems);
    check_sizes(settings, problems);
    check_connectivity(settings, problems);
    if scope == Scope::Appliance {
        listeners::check(settings, &mut findings, problems);
        check_store(settings, &mut findings, problems);
    }
    findings
}

/// A measurement that is not valid in line protocol would never be written.
fn check_connectivity(settings: &Settings, problems: &mut Vec<Problem>) {
    let key = "mqtt.connectivity.measurement";
    let is_fit = |name: &String| line::is_plain(name.as_bytes()) && !name.contains(['{', '}']);
    if settings.text_if_any(key).is_some_and(|name| !is_fit(&name)) {
        let why = "a measurement has no braces, line break, TAB or NUL, and no backslash before a \
                   separator or at its end";
        let remedy = "write another name".to_owned();
        problems.push(settings.problem(key, Fault::Conflict { reason: why.to_owned(), remedy }));
    }
}

/// An empty path is the working directory, which is never intended: it comes from an unset
/// variable, and the next start in another directory would find nothing.
fn check_folders(settings: &Settings, problems: &mut Vec<Problem>) {
    for key in ["data-dir", "schemas.dir"] {
        if settings.text(key).trim().is_empty() {
            let expected = "the path of a folder; \".\" is the working directory".to_owned();
            let fault = Fault::Misfit { misfit: Misfit::Empty, expected };
            problems.push(settings.problem(key, fault));
        }
    }
}

fn check_log(settings: &Settings, problems: &mut Vec<Problem>) {
    if let Err(error) = log::check_filter(&settings.text("telemetry.log")) {
        let fault = Fault::Conflict {
            reason: Chain(&error).to_string(),
            remedy: "write a level such as \"info\"".to_owned(),
        };
        problems.push(settings.problem("telemetry.log", fault));
    }
}

fn check_sizes(settings: &Settings, problems: &mut Vec<Problem>) {
    if settings.is_written("uplink.memory-max") {
        let group = settings.number("uplink.group-bytes-max");
        let memory = Relation {
            key: "uplink.memory-max",
            depends: &["uplink.group-bytes-max"],
            least: u128::from(group),
            why: format!(
                "below uplink.group-bytes-max = \"{}\": one group would already fill it",
                print_size(group)
            ),
            remedy: "raise it, or lower uplink.group-bytes-max",
        };
        memory.check(u128::from(settings.number(memory.key)), settings, problems);
    }

    let (shards, segment) =
        (settings.number("spool.shards"), settings.number("spool.segment-size"));
    let least = shards.saturating_mul(segment);
    let spool = Relation {
        key: "spool.max-size",
        depends: &["spool.segment-size", "spool.shards"],
        least: u128::from(least),
        why: format!(
            "below \"{}\", which {shards} shards take with one segment of \"{}\" each",
            print_size(least),
            print_size(segment)
        ),
        remedy: "raise it, or lower spool.segment-size",
    };
    spool.check(u128::from(settings.number(spool.key)), settings, problems);

    let most = settings.duration("query.time-max");
    let request = Relation {
        key: "http.request-timeout",
        depends: &["query.time-max"],
        least: most.as_nanos() + 1,
        why: format!(
            "not above query.time-max = \"{}\": a question that takes long would be cut off \
             without being told so",
            print_duration(most)
        ),
        remedy: "raise it, or lower query.time-max",
    };
    request.check(settings.duration(request.key).as_nanos(), settings, problems);

    let min = settings.duration("sink.retry-delay-min");
    let retry = Relation {
        key: "sink.retry-delay-max",
        depends: &["sink.retry-delay-min"],
        least: min.as_nanos() * 2,
        why: format!(
            "below twice sink.retry-delay-min = \"{}\": the wait could not grow",
            print_duration(min)
        ),
        remedy: "raise it, or lower sink.retry-delay-min",
    };
    retry.check(settings.duration(retry.key).as_nanos(), settings, problems);
}

/// A key with a minimum that depends on other keys.
struct Relation {
    key: &'static str,
    depends: &'static [&'static str],
    least: u128,
    why: String,
    remedy: &'static str,
}

impl Relation {
    fn check(&self, value: u128, settings: &Settings, problems: &mut Vec<Problem>) {
        if value >= self.least
            || !settings.are_usable(&[self.key])
            || !settings.are_usable(self.depends)
        {
            return;
        }
        let remedy = self.remedy.to_owned();
        let fault = Fault::Conflict { reason: self.why.clone(), remedy };
        problems.push(settings.problem_of(self.key, self.depends, fault));
    }
}

/// Settings of another store kind than the chosen one are refused: the operator believes that they
/// have an effect.
fn check_store_keys(settings: &Settings, problems: &mut Vec<Problem>) {
    let Some(kind) = settings.text_if_any("store.kind") else { return };
    for path in settings.written() {
        let stores = keys::find(path).stores;
        if !stores.is_empty() && !stores.contains(&kind.as_str()) {
            let belongs = stores.join(" and ");
            let fault = Fault::OtherStore { belongs, chosen: kind.clone() };
            problems.push(settings.problem(path, fault));
        }
    }
}

/// The code that creates buckets is optional at build time, and does not support a path before the
/// API's paths.
fn check_create(settings: &Settings, kind: &str, problems: &mut Vec<Problem>) {
    if kind != store::Kind::InfluxDb2.as_str() || !settings.flag("store.create") {
        return;
    }
    let has_path = |url: &String| {
        url.split_once("://").is_some_and(|(_, rest)| rest.trim_end_matches('/').contains('/'))
    };
    let (reason, remedy) = if !cfg!(feature = "influxdb2") {
        (
            "this build cannot create buckets",
            "build it with `--features influxdb2`, or create the bucket yourself",
        )
    } else if settings.texts("store.urls").iter().any(has_path) {
        ("buckets are not created behind an address with a path", "create the bucket yourself")
    } else {
        return;
    };
    let fault = Fault::Conflict { reason: reason.to_owned(), remedy: remedy.to_owned() };
    problems.push(settings.problem_of("store.create", &["store.kind"], fault));
}

fn check_store(settings: &Settings, findings: &mut Findings, problems: &mut Vec<Problem>) {
    let missing = |key: &str, remedy: &str, problems: &mut Vec<Problem>| {
        let fault = Fault::Missing { remedy: remedy.to_owned() };
        problems.push(Problem { place: Place::Default, key: key.to_owned(), value: None, fault });
    };
    for (secret, file) in
        [("store.token", "store.token-file"), ("store.password", "store.password-file")]
    {
        find_secret(settings, secret, file, findings, problems);
    }
    if !settings.are_usable(&["store.kind"]) {
        return;
    }
    let kind = settings.text("store.kind");
    if kind == store::Kind::Embedded.as_str() {
        if settings.flag("sink.gzip") {
            let fault = Fault::Conflict {
                reason: "the embedded store has no network to spare".to_owned(),
                remedy: "leave it false".to_owned(),
            };
            problems.push(settings.problem_of("sink.gzip", &["store.kind"], fault));
        }
        return;
    }
    check_create(settings, &kind, problems);
    if settings.texts("store.urls").is_empty() && settings.are_usable(&["store.urls"]) {
        let remedy = "write where the store is, such as urls = [\"http://127.0.0.1:8086\"]";
        missing("store.urls", remedy, problems);
    }
    let required: &[(&str, &str)] = match kind.as_str() {
        "influxdb2" => {
            &[("store.org", "org = \"fleet\""), ("store.bucket", "bucket = \"telemetry\"")]
        }
        _ => &[("store.database", "database = \"telemetry\"")],
    };
    for (key, example) in required {
        if settings.text_if_any(key).is_none() && settings.are_usable(&[key]) {
            let remedy = format!("{kind} needs it; write, for example, {example}");
            missing(key, &remedy, problems);
        }
    }
    if kind == store::Kind::TdEngine.as_str() {
        check_tdengine(settings, findings, problems);
    }
    check_urls(settings, problems);
    find_authorities(settings, findings, problems);
    check_credentials(settings, findings, problems);
}

/// Requirements of TDengine only.
fn check_tdengine(settings: &Settings, findings: &Findings, problems: &mut Vec<Problem>) {
    let mut refuse = |key: &str, depends: &[&str], reason: String, remedy: &str| {
        let fault = Fault::Conflict { reason, remedy: remedy.to_owned() };
        problems.push(settings.problem_of(key, depends, fault));
    };
    if let Some(database) = settings.text_if_any("store.database") {
        let is_letter = |byte: u8| byte.is_ascii_lowercase() || byte == b'_';
        let is_name = database.bytes().all(|byte| is_letter(byte) || byte.is_ascii_digit());
        if store::TdEngine::is_reserved(&database) {
            let reason = "a word of TDengine's language, of which it refuses each write".to_owned();
            refuse("store.database", &[], reason, "choose another name, such as \"fleet\"");
        }
        if !is_name || !database.bytes().next().is_some_and(is_letter) || database.len() > 64 {
            let reason = "TDengine folds or refuses such a name".to_owned();
            let remedy = "use a-z, 0-9 and _, a letter first, at most 64 of them";
            refuse("store.database", &[], reason, remedy);
        }
    }
    let written = |key: &str| settings.is_written(key);
    let any = ["store.username", "store.token", "store.token-file", "store.password"];
    if !findings.secrets.contains_key("store.token")
        && !any.into_iter().any(written)
        && !written("store.password-file")
    {
        let remedy = "tdengine asks everybody; write a user and store.password-file, or a token";
        let fault = Fault::Missing { remedy: remedy.to_owned() };
        let key = "store.username".to_owned();
        problems.push(Problem { place: Place::Default, key, value: None, fault });
    }
}

fn check_urls(settings: &Settings, problems: &mut Vec<Problem>) {
    web_socket::check(settings, problems);
    for text in settings.texts("store.urls") {
        let shown = store::without_secrets(&text);
        let mut remedy = "write the base address, such as \"http://127.0.0.1:8086\"".to_owned();
        let reason = match reqwest::Url::parse(&text) {
            Err(error) => Some(format!("`{shown}` is not an address: {error}")),
            Ok(url) if !matches!(url.scheme(), "http" | "https") && !web_socket::is_one(&text) => {
                Some(format!("`{shown}` is neither http nor https"))
            }
            Ok(url) if !url.username().is_empty() || url.password().is_some() => {
                Some("an address with a user in it would be logged".to_owned())
            }
            Ok(url) if url.query().is_some() || url.fragment().is_some() => {
                Some(format!("`{shown}` has a query or fragment, which requests would lose"))
            }
            Ok(mut url) => {
                let split = endpoint_of(url.path()).map(|(base, end)| (base.to_owned(), end));
                split.map(|(base, endpoint)| {
                    url.set_path(&base);
                    let base = url.as_str().trim_end_matches('/');
                    remedy = format!("write the base address, \"{base}\"");
                    format!("`{endpoint}` is an endpoint of a store, which is added by itself")
                })
            }
        };
        if let Some(reason) = reason {
            problems.push(settings.problem("store.urls", Fault::Conflict { reason, remedy }));
        }
    }
}

/// Splits a path into a part that belongs to a base address and the endpoint of a store after it.
fn endpoint_of(path: &str) -> Option<(&str, &'static str)> {
    const ENDPOINTS: &[&str] = &[
        "/api/v2/write",
        "/api/v2/query",
        "/api/v2",
        "/api/v3/write_lp",
        "/api/v3/query_sql",
        "/api/v3",
        "/influxdb/v1/write",
        "/rest/sql",
        "/write",
        "/query",
        "/ping",
        "/health",
    ];
    let end = path.trim_end_matches('/');
    let endpoint = ENDPOINTS.iter().find(|endpoint| end.ends_with(**endpoint))?;
    Some((&end[..end.len() - endpoint.len()], *endpoint))
}

/// Reads `store.ca-file`.
fn find_authorities(settings: &Settings, findings: &mut Findings, problems: &mut Vec<Problem>) {
    let Some(path) = settings.text_if_any("store.ca-file") else { return };
    match source::read_text(Path::new(&path)) {
        Err(source) => {
            let fault = Fault::Unreadable { what: "the certificates", path, source };
            problems.push(settings.problem("store.ca-file", fault));
        }
        Ok(text) => match Authorities::from_pem(&text) {
            Ok(authorities) => findings.authorities = Some(authorities),
            Err(error) => {
                let fault = Fault::Conflict {
                    reason: Chain(&error).to_string(),
                    remedy: "write a file of PEM certificates (-----BEGIN CERTIFICATE-----)"
                        .to_owned(),
                };
                problems.push(settings.problem("store.ca-file", fault));
            }
        },
    }
}

fn check_credentials(settings: &Settings, findings: &Findings, problems: &mut Vec<Problem>) {
    let user = settings.text_if_any("store.username").is_some();
    let password = findings.secrets.contains_key("store.password");
    let written = |key: &str| settings.place(key) != Place::Default;
    let password_written = written("store.password") || written("store.password-file");
    let mut refuse = |key: &str, reason: &str, remedy: &str| {
        let fault = Fault::Conflict { reason: reason.to_owned(), remedy: remedy.to_owned() };
        problems.push(settings.problem(key, fault));
    };
    if user && !password && !password_written {
        refuse("store.username", "a user without a password", "write store.password-file");
    }
    if password && !user {
        let key =
            if written("store.password-file") { "store.password-file" } else { "store.password" };
        refuse(key, "a password without a user", "write store.username");
    }
    if user && (written("store.token") || written("store.token-file")) {
        let reason = "a user and a token are two ways in, and only one is used";
        refuse("store.username", reason, "remove one of them");
    }
}

/// A secret is given directly or as the file that holds it; the later layer wins, and both in one
/// layer are refused.
fn find_secret(
    settings: &Settings,
    key: &'static str,
    file_key: &'static str,
    findings: &mut Findings,
    problems: &mut Vec<Problem>,
) {
    let (own, file) = (settings.place(key), settings.place(file_key));
    let (text, from) = match (settings.secret_if_any(key), settings.text_if_any(file_key)) {
        (None, None) => return,
        (Some(_), Some(_)) if own.same_layer(&file) => {
            let fault = Fault::Conflict {
                reason: format!("{key} is written too, and only one can be meant"),
                remedy: "remove one of them".to_owned(),
            };
            problems.push(settings.problem(file_key, fault));
            return;
        }
        (Some(secret), None) => (secret.expose().to_owned(), key),
        (Some(secret), Some(_)) if own > file => (secret.expose().to_owned(), key),
        (_, Some(path)) => match source::read_text(Path::new(&path)) {
            Ok(text) => (text, file_key),
            Err(source) => {
                let fault = Fault::Unreadable { what: "the secret", path, source };
                problems.push(settings.problem(file_key, fault));
                return;
            }
        },
    };
    let text = text.trim();
    if text.is_empty() {
        problems.push(settings.problem(from, Fault::EmptySecret));
    } else if text.chars().any(char::is_control) {
        let fault = Fault::Conflict {
            reason: "the secret holds control characters, which no header can carry".to_owned(),
            remedy: "write it on one line".to_owned(),
        };
        problems.push(settings.problem(from, fault));
    } else {
        findings.secrets.insert(key, Secret::new(text));
    }
}
