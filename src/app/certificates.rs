//! The certificates of both edges: loaded at the start, anew on SIGHUP, and watched as they age.

use std::{sync::Arc, time::Duration};

use crate::{
    auth::{Access, FileProblems, Tls, TlsFiles},
    config::TlsOptions,
    env::Clock,
    telemetry::{EdgeLabel, LogLimit, Metrics},
};

/// From when on it is told that a certificate expires.
const TOLD_BEFORE: Duration = Duration::from_hours(30 * 24);
/// How often that is told.
const TOLD_EVERY: Duration = Duration::from_hours(24);

/// The TLS of both edges, where they speak it.
#[derive(Debug)]
pub(super) struct Certificates {
    pub(super) mqtt: Option<Arc<Tls>>,
    pub(super) http: Option<Arc<Tls>>,
    clock: Arc<dyn Clock>,
    told: LogLimit,
}

impl Certificates {
    /// Reads the files.
    pub(super) fn load(
        options: &TlsOptions,
        access: &Access,
        clock: &Arc<dyn Clock>,
    ) -> Result<Self, FileProblems> {
        let load = |files: &Option<TlsFiles>| {
            let files = files.clone();
            files.map(|files| Tls::load(files, Arc::clone(clock)).map(Arc::new)).transpose()
        };
        let (mqtt, http) = (load(&options.mqtt)?, load(&options.http)?);
        let clock = Arc::clone(clock);
        let certificates = Self { mqtt, http, clock, told: LogLimit::new(TOLD_EVERY) };
        certificates.each(|_, tls| warn(tls));
        certificates.tell(access);
        Ok(certificates)
    }

    fn each(&self, mut act: impl FnMut(&'static str, &Tls)) {
        for (edge, tls) in [("mqtt", &self.mqtt), ("http", &self.http)] {
            if let Some(tls) = tls {
                act(edge, tls);
            }
        }
    }

    /// Says what certificates of clients rest on.
    fn tell(&self, access: &Access) {
        if let Some(tls) = &self.mqtt {
            access.set_trusted(Arc::clone(&tls.current().trusted));
        }
    }

    /// Reads the files anew; those of an edge that are wrong change nothing there. Sessions whose
    /// certificates rest on nothing that is trusted now end.
    pub(super) fn reload(&self, access: &Access) {
        self.each(|edge, tls| match tls.reload() {
            Ok(()) => {
                tracing::info!(edge, "certificates loaded anew");
                warn(tls);
            }
            Err(problems) => {
                tracing::error!(edge, %problems, "certificates not loaded, the old ones stay");
            }
        });
        self.tell(access);
    }

    /// Measures how long the certificates are still in force, and tells it when that is short.
    pub(super) fn look(&mut self, metrics: &Metrics) {
        let (wall, now) = (self.clock.wall(), self.clock.monotonic());
        let mut ending = Vec::new();
        self.each(|edge, tls| {
            let until = tls.current().not_after;
            let seconds = (until.0.saturating_sub(wall.0)) / 1_000_000_000;
            metrics
                .auth_certificate_left_seconds
                .get_or_create_owned(&EdgeLabel { edge })
                .set(seconds);
            if seconds < i64::try_from(TOLD_BEFORE.as_secs()).unwrap_or(i64::MAX) {
                ending.push((edge, until, seconds / 86_400));
            }
        });
        if !ending.is_empty() && self.told.admit(now).is_some() {
            for (edge, until, days) in ending {
                tracing::warn!(edge, %until, days, "the certificate expires soon; renew it");
            }
        }
    }
}

fn warn(tls: &Tls) {
    for warning in &tls.current().warnings {
        tracing::warn!("{warning}");
    }
}
