//! Who may come in, and what they may do.
//!
//! - `identity`: who is at the other end, as far as it was verified.
//! - `identify`: what a CONNECT brings → an identity. `users`: passwords, verified on threads of
//!   their own; `jwt`: tokens as passwords.
//! - `tokens`: who asks the operator edge.
//! - `rules`: which topics an identity may publish on and subscribe to, as pure functions.
//! - `access`: the rules that are in force, shared by all who ask, and replaced whole by a reload.
//! - `tls`: certificates, of ours and of clients.
//! - `text`, `problem`: operators' files, and what is wrong in them.
//!
//! # What may be relied on
//! - **AU-1** A name comes from what was verified, and fills a placeholder only if it is one whole
//!   level of a topic: a name that is empty or holds `/`, `+`, `#` or NUL fills none.
//! - **AU-2** What no rule allows is refused; a file that is empty or cannot be read allows nothing
//!   and replaces nothing.
//! - **AU-4** Equal client identifiers of different identities are different sessions
//!   ([`Identity::session_key`]).
//! - **AU-3** Below `$SYS` and `$query` nobody publishes, whatever the rules say.
//! - **AU-5** On topics of commands no client publishes, whatever the rules say.
//!
//! # Why not an index of the rules
//! A topic is asked once for each session and topic, and remembered with the generation of the
//! rules (the edge's memo); what is asked so rarely may walk a list.

mod access;
mod identify;
mod identity;
mod jwt;
mod options;
mod problem;
mod rules;
mod text;
mod tls;
mod tokens;
mod users;

pub use access::{Access, check_files};
pub use identify::{Claim, IdentityFault};
pub use identity::{Identity, Proof, is_name};
pub use options::{Options, VehicleName};
pub use problem::{FileProblem, FileProblems};
pub use rules::{Action, Decided, Grant, Rules};
pub use tls::{
    CertificateName, CertificatePath, ClientCertificates, NameFault, ServerTls, Tls, TlsFiles,
    Trusted, certificate_name,
};
pub use tokens::{Caller, Role, TokenFault, TokenRecord, new_token};
pub use users::{NewHash, check_user_line, new_hash};
