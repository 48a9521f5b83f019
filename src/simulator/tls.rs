//! TLS of the fleet: trusted CAs, and client certificates.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{
    ClientConfig, RootCertStore,
    client::{Resumption, WebPkiServerVerifier},
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
};
use thiserror::Error;

use super::{script::Part, shape::read_text};
use crate::env::disk::Disk;

/// The files.
#[derive(Clone, Debug, Default)]
pub(crate) struct TlsOptions {
    /// The CA of the server's certificate; `None`: those that the machine trusts.
    pub(crate) ca: Option<PathBuf>,
    /// The certificate that each vehicle presents; `{vin}` is the vehicle, each with its own.
    pub(crate) certificate: Option<String>,
    /// Its key, likewise.
    pub(crate) key: Option<String>,
}

/// The TLS configurations of connections.
#[derive(Debug)]
pub(crate) struct TlsClients {
    server: ServerName<'static>,
    /// One for all; or one for each vehicle, followed by one without a certificate.
    configs: Vec<Arc<ClientConfig>>,
}

/// TLS cannot be used.
#[derive(Debug, Error)]
pub(crate) enum TlsError {
    /// A file cannot be read.
    #[error("cannot read {}", .path.display())]
    Read {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// A file contains no certificate, or no key, in PEM.
    #[error("{} holds no {what} in PEM", .path.display())]
    NoPem { path: PathBuf, what: &'static str },
    /// The content of a file cannot be used.
    #[error("cannot use {}", .path.display())]
    Unfit {
        path: PathBuf,
        #[source]
        source: rustls::Error,
    },
    /// The machine trusts no CA. Name one with `--ca`.
    #[error("this machine trusts no authority; name the server's with --ca")]
    NoRoots,
    /// The host is not a valid name for a certificate.
    #[error("no certificate can be for the host {0:?}")]
    Host(String),
}

/// Sessions that a vehicle can resume: one is enough.
const OWN_SESSIONS: usize = 2;

impl TlsClients {
    /// Reads the files.
    ///
    /// # Errors
    /// What is wrong with one of them.
    pub(crate) fn load(
        options: &TlsOptions,
        host: &str,
        parts: &[Part],
        disk: &dyn Disk,
    ) -> Result<Self, TlsError> {
        let host = host.trim_matches(['[', ']']);
        let server = ServerName::try_from(host.to_owned());
        let server = server.map_err(|_| TlsError::Host(host.to_owned()))?;
        let provider = Arc::new(ring::default_provider());
        let roots = Arc::new(roots(options.ca.as_deref(), disk)?);
        let verifier = WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(&provider));
        let verifier = verifier.build().map_err(|_| TlsError::NoRoots)?;
        let maker = Maker { disk, provider, verifier };
        let configs = match (&options.certificate, &options.key) {
            (Some(certificate), key) => {
                let key = key.as_ref().unwrap_or(certificate);
                let is_own = certificate.contains("{vin}");
                let vehicles = if is_own { parts } else { &parts[..1.min(parts.len())] };
                let mut configs = Vec::with_capacity(vehicles.len() + 1);
                for part in vehicles {
                    let path = |text: &str| PathBuf::from(text.replace("{vin}", &part.vehicle));
                    let mut config = maker.with_certificate(path(certificate), path(key))?;
                    if is_own {
                        config.resumption = Resumption::in_memory_sessions(OWN_SESSIONS);
                    }
                    configs.push(Arc::new(config));
                }
                if is_own {
                    configs.push(Arc::new(maker.builder().with_no_client_auth()));
                }
                configs
            }
            (None, _) => vec![Arc::new(maker.builder().with_no_client_auth())],
        };
        Ok(Self { server, configs })
    }

    /// The required name of the server's certificate.
    pub(super) fn server(&self) -> &ServerName<'static> {
        &self.server
    }

    /// The configuration of the n-th connection.
    pub(super) fn config(&self, connection: usize) -> &Arc<ClientConfig> {
        &self.configs[connection.min(self.configs.len() - 1)]
    }
}

/// Creates configurations that trust the same CAs.
struct Maker<'a> {
    disk: &'a dyn Disk,
    provider: Arc<CryptoProvider>,
    verifier: Arc<WebPkiServerVerifier>,
}

impl Maker<'_> {
    fn builder(&self) -> rustls::ConfigBuilder<ClientConfig, rustls::client::WantsClientCert> {
        ClientConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_safe_default_protocol_versions()
            .expect("ring knows them")
            .with_webpki_verifier(Arc::clone(&self.verifier))
    }

    fn with_certificate(
        &self,
        certificate: PathBuf,
        key: PathBuf,
    ) -> Result<ClientConfig, TlsError> {
        let chain = certificates(self.disk, &certificate)?;
        let text = read(self.disk, &key)?;
        let private = PrivateKeyDer::from_pem_slice(text.as_bytes());
        let private = private.map_err(|_| TlsError::NoPem { path: key, what: "private key" })?;
        let config = self.builder().with_client_auth_cert(chain, private);
        config.map_err(|source| TlsError::Unfit { path: certificate, source })
    }
}

fn roots(file: Option<&Path>, disk: &dyn Disk) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    match file {
        Some(path) => {
            for authority in certificates(disk, path)? {
                let added = roots.add(authority);
                added.map_err(|source| TlsError::Unfit { path: path.to_owned(), source })?;
            }
        }
        None => {
            // Some of a machine's certificates may be unusable; the others are trusted.
            let _counts =
                roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    if roots.is_empty() { Err(TlsError::NoRoots) } else { Ok(roots) }
}

fn certificates(disk: &dyn Disk, path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let text = read(disk, path)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text.as_bytes()).collect();
    found
        .ok()
        .filter(|found| !found.is_empty())
        .ok_or_else(|| TlsError::NoPem { path: path.to_owned(), what: "certificate" })
}

fn read(disk: &dyn Disk, path: &Path) -> Result<String, TlsError> {
    read_text(disk, path).map_err(|source| TlsError::Read { path: path.to_owned(), source })
}
