//! `user`: the users file, for clients that authenticate with a password.

use std::{
    fs,
    io::{self, BufRead as _, IsTerminal as _},
    path::{Path, PathBuf},
};

use console::Term;
use serde_json::json;

use crate::{
    auth::{NewHash, is_name, new_hash},
    cli::{failure::Failure, output::Output, records::Records},
    config::{self, Sources},
};

/// Adds, changes, removes and lists users in the file that `auth.users` names
///
/// A running appliance reloads the file.
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:
  fleetline user add VIN1 --password-file secret --file users
  fleetline user list --file users
  fleetline user remove VIN1 --file users")]
pub(in crate::cli) struct Arguments {
    #[command(subcommand)]
    what: What,
    /// The file; absent: the one that `auth.users` names
    #[arg(long, global = true, value_name = "FILE")]
    file: Option<PathBuf>,
}

#[derive(clap::Subcommand, Debug)]
enum What {
    /// Adds a user, or changes its password
    #[command(after_help = "Examples:
  fleetline user add VIN1 --password-file secret --file users
  openssl rand -base64 30 | tee secret | fleetline user add VIN1 --long-secret --file users")]
    Add {
        /// Not empty, without slash, wildcard, colon or NUL
        name: String,
        /// The password, in the first line of this file; absent: standard input, or asked for on a
        /// terminal
        #[arg(long, value_name = "FILE")]
        password_file: Option<PathBuf>,
        /// The password is random and long, so that a cheap hash suffices; for fleets that
        /// reconnect all at once
        #[arg(long)]
        long_secret: bool,
    },
    /// Removes a user; its connections are closed
    #[command(after_help = "Examples:
  fleetline user remove VIN1 --file users")]
    Remove {
        /// The name given to `add`
        name: String,
    },
    /// Lists the names
    #[command(after_help = "Examples:
  fleetline user list --file users
  fleetline user list --json --file users")]
    List {
        /// A JSON object a line
        #[arg(long)]
        json: bool,
    },
}

pub(in crate::cli) fn run(
    arguments: &Arguments,
    sources: &Sources,
    output: &mut Output,
) -> Result<(), Failure> {
    let mut records = Records::read(&find(arguments.file.as_ref(), sources)?)?;
    match &arguments.what {
        What::Add { name, password_file, long_secret } => {
            if !is_name(name) || name.contains([':', '\n', '\r']) || name.starts_with('#') {
                let told = "a user name is not empty and holds no slash, wildcard, colon or NUL";
                return Err(Failure::Usage(told.to_owned()));
            }
            let password = password(password_file.as_deref())?;
            let kind = if *long_secret { NewHash::LongSecret } else { NewHash::Slow };
            let hash = new_hash(password.as_bytes(), kind);
            let hash = hash.map_err(|told| Failure::Usage(told.to_owned()))?;
            let line = format!("{name}:{hash}");
            match records.lines.iter_mut().find(|line| is_of(line, name)) {
                Some(old) => *old = line,
                None => records.lines.push(line),
            }
            records.write(sources)
        }
        What::Remove { name } => {
            let before = records.lines.len();
            records.lines.retain(|line| !is_of(line, name));
            if records.lines.len() == before {
                let told = format!("there is no user `{}`", name.escape_debug());
                return Err(Failure::failed(io::Error::other(told)));
            }
            records.write(sources)
        }
        What::List { json } => {
            for line in records.lines.iter().filter(|line| Records::is_record(line)) {
                let Some((name, _)) = line.split_once(':') else { continue };
                match json {
                    true => output.json(&json!({ "name": name }))?,
                    false => output.line(name.escape_debug())?,
                }
            }
            Ok(())
        }
    }
}

fn is_of(line: &str, name: &str) -> bool {
    Records::is_record(line) && line.split_once(':').is_some_and(|(found, _)| found == name)
}

fn find(named: Option<&PathBuf>, sources: &Sources) -> Result<PathBuf, Failure> {
    if let Some(file) = named {
        return Ok(file.clone());
    }
    let told = "no users file: name it with --file, or with auth.users in the configuration";
    config::load_offline(sources)?.auth.users.ok_or_else(|| Failure::Usage(told.to_owned()))
}

/// One line of a file, of standard input, or of a terminal (without echo).
#[expect(clippy::disallowed_methods, reason = "a file of the operator's, read once")]
fn password(file: Option<&Path>) -> Result<String, Failure> {
    let text = match file {
        Some(file) => fs::read_to_string(file).map_err(|error| {
            let told = format!("the password file `{}`: {error}", file.display());
            Failure::failed(io::Error::new(error.kind(), told))
        })?,
        None if io::stdin().is_terminal() => {
            let ask = |what: &str| {
                let terminal = Term::stderr();
                terminal.write_str(what).and_then(|()| terminal.read_secure_line())
            };
            let first = ask("password: ").map_err(Failure::failed)?;
            if ask("the same again: ").map_err(Failure::failed)? != first {
                return Err(Failure::Usage("the two passwords are not the same".to_owned()));
            }
            first
        }
        None => {
            let mut line = String::new();
            io::stdin().lock().read_line(&mut line).map_err(Failure::failed)?;
            line
        }
    };
    match text.lines().next() {
        None | Some("") => Err(Failure::Usage("the password is empty".to_owned())),
        Some(password) => Ok(password.to_owned()),
    }
}
