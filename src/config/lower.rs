//! One function a stage: checked settings → its options.

use std::{
    num::{NonZeroU16, NonZeroUsize},
    path::{Path, PathBuf},
    time::Duration,
};

use crate::{
    auth::{self, CertificateName, ClientCertificates, TlsFiles, VehicleName},
    config::{
        check::Findings,
        resolve::{Offline, Resolved, SpoolOptions, TlsOptions},
        settings::Settings,
    },
    dead_letter::{self, SinkWhenFull, WhenFull},
    downlink,
    env::control_group_memory,
    http, mapping,
    model::{LineDialect, ShardCount, StoreNames},
    mqtt, query,
    sessions::{self, QueueOverflow},
    sink::{self, RetryOptions},
    spool,
    store::{self, Credentials, InfluxDb1, InfluxDb2, InfluxDb3, Newlines, Target, TdEngine},
    telemetry::{LogFormat, LogOptions},
    uplink,
};

/// The options of every stage.
pub(super) fn lower(settings: &Settings, findings: &Findings) -> Resolved {
    Resolved {
        offline: lower_offline(settings),
        mqtt: mqtt(settings, findings),
        tls: tls(settings, findings),
        sessions: sessions(settings),
        uplink: uplink(settings),
        http: http(settings, findings),
        query: query(settings),
        spool: spool(settings),
        store: store(settings, findings),
        sink: sink(settings),
        dead_letter: dead_letter(settings),
        downlink: downlink(settings),
    }
}

/// The options that do not depend on a store or a listener.
pub(super) fn lower_offline(settings: &Settings) -> Offline {
    let shards = settings.number_u16("spool.shards");
    let kind = settings.text_if_any("store.kind").and_then(|kind| kind.parse().ok());
    let dialect = kind.map_or(LineDialect::Signed, store::Kind::dialect);
    let store_names = kind.map_or(StoreNames::Any, store::Kind::names);
    Offline {
        data_dir: settings.path("data-dir"),
        unknown_variables: settings.unknown_variables().to_vec(),
        shards: ShardCount(NonZeroU16::new(shards).expect("the key's minimum is 1")),
        dialect,
        mapping: mapping::Options {
            dir: settings.path("schemas.dir"),
            dialect,
            store_names,
            depth_max: settings.number_usize("uplink.depth-max"),
            import_roots: settings.texts("schemas.import-roots"),
            connectivity: settings.text_if_any("mqtt.connectivity.measurement"),
            bounds: mapping::Bounds {
                file_bytes_max: settings.number("schemas.file-size-max"),
                bytes_max: settings.number("schemas.size-max"),
                entries_max: settings.number_usize("schemas.entries-max"),
            },
        },
        auth: auth(settings),
        limits: limits(settings),
        log: LogOptions { filter: settings.text("telemetry.log"), format: log_format(settings) },
    }
}

/// The format of the log.
pub(super) fn log_format(settings: &Settings) -> LogFormat {
    match settings.text("telemetry.log-format").as_str() {
        "json" => LogFormat::Json,
        _ => LogFormat::Text,
    }
}

fn auth(settings: &Settings) -> auth::Options {
    let file = |key: &str| settings.text_if_any(key).filter(|path| !path.is_empty());
    auth::Options {
        anonymous: settings.flag("auth.anonymous"),
        users: file("auth.users").map(PathBuf::from),
        tokens: file("auth.tokens").map(PathBuf::from),
        rules: file("auth.rules").map(PathBuf::from),
        vehicle: match settings.text("auth.vehicle").as_str() {
            "client-id" => VehicleName::ClientId,
            "certificate" => VehicleName::Certificate,
            _ => VehicleName::Username,
        },
        jwt_keys: file("auth.jwt.keys").map(PathBuf::from),
        jwt_audience: settings.text("auth.jwt.audience"),
        jwt_name_claim: settings.text("auth.jwt.vehicle-claim"),
        gateways: settings.texts("auth.gateways"),
        verify_cores: settings.number_usize("auth.verify-cores"),
        verify_waiting_max: settings.number_usize("auth.verify-waiting-max"),
        verify_waiting_per_address_max: settings
            .number_usize("auth.verify-waiting-per-address-max"),
        verify_remembered_for: settings.duration("auth.verify-remember"),
        client_certificates: settings.text("mqtt.tls.client-certificate") != "off",
        certificate_name: match settings.text("auth.certificate.vehicle").as_str() {
            "san-dns" => CertificateName::SanDns,
            "san-uri" => CertificateName::SanUri,
            _ => CertificateName::Cn,
        },
        name_bytes_max: settings.number_usize("uplink.tag-bytes-max"),
        file_bytes_max: settings.number("auth.file-size-max"),
    }
}

fn limits(settings: &Settings) -> uplink::Limits {
    uplink::Limits {
        points_max: settings.number_usize("uplink.points-max"),
        bytes_max: settings.number_usize("uplink.line-bytes-max"),
        depth_max: settings.number_u32("uplink.depth-max"),
        repeated_max: settings.number_u32("uplink.repeated-max"),
        fields_max: settings.number_u32("uplink.fields-max"),
        tags_max: settings.number_u32("uplink.tags-max"),
        steps_max: settings.number("uplink.steps-max"),
        tag_bytes_max: settings.number_usize("uplink.tag-bytes-max"),
        time_past: settings.duration("uplink.time-bounds.past"),
        time_ahead: settings.duration("uplink.time-bounds.ahead"),
    }
}

fn sessions(settings: &Settings) -> sessions::Options {
    let queue = mqtt_queue(settings);
    sessions::Options {
        bytes_max: settings.number("mqtt.sessions.max-size"),
        expiry_max: settings.duration("mqtt.sessions.expiry-max"),
        count_max: settings.number_usize("mqtt.sessions.count-max"),
        per_identity_max: settings.number_usize("mqtt.sessions.per-identity-max"),
        queue_messages_max: queue.messages_max,
        queue_bytes_max: queue.bytes_max as u64,
        overflow: queue.overflow,
        commit: spool(settings).commit,
        ..sessions::Options::new(lower_offline(settings).data_dir.join("sessions"))
    }
}

fn mqtt_queue(settings: &Settings) -> mqtt::QueueOptions {
    mqtt::QueueOptions {
        subscriptions_max: settings.number_usize("mqtt.sessions.subscriptions-max"),
        in_flight_max: settings.number_u16("mqtt.sessions.in-flight-max"),
        messages_max: settings.number_usize("mqtt.sessions.queue-messages-max"),
        bytes_max: settings.number_usize("mqtt.sessions.queue-bytes-max"),
        session_memory_max: settings.number_usize("mqtt.sessions.queue-memory-max"),
        memory_max: settings.number_usize("mqtt.sessions.memory-max"),
        overflow: match settings.text("mqtt.sessions.queue-overflow").as_str() {
            "drop-oldest" => QueueOverflow::DropOldest,
            "end-session" => QueueOverflow::EndSession,
            _ => QueueOverflow::Refuse,
        },
        stall_max: settings.duration("mqtt.sessions.queue-stall-max"),
    }
}

fn mqtt(settings: &Settings, findings: &Findings) -> mqtt::Options {
    let receive_maximum = settings.number_u16("mqtt.receive-maximum");
    mqtt::Options {
        listen: findings.mqtt.clone(),
        proxies: findings.proxies.clone(),
        websocket_origins: settings.texts("mqtt.ws-origins"),
        accepts_a_second: settings.number_u32("mqtt.admission.accepts-per-second"),
        messages_a_second: settings.number_u32("mqtt.rates.messages-per-second"),
        bytes_a_second: settings.number("mqtt.rates.bytes-per-second"),
        handshakes_max: settings.number_usize("mqtt.admission.handshakes-max"),
        takeover_interval: settings.duration("mqtt.admission.takeover-interval"),
        workers: match settings.is_written("mqtt.workers") {
            true => settings.number_usize("mqtt.workers"),
            false => mqtt::Options::default().workers,
        },
        receive_maximum: NonZeroU16::new(receive_maximum).expect("the key's minimum is 1"),
        packet_bytes_max: settings.number_u32("mqtt.max-packet-size"),
        connect_bytes_max: settings.number_u32("mqtt.connect-bytes-max"),
        control_bytes_max: settings.number_u32("mqtt.control-bytes-max"),
        connect_timeout: settings.duration("mqtt.connect-timeout"),
        packet_timeout: settings.duration("mqtt.packet-timeout"),
        keep_alive_max: settings.duration("mqtt.keep-alive-max"),
        idle_max: settings.duration("mqtt.idle-max"),
        connections_max: settings.number_usize("mqtt.connections-max"),
        session_bytes_max: settings.number_usize("mqtt.session-bytes-max"),
        topic_alias_max: settings.number_u16("mqtt.topic-alias-max"),
        topic_bytes_max: settings.number_usize("mqtt.topic-bytes-max"),
        topic_levels_max: settings.number_usize("mqtt.topic-levels-max"),
        user_properties_max: settings.number_usize("mqtt.user-properties-max"),
        session_vehicles_max: settings.number_usize("mqtt.session-vehicles-max"),
        last_line_bytes_max: settings.number_usize("mqtt.last-line-bytes-max"),
        last_lines_bytes_max: settings.number_usize("mqtt.last-lines-bytes-max"),
        away_vehicles_max: settings.number_usize("mqtt.away-vehicles-max"),
        queue: mqtt_queue(settings),
        retained_count_max: settings.number_usize("mqtt.retained.count-max"),
        retained_bytes_max: settings.number_usize("mqtt.retained.size-max"),
        silent_max: settings.number_usize("mqtt.admission.silent-max"),
        silent_per_address_max: settings.number_usize("mqtt.admission.silent-per-address-max"),
        sys_interval: settings.duration("telemetry.sys-interval"),
        connectivity: settings.text_if_any("mqtt.connectivity.measurement"),
    }
}

/// The TLS files for the listeners that use TLS.
fn tls(settings: &Settings, findings: &Findings) -> TlsOptions {
    let file_bytes_max = settings.number("auth.file-size-max");
    let is_asked = findings.mqtt.iter().any(|listener| listener.transport.is_secure());
    TlsOptions {
        mqtt: is_asked.then(|| TlsFiles {
            certificate: settings.path("mqtt.tls.certificate"),
            key: settings.path("mqtt.tls.key"),
            client_certificate: match settings.text("mqtt.tls.client-certificate").as_str() {
                "optional" => ClientCertificates::Optional,
                "required" => ClientCertificates::Required,
                _ => ClientCertificates::Off,
            },
            client_ca: settings.text_if_any("mqtt.tls.client-ca").map(PathBuf::from),
            client_crl: settings.texts("mqtt.tls.client-crl").iter().map(PathBuf::from).collect(),
            file_bytes_max,
        }),
        http: settings.is_written("http.tls.certificate").then(|| TlsFiles {
            certificate: settings.path("http.tls.certificate"),
            key: settings.path("http.tls.key"),
            file_bytes_max,
            ..TlsFiles::default()
        }),
    }
}

fn uplink(settings: &Settings) -> uplink::Options {
    let memory_max = if settings.is_written("uplink.memory-max") {
        settings.number_usize("uplink.memory-max")
    } else {
        // The rest is for sessions, shippers, queries and the page cache.
        let quarter = control_group_memory().map_or(u64::MAX, |bytes| bytes / 4);
        let quarter = usize::try_from(quarter).unwrap_or(usize::MAX);
        uplink::Options::default().memory_max.min(quarter)
    };
    let group_bytes_max = settings.number_usize("uplink.group-bytes-max");
    let names = uplink::NameOptions {
        fields_a_day: settings.number_usize("uplink.new-names.fields-per-day"),
        tags_a_day: settings.number_usize("uplink.new-names.tags-per-day"),
        measurements_a_day: settings.number_usize("uplink.new-names.measurements-per-day"),
        name_bytes_max: settings.number_usize("uplink.new-names.bytes-max"),
        memory_max: settings.number_usize("uplink.new-names.memory-max"),
    };
    uplink::Options { memory_max, group_bytes_max, names }
}

fn http(settings: &Settings, findings: &Findings) -> http::Options {
    http::Options {
        listen: findings.http.expect("the check parsed it"),
        hosts: settings.texts("http.hosts"),
        header_timeout: settings.duration("http.header-timeout"),
        request_timeout: settings.duration("http.request-timeout"),
        header_bytes_max: settings.number_usize("http.header-bytes-max"),
        body_bytes_max: settings.number_usize("http.body-bytes-max"),
        connections_max: settings.number_usize("http.connections-max"),
        silent_max: settings.number_usize("http.silent-max"),
        silent_per_address_max: settings.number_usize("http.silent-per-address-max"),
    }
}

fn query(settings: &Settings) -> query::Options {
    query::Options {
        rows_max: settings.number_usize("query.rows-max"),
        bytes_max: settings.number_usize("query.bytes-max"),
        time_max: settings.duration("query.time-max"),
        concurrent_max: settings.number_usize("query.concurrent-max"),
    }
}

fn spool(settings: &Settings) -> SpoolOptions {
    let offline = lower_offline(settings);
    SpoolOptions {
        dir: offline.spool_dir(),
        dialect: offline.dialect,
        segment_bytes_max: settings.number("spool.segment-size"),
        bytes_max: settings.number("spool.max-size"),
        hold: match settings.text_if_any("store.kind").as_deref() {
            // It confirms only when the data is on its disk.
            None | Some("embedded") => Duration::ZERO,
            Some(_) => settings.duration("store.hold"),
        },
        commit: spool::CommitOptions {
            interval: settings.duration("spool.commit-interval"),
            group_bytes_max: settings.number_usize("spool.commit-bytes-max"),
            recheck: settings.duration("spool.recheck-interval"),
            ..spool::CommitOptions::default()
        },
    }
}

fn store(settings: &Settings, findings: &Findings) -> store::Options {
    let secret = |key: &str| findings.secrets.get(key).cloned();
    let kind = settings.text("store.kind").parse().expect("the key's words are the kinds");
    let credentials = match (settings.text_if_any("store.username"), secret("store.password")) {
        (Some(user), Some(password)) => Some(Credentials::Basic { user, password }),
        _ => secret("store.token").map(Credentials::Token),
    };
    let target = match kind {
        store::Kind::InfluxDb1 => Target::InfluxDb1(InfluxDb1 {
            database: settings.text("store.database"),
            retention_policy: settings.text_if_any("store.retention-policy"),
            credentials,
        }),
        store::Kind::InfluxDb2 => Target::InfluxDb2(InfluxDb2 {
            org: settings.text("store.org"),
            bucket: settings.text("store.bucket"),
            token: secret("store.token"),
            create: settings.flag("store.create"),
        }),
        store::Kind::InfluxDb3 => Target::InfluxDb3(InfluxDb3 {
            database: settings.text("store.database"),
            token: secret("store.token"),
        }),
        store::Kind::TdEngine => Target::TdEngine(TdEngine {
            database: settings.text("store.database"),
            credentials: credentials.expect("the check asked for them"),
            create: settings.flag("store.create"),
            newlines: match settings.text("store.newlines").as_str() {
                "space" => Newlines::Space,
                _ => Newlines::Refuse,
            },
            string_bytes_max: settings.number_usize("store.string-size-max"),
        }),
        store::Kind::Embedded => Target::Embedded(store::Embedded {
            dir: settings.path("data-dir").join("embedded"),
            retention: settings
                .is_written("store.retention")
                .then(|| settings.duration("store.retention")),
            partition: match settings.text("store.partition").as_str() {
                "day" => store::Partition::Day,
                _ => store::Partition::Month,
            },
            cache_bytes: settings.number("store.cache-size"),
            questions: questions(settings),
            answerer: Some(own_program()),
        }),
    };
    store::Options {
        target,
        urls: settings.texts("store.urls"),
        shards: lower_offline(settings).shards,
        authorities: findings.authorities.clone(),
        connect_timeout: settings.duration("store.connect-timeout"),
        request_timeout: settings.duration("store.request-timeout"),
    }
}

fn questions(settings: &Settings) -> store::NativeQueryLimits {
    store::NativeQueryLimits {
        at_once: settings.number_usize("store.questions-at-once"),
        memory_bytes: settings.number("store.question-memory-max"),
        temporary_bytes: settings.number("store.question-temporary-max"),
        value_bytes: settings.number_u32("store.question-value-max"),
        text_bytes: settings.number_u32("store.question-text-max"),
        columns: settings.number_u32("store.question-columns-max"),
        depth: settings.number_u32("store.question-depth-max"),
        compounds: settings.number_u32("store.question-compounds-max"),
        steps: settings.number("store.question-steps-max"),
        pattern_bytes: settings.number_u32("store.question-pattern-max"),
    }
}

/// The running program, even if its file was replaced meanwhile.
fn own_program() -> PathBuf {
    let replaced = Path::new("/proc/self/exe");
    match std::env::current_exe() {
        Ok(path) if !cfg!(target_os = "linux") => path,
        _ => replaced.to_owned(),
    }
}

fn sink(settings: &Settings) -> sink::Options {
    let count = |key: &str| {
        NonZeroUsize::new(settings.number_usize(key)).expect("the key's minimum is not zero")
    };
    sink::Options {
        batch_lines: count("sink.batch-lines"),
        batch_bytes: count("sink.batch-size"),
        batch_age: settings.duration("sink.batch-age"),
        gzip: settings.flag("sink.gzip"),
        requests_in_flight: count("sink.requests-in-flight"),
        retry: RetryOptions {
            delay_min: settings.duration("sink.retry-delay-min"),
            delay_max: settings.duration("sink.retry-delay-max"),
            retry_after_max: settings.duration("sink.retry-after-max"),
        },
        cursor_age: settings.duration("sink.cursor-age"),
        cursor_bytes: settings.number("sink.cursor-bytes-max"),
        batches_ahead: count("sink.batches-ahead-max"),
        backfill_share_ppm: u32::try_from(settings.number("sink.backfill-share"))
            .expect("a share is at most a million millionths"),
        backfill_after: settings.duration("sink.backfill-after"),
        unknown_code_patience: settings.duration("sink.unknown-code-patience"),
        batches_stalled: settings.number_usize("sink.batches-stalled-max"),
        probe_wait_max: settings.duration("sink.probe-wait-max"),
    }
}

fn dead_letter(settings: &Settings) -> dead_letter::Options {
    let bytes_max = settings.number("dead-letter.max-size");
    let share = settings.number("dead-letter.vehicle-share");
    let vehicle_bytes_max = u128::from(bytes_max) * u128::from(share) / 1_000_000;
    dead_letter::Options {
        bytes_max,
        vehicle_bytes_max: u64::try_from(vehicle_bytes_max).unwrap_or(u64::MAX),
        when_full: match settings.text("dead-letter.when-full").as_str() {
            "drop-oldest" => WhenFull::DropOldest,
            _ => WhenFull::Block,
        },
        sink_when_full: match settings.text("dead-letter.sink-when-full").as_str() {
            "hold" => SinkWhenFull::Hold,
            _ => SinkWhenFull::Replace,
        },
        segment_bytes_max: settings.number("dead-letter.segment-size"),
        commit_interval: settings.duration("dead-letter.commit-interval"),
        ..dead_letter::Options::new(lower_offline(settings).dead_letter_dir())
    }
}

fn downlink(settings: &Settings) -> downlink::Options {
    downlink::Options {
        dir: lower_offline(settings).downlink_dir(),
        open_max: settings.number_usize("downlink.open-max"),
        total_open_max: settings.number_usize("downlink.total-open-max"),
        schedules_max: settings.number_usize("downlink.schedules-max"),
        empty_runs_max: settings.number_usize("downlink.empty-runs-max"),
        payload_bytes_max: settings.number_usize("mqtt.max-packet-size"),
        expires_in: settings.duration("downlink.expires-in"),
        keep: settings.duration("downlink.keep"),
        audit_keep: settings.duration("downlink.audit-keep"),
        still_interval: settings.duration("downlink.still-interval"),
        alarms_waiting_max: settings.number_usize("downlink.alarms-waiting-max"),
        topic_rows_max: settings.number_usize("query.topic-rows-max"),
        topic_bytes_max: settings.number_usize("query.topic-bytes-max"),
        webhook: settings.text_if_any("downlink.webhook").filter(|url| !url.is_empty()),
        webhook_timeout: settings.duration("downlink.webhook-timeout"),
    }
}
