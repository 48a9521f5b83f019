//! TLS as a server: its own certificate, and how those of clients are checked.
//!
//! TLS 1.2 and 1.3 by rustls with ring; older versions, and suites without forward secrecy, are not
//! supported, and in 1.3 AES-128 is preferred to AES-256 if a client supports both. Files are read
//! at start and at a reload. The configuration is replaced as a whole, so that open connections
//! stay, and a broken file changes nothing. Session tickets are made with a key per load: a revoked
//! client cannot resume after a reload.
//!
//! Our own certificate is judged by clients: every certificate of the key is served, also version
//! 1, a CA's own, or one without a subject alternative name.
//!
//! Certificates of clients must chain to one of the CAs and be within their validity. A revocation
//! list applies to its own CA only, so that it does not lock out the vehicles of another CA. An
//! expired list refuses all certificates of its CA, because later revocations are unknown. A reload
//! ends open sessions whose certificate, or an intermediate one, is now on a list, or whose CA is
//! no longer trusted.

mod load;
mod names;
mod trusted;
mod verify;

pub use load::{ClientCertificates, ServerTls, Tls, TlsFiles};
pub use names::{CertificateName, NameFault, certificate_name};
pub use trusted::{CertificatePath, Trusted};
