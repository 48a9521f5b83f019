//! `import`: users and access rules from another broker.
//!
//! A line that cannot be expressed in our rules is never guessed: it is reported with its file and
//! number. A lost `deny` makes the command fail, because without it the other rules allow more than
//! before.
//!
//! - `carried`: the result, and how it is written. `mosquitto`: its configuration, password file
//!   and access list. `emqx`: its `acl.conf`; `erlang`: the syntax of that file.

mod carried;
mod emqx;
mod erlang;
mod mosquitto;
mod run;

pub(super) use run::{Arguments, run};
