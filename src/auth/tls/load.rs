//! Files → the configuration of a TLS server.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use arc_swap::ArcSwap;
use rustls::{
    CipherSuite, RootCertStore, ServerConfig,
    crypto::{CryptoProvider, ring},
    pki_types::{
        CertificateDer, CertificateRevocationListDer, PrivateKeyDer,
        pem::{Error as PemError, PemObject},
    },
    server::WebPkiClientVerifier,
    sign::{CertifiedKey, SingleCertAndKey},
    version::{TLS12, TLS13},
};
use x509_parser::prelude::{CertificateRevocationList, FromDer, X509Certificate};

use super::{
    trusted::{CertificateId, Trusted},
    verify::TellingVerifier,
};
use crate::{
    auth::{
        problem::{FileProblem, FileProblems},
        text,
    },
    env::Clock,
    model::UnixNanos,
    telemetry::Chain,
};

/// Whether clients present certificates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClientCertificates {
    /// Not requested.
    #[default]
    Off,
    /// Optional; a presented certificate must be valid.
    Optional,
    /// Required.
    Required,
}

/// The files of one server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsFiles {
    /// Its certificate, followed by the intermediate certificates.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// Whether clients present certificates.
    pub client_certificate: ClientCertificates,
    /// The CA certificates of clients.
    pub client_ca: Option<PathBuf>,
    /// Revocation lists of these authorities.
    pub client_crl: Vec<PathBuf>,
    /// Bytes of each file.
    pub file_bytes_max: u64,
}

/// The loaded configuration of a server.
#[derive(Debug)]
pub struct ServerTls {
    /// For each new connection.
    pub config: Arc<ServerConfig>,
    /// The trusted CAs and revoked certificates of clients.
    pub trusted: Arc<Trusted>,
    /// Until when its certificate is valid.
    pub not_after: UnixNanos,
    /// Warnings: what is allowed and most likely not intended.
    pub warnings: Vec<String>,
}

/// The TLS of one server while it runs.
#[derive(Debug)]
pub struct Tls {
    files: TlsFiles,
    clock: Arc<dyn Clock>,
    /// Swapped at a reload; a connection takes what is in force when it begins.
    current: ArcSwap<ServerTls>,
}

impl Tls {
    /// Reads the files.
    ///
    /// # Errors
    /// All errors in them.
    pub fn load(files: TlsFiles, clock: Arc<dyn Clock>) -> Result<Self, FileProblems> {
        let current = ArcSwap::from_pointee(ServerTls::load(&files, &clock)?);
        Ok(Self { files, clock, current })
    }

    /// Reads the files again; on any error in them the old configuration stays in force.
    ///
    /// # Errors
    /// All errors in them.
    pub fn reload(&self) -> Result<(), FileProblems> {
        self.current.store(Arc::new(ServerTls::load(&self.files, &self.clock)?));
        Ok(())
    }

    /// What is in force.
    #[must_use]
    pub fn current(&self) -> Arc<ServerTls> {
        self.current.load_full()
    }

    /// Whether clients are asked for certificates.
    #[must_use]
    pub fn asks_clients(&self) -> bool {
        self.files.client_certificate != ClientCertificates::Off
    }
}

/// The cipher suites, first the one whose hash has hardware support: the SHA-384 of AES-256, which
/// most clients would choose, is a tenth of the cost of a handshake.
fn provider() -> CryptoProvider {
    let mut provider = ring::default_provider();
    let first = CipherSuite::TLS13_AES_128_GCM_SHA256;
    provider.cipher_suites.sort_by_key(|suite| suite.suite() != first);
    provider
}

impl ServerTls {
    /// Reads the files.
    ///
    /// # Errors
    /// All errors in them.
    pub fn load(files: &TlsFiles, clock: &Arc<dyn Clock>) -> Result<Self, FileProblems> {
        let mut reader = Reader {
            files,
            problems: Vec::new(),
            warnings: Vec::new(),
            trusted: Trusted::default(),
        };
        let provider = Arc::new(provider());
        let certified = reader.certified(&provider);
        let verifier = match files.client_certificate {
            ClientCertificates::Off => None,
            wanted => reader.verifier(wanted, &provider, clock),
        };
        let Some((certified, not_after)) = certified.filter(|_| reader.problems.is_empty()) else {
            return Err(FileProblems(reader.problems));
        };
        let builder = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&TLS13, &TLS12])
            .expect("ring knows both versions");
        let builder = match verifier {
            Some(verifier) => builder.with_client_cert_verifier(verifier),
            None => builder.with_no_client_auth(),
        };
        let mut config = builder.with_cert_resolver(Arc::new(SingleCertAndKey::from(certified)));
        config.ignore_client_order = true;
        // A vehicle has one connection, and each resumption issues the next ticket.
        config.send_tls13_tickets = 1;
        if let Ok(ticketer) = ring::Ticketer::new() {
            config.ticketer = ticketer;
        }
        let now = clock.wall();
        if not_after < now {
            let file = files.certificate.display();
            reader.warnings.push(format!("{file}: the certificate has expired at {not_after}"));
        }
        let (trusted, warnings) = (Arc::new(reader.trusted), reader.warnings);
        Ok(Self { config: Arc::new(config), trusted, not_after, warnings })
    }
}

/// Reads files and collects the errors in them.
struct Reader<'a> {
    files: &'a TlsFiles,
    problems: Vec<FileProblem>,
    warnings: Vec<String>,
    trusted: Trusted,
}

impl Reader<'_> {
    fn problem(&mut self, file: &Path, what: impl Into<String>) {
        let file = file.display().to_string();
        self.problems.push(FileProblem { file, line: None, what: what.into() });
    }

    fn text(&mut self, file: &Path) -> Option<String> {
        let text = text::read(file, self.files.file_bytes_max);
        text.map_err(|problem| self.problems.push(problem)).ok()
    }

    /// All blocks of one kind; a problem if there is none.
    fn blocks<T: PemObject>(&mut self, file: &Path, text: &str, what: &str) -> Option<Vec<T>> {
        match T::pem_slice_iter(text.as_bytes()).collect::<Result<Vec<T>, PemError>>() {
            Ok(blocks) if !blocks.is_empty() => return Some(blocks),
            Ok(_) => self.problem(file, format!("holds no {what} in PEM")),
            Err(error) => self.problem(file, format!("is no PEM file: {}", Chain(&error))),
        }
        None
    }

    fn certified(&mut self, provider: &CryptoProvider) -> Option<(CertifiedKey, UnixNanos)> {
        let (certificate, key_file) = (self.files.certificate.clone(), self.files.key.clone());
        let chain = self.text(&certificate).and_then(|text| {
            self.blocks::<CertificateDer<'static>>(&certificate, &text, "certificate")
        });
        let key = self.text(&key_file).and_then(|text| self.key(&key_file, &text));
        let (chain, key) = (chain?, key?);
        let key = match provider.key_provider.load_private_key(key) {
            Ok(key) => key,
            Err(error) => {
                let what = format!(
                    "the key cannot be used ({error}): write an RSA key of 2048 bits or more, or \
                     one of the curves P-256, P-384 or Ed25519"
                );
                self.problem(&key_file, what);
                return None;
            }
        };
        let parsed: Vec<_> =
            chain.iter().map(|der| X509Certificate::from_der(der).ok().map(|(_, c)| c)).collect();
        let Some(Some(first)) = parsed.first() else {
            self.problem(&certificate, "the first certificate cannot be read");
            return None;
        };
        let is_keys = |certificate: &X509Certificate<'_>| {
            key.public_key().is_none_or(|public| *certificate.public_key().raw == *public)
        };
        if !is_keys(first) {
            let place = parsed.iter().flatten().position(is_keys);
            let what = match place {
                Some(at) => format!(
                    "certificate {} of the file is the key's; put it first, and those above it \
                     behind it",
                    at + 1
                ),
                None => format!("is not the certificate of the key in {}", key_file.display()),
            };
            self.problem(&certificate, what);
            return None;
        }
        let not_after = nanos(first.validity().not_after.timestamp());
        Some((CertifiedKey::new(chain, key), not_after))
    }

    fn key(&mut self, file: &Path, text: &str) -> Option<PrivateKeyDer<'static>> {
        let is_encrypted =
            text.contains("BEGIN ENCRYPTED PRIVATE KEY") || text.contains("Proc-Type: 4,ENCRYPTED");
        if is_encrypted {
            let what = "the key is encrypted, and nobody is there to type its passphrase; write it \
                        without one (openssl pkey -in KEY -out PLAIN) and let nobody else read it";
            self.problem(file, what);
            return None;
        }
        match PrivateKeyDer::from_pem_slice(text.as_bytes()) {
            Ok(key) => return Some(key),
            Err(PemError::NoItemsFound) => self.problem(file, "holds no private key in PEM"),
            Err(error) => self.problem(file, format!("is no PEM file: {}", Chain(&error))),
        }
        None
    }

    fn verifier(
        &mut self,
        wanted: ClientCertificates,
        provider: &Arc<CryptoProvider>,
        clock: &Arc<dyn Clock>,
    ) -> Option<Arc<TellingVerifier>> {
        let Some(file) = self.files.client_ca.clone() else {
            let certificate = self.files.certificate.clone();
            let what =
                "client certificates are asked for, and mqtt.tls.client-ca names no authority";
            self.problem(&certificate, what);
            return None;
        };
        let text = self.text(&file)?;
        let mut roots = RootCertStore::empty();
        let found = self.blocks::<CertificateDer<'static>>(&file, &text, "certificate")?;
        for (index, authority) in found.into_iter().enumerate() {
            self.trusted.add_authority(&authority);
            if let Err(error) = roots.add(authority) {
                let number = index + 1;
                self.problem(&file, format!("certificate {number} is no authority: {error}"));
            }
        }
        let mut lists = Vec::new();
        for file in &self.files.client_crl.clone() {
            lists.extend(self.lists(file, clock.wall()));
        }
        let mut builder =
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider))
                .with_crls(lists)
                .allow_unknown_revocation_status()
                .enforce_revocation_expiration();
        if wanted == ClientCertificates::Optional {
            builder = builder.allow_unauthenticated();
        }
        match builder.build() {
            Ok(inner) => Some(Arc::new(TellingVerifier::new(inner, Arc::clone(clock)))),
            Err(error) => {
                self.problem(&file, format!("cannot check clients with it: {error}"));
                None
            }
        }
    }

    /// The lists of one file, each in PEM.
    fn lists(&mut self, file: &Path, now: UnixNanos) -> Vec<CertificateRevocationListDer<'static>> {
        let Some(text) = self.text(file) else { return Vec::new() };
        let what = "revocation list (X509 CRL)";
        let lists = self.blocks::<CertificateRevocationListDer<'static>>(file, &text, what);
        let lists = lists.unwrap_or_default();
        for list in &lists {
            let Ok((_, parsed)) = CertificateRevocationList::from_der(list) else {
                self.problem(file, "holds a revocation list that cannot be read");
                continue;
            };
            let issuer = parsed.issuer().as_raw();
            let revoked = parsed.iter_revoked_certificates();
            let ids = revoked.map(|it| CertificateId::of_parts(issuer, it.raw_serial()));
            self.trusted.revoke(ids);
            let until = parsed.next_update().map(|time| nanos(time.timestamp()));
            if let Some(until) = until.filter(|until| *until < now) {
                self.warnings.push(format!(
                    "{}: the revocation list of {} has expired at {until}: its clients are refused \
                     until there is a newer one",
                    file.display(),
                    parsed.issuer(),
                ));
            }
        }
        lists
    }
}

fn nanos(seconds: i64) -> UnixNanos {
    UnixNanos(seconds.saturating_mul(1_000_000_000))
}
