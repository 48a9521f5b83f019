//! Checks certificates of clients, and logs the subject of a refused one.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use rustls::{
    DigitallySignedStruct, DistinguishedName, Error, SignatureScheme,
    client::danger::HandshakeSignatureValid,
    pki_types::{CertificateDer, UnixTime},
    server::danger::{ClientCertVerified, ClientCertVerifier},
};
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::env::Clock;

/// How many refused certificates are logged within [`TOLD_WITHIN`].
const TOLD_MAX: u32 = 10;
const TOLD_WITHIN: Duration = Duration::from_secs(1);
/// Bytes of a subject that are logged; it is not trusted.
const SUBJECT_BYTES_MAX: usize = 200;

/// A verifier that logs refusals with the subject of the certificate: "bad certificate" alone does
/// not help the operator of a fleet.
pub(super) struct TellingVerifier {
    inner: Arc<dyn ClientCertVerifier>,
    clock: Arc<dyn Clock>,
    /// Workers share it; it is taken for refusals only.
    told: Mutex<Told>,
}

/// How many were logged since a time.
#[derive(Default)]
struct Told {
    since: Option<Duration>,
    count: u32,
    suppressed: u64,
}

impl Told {
    /// Whether to log one more; `Some` has the number that was suppressed.
    fn admit(&mut self, now: Duration) -> Option<u64> {
        if self.since.is_none_or(|since| now.saturating_sub(since) >= TOLD_WITHIN) {
            (self.since, self.count) = (Some(now), 0);
        }
        if self.count >= TOLD_MAX {
            self.suppressed += 1;
            return None;
        }
        self.count += 1;
        Some(std::mem::take(&mut self.suppressed))
    }
}

impl TellingVerifier {
    pub(super) fn new(inner: Arc<dyn ClientCertVerifier>, clock: Arc<dyn Clock>) -> Self {
        Self { inner, clock, told: Mutex::default() }
    }

    #[cold]
    fn tell(&self, certificate: &CertificateDer<'_>, error: &Error) {
        let now = self.clock.monotonic();
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(suppressed) = told.admit(now) else { return };
        drop(told);
        let Ok((_, parsed)) = X509Certificate::from_der(certificate) else {
            tracing::warn!(%error, suppressed, "a client's certificate cannot be read");
            return;
        };
        let mut subject = parsed.subject().to_string();
        subject.truncate(subject.floor_char_boundary(SUBJECT_BYTES_MAX));
        // `{:?}` escapes untrusted text.
        if parsed.version().0 == 0 {
            tracing::warn!(
                ?subject,
                suppressed,
                "a client's certificate is X.509 version 1, which cannot be checked: make it again \
                 with extensions"
            );
        } else {
            tracing::warn!(?subject, %error, suppressed, "a client's certificate is refused");
        }
    }
}

impl fmt::Debug for TellingVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TellingVerifier").field("inner", &self.inner).finish_non_exhaustive()
    }
}

impl ClientCertVerifier for TellingVerifier {
    fn offer_client_auth(&self) -> bool {
        self.inner.offer_client_auth()
    }

    fn client_auth_mandatory(&self) -> bool {
        self.inner.client_auth_mandatory()
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.inner.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let verified = self.inner.verify_client_cert(end_entity, intermediates, now);
        verified.inspect_err(|error| self.tell(end_entity, error))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}
