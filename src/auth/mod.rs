//! Authentication and access rules.
//!
//! - `identity`: the verified identity of a client.
//! - `identify`: the credentials of a CONNECT → an identity. `users`: passwords, verified on their
//!   own threads; `jwt`: tokens as passwords.
//! - `tokens`: the tokens of operators, for HTTP.
//! - `rules`: which topics an identity may publish on and subscribe to, as pure functions.
//! - `access`: the rules in force, shared by all workers and replaced whole by a reload.
//! - `tls`: certificates of the server and of clients.
//! - `text`, `problem`: operators' files, and the errors in them.
//!
//! # Guarantees
//! - **AU-1** A name comes from verified credentials, and fills a placeholder only if it is one
//!   whole topic level: a name that is empty or holds `/`, `+`, `#` or NUL fills none.
//! - **AU-2** An operation that no rule allows is refused; a file that is empty or unreadable
//!   allows nothing and replaces nothing.
//! - **AU-4** Equal client identifiers of different identities are different sessions
//!   ([`Identity::session_key`]).
//! - **AU-3** No client publishes below `$SYS` and `$query`, whatever the rules say.
//! - **AU-5** No client publishes on topics of commands, whatever the rules say.
//!
//! # Why not an index of the rules
//! The rules decide once for each session and topic, and `mqtt` remembers the result with the
//! generation of the rules; for so rare a decision a list is fast enough.

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
