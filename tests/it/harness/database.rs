//! The database behind an appliance: the embedded one, or one or several real servers.

use std::collections::{BTreeMap, BTreeSet};

use super::{Appliance, Influx, Kind, Row, Sample, Setup, TdEngine, load::Promised, sqlite};

/// Why a stand-in is not read directly.
const STAND_IN: &str = "a stand-in proves nothing of what a database holds";

/// Where the points of a test go.
#[derive(Debug)]
pub(crate) enum Database {
    /// Inside the appliance.
    Embedded,
    /// Servers of one kind; several share the shards.
    Servers(Vec<Influx>),
    /// A stand-in for TDengine.
    TdEngine(TdEngine),
}

impl Database {
    /// Starts `count` servers; `None` if the program is not installed.
    pub(crate) fn servers(test: &str, kind: Kind, count: usize) -> Option<Self> {
        let servers: Option<Vec<Influx>> = (0..count).map(|_| Influx::start(test, kind)).collect();
        servers.map(Self::Servers)
    }

    /// Points a setup at it.
    pub(crate) fn serves(&self, setup: Setup) -> Setup {
        match self {
            Self::Embedded => setup,
            Self::TdEngine(server) => setup.tdengine(&server.url()).set("store.newlines", "space"),
            Self::Servers(servers) => {
                let urls: Vec<String> =
                    servers.iter().map(|server| format!("\"{}\"", server.url())).collect();
                let setup = servers[0].serves(setup);
                setup.set("store.urls", &format!("[{}]", urls.join(",")))
            }
        }
    }

    /// The language of its native queries.
    pub(crate) fn language(&self) -> &'static str {
        match self {
            Self::Embedded | Self::TdEngine(_) => "sql",
            Self::Servers(servers) => match servers[0].kind() {
                Kind::One => "influxql",
                Kind::Two => "flux",
            },
        }
    }

    /// How many servers share the points; the embedded store is one.
    pub(crate) fn servers_count(&self) -> usize {
        match self {
            Self::Embedded | Self::TdEngine(_) => 1,
            Self::Servers(servers) => servers.len(),
        }
    }

    /// Whether it keeps unsigned integers as such.
    pub(crate) fn has_unsigned(&self) -> bool {
        matches!(self, Self::TdEngine(_)) || self.language() == "flux"
    }

    /// Whether the first of several values at one moment is the greatest; InfluxDB 1 and TDengine
    /// give any.
    pub(crate) fn breaks_ties(&self) -> bool {
        !matches!(self, Self::TdEngine(_)) && self.language() != "influxql"
    }

    /// Whether a text keeps its line feeds; for TDengine they are replaced by spaces.
    pub(crate) fn keeps_line_feeds(&self) -> bool {
        !matches!(self, Self::TdEngine(_))
    }

    /// All points of a vehicle, read directly from the database.
    #[track_caller]
    pub(crate) fn rows(&self, appliance: &Appliance, measurement: &str, vin: &str) -> Vec<Row> {
        let text = format!("SELECT * FROM {measurement} WHERE vin = '{vin}'");
        match self {
            Self::Embedded => {
                let files = sqlite::files(appliance.setup().data(), measurement);
                files.iter().flat_map(|file| sqlite::named_rows(file, &text)).collect()
            }
            Self::Servers(servers) => {
                servers.iter().flat_map(|server| server.query(&text)).collect()
            }
            Self::TdEngine(_) => panic!("{STAND_IN}"),
        }
    }

    /// Points of a measurement, by one of its fields.
    #[track_caller]
    pub(crate) fn count(&self, appliance: &Appliance, measurement: &str, field: &str) -> u64 {
        let text = format!("SELECT count({field}) AS n FROM {measurement}");
        match self {
            Self::Embedded => {
                let files = sqlite::files(appliance.setup().data(), measurement);
                let count = |file| sqlite::named_rows(file, &text)[0]["n"].as_u64().unwrap();
                files.iter().map(|file| count(file)).sum()
            }
            Self::Servers(servers) => {
                servers.iter().map(|server| server.count(measurement, field)).sum()
            }
            Self::TdEngine(_) => panic!("{STAND_IN}"),
        }
    }

    /// The type that it has for each field of a measurement.
    pub(crate) fn field_types(
        &self,
        appliance: &Appliance,
        measurement: &str,
    ) -> BTreeMap<String, String> {
        match self {
            Self::Embedded => {
                let files = sqlite::files(appliance.setup().data(), measurement);
                files.iter().flat_map(|file| sqlite::field_types(file)).collect()
            }
            Self::Servers(servers) => servers[0].field_types(measurement),
            Self::TdEngine(_) => panic!("{STAND_IN}"),
        }
    }

    /// Compares a load's log with the stored samples: every acknowledged sample is stored once,
    /// with its own value and time, and none that was never sent.
    #[track_caller]
    pub(crate) fn check_promises(&self, appliance: &Appliance, promised: &[Promised]) {
        for promise in promised {
            let stored = match self {
                Self::Embedded => sqlite::samples(appliance.setup().data(), &promise.vin),
                Self::Servers(servers) => {
                    servers.iter().flat_map(|server| server.samples(&promise.vin)).collect()
                }
                Self::TdEngine(_) => panic!("{STAND_IN}"),
            };
            check_promise(promise, &stored);
        }
    }
}

/// One sample as read from a database.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stored {
    pub(crate) at_nanos: i64,
    pub(crate) seq: u64,
    pub(crate) value: f64,
}

#[track_caller]
pub(crate) fn check_promise(promise: &Promised, rows: &[Stored]) {
    let Promised { vin, acked, sent } = promise;
    let mut stored = BTreeSet::new();
    for Stored { at_nanos, seq, value } in rows.iter().copied() {
        let sample = Sample { seq };
        assert!(seq < *sent, "{vin}: {seq} is stored but was never sent");
        assert_eq!(at_nanos, sample.at_nanos(), "{vin} {seq}");
        assert_eq!(value.to_bits(), sample.value().to_bits(), "{vin} {seq}");
        assert!(stored.insert(seq), "{vin}: {seq} is stored twice");
    }
    let lost: Vec<_> = acked.difference(&stored).take(10).collect();
    assert!(
        lost.is_empty(),
        "{vin}: acknowledged but not stored: {} of {}, the first {lost:?}",
        acked.difference(&stored).count(),
        acked.len()
    );
}
