//! TLS as a server: its own certificate, and how those of clients are checked.
//!
//! TLS 1.2 and 1.3 by rustls with ring; older versions, and suites without forward secrecy, are not
//! spoken, and in 1.3 AES-128 goes before AES-256 where a client has both. Files are read at start
//! and at a reload; what is in force is swapped whole, so that connections that are open stay, and
//! a file that is wrong changes nothing. Tickets for resumption are made with a key of each load:
//! who was revoked cannot resume after a reload.
//!
//! Our own certificate is for clients to judge: whatever the key signs for is served, also version
//! 1, an authority's own, or one without a subject alternative name.
//!
//! Certificates of clients must lead to one of the authorities and be in force. A revocation list
//! speaks for its own authority only, so that one list does not lock out the vehicles of another
//! authority; a list that has expired refuses all of its authority, because nobody knows who was
//! revoked since. A reload ends the open sessions that no longer stand: their certificate, or one
//! between it and its authority, is on a list now, or their authority is not trusted any more.

mod load;
mod names;
mod trusted;
mod verify;

pub use load::{ClientCertificates, ServerTls, Tls, TlsFiles};
pub use names::{CertificateName, NameFault, certificate_name};
pub use trusted::{CertificatePath, Trusted};
