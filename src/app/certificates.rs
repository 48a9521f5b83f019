//! The certificates of the MQTT and HTTP servers: loaded at the start and on SIGHUP, and checked
//! for expiry.

use std::{sync::Arc, time::Duration};

use crate::{
    auth::{Access, FileProblems, Tls, TlsFiles},
    config::TlsOptions,
    env::Clock,
    telemetry::{EdgeLabel, LogLimit, Metrics},
};

/// The remaining time from which on the expiry of a certificate is logged.
const LOGGED_BEFORE: Duration = Duration::from_hours(30 * 24);
/// How often that is logged.
const LOGGED_EVERY: Duration = Duration::from_hours(24);

/// The TLS settings of both servers, if they use it.
#[derive(Debug)]
pub(super) struct Certificates {
    pub(super) mqtt: Option<Arc<Tls>>,
    pub(super) http: Option<Arc<Tls>>,
    clock: Arc<dyn Clock>,
    log_limit: LogLimit,
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
        let certificates = Self { mqtt, http, clock, log_limit: LogLimit::new(LOGGED_EVERY) };
        certificates.each(|_, tls| warn(tls));
        certificates.set_authorities(access);
        Ok(certificates)
    }

    fn each(&self, mut act: impl FnMut(&'static str, &Tls)) {
        for (edge, tls) in [("mqtt", &self.mqtt), ("http", &self.http)] {
            if let Some(tls) = tls {
                act(edge, tls);
            }
        }
    }

    /// Passes the trusted client authorities to `access`.
    fn set_authorities(&self, access: &Access) {
        if let Some(tls) = &self.mqtt {
            access.set_trusted(Arc::clone(&tls.current().trusted));
        }
    }

    /// Reads the files again; if those of a server are wrong, its old ones stay. Sessions end whose
    /// certificates are not trusted any more.
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
        self.set_authorities(access);
    }

    /// Measures how long the certificates are still valid, and logs it when that is short.
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
            if seconds < i64::try_from(LOGGED_BEFORE.as_secs()).unwrap_or(i64::MAX) {
                ending.push((edge, until, seconds / 86_400));
            }
        });
        if !ending.is_empty() && self.log_limit.admit(now).is_some() {
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
