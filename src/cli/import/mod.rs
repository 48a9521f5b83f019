//! `import`: users and access rules of another broker.
//!
//! What cannot be said in our rules is never guessed: each such line is told, with its file and
//! number, and a `deny` that is lost makes the command fail, because without it the rest allows
//! more than it did.
//!
//! - `carried`: what comes of it, and how it is written. `mosquitto`: its configuration, password
//!   file and access list. `emqx`: its `acl.conf`; `erlang`: the terms that it is written in.

mod carried;
mod emqx;
mod erlang;
mod mosquitto;
mod run;

pub(super) use run::{Arguments, run};
