//! `token`: the file of operators' tokens for the HTTP API.

use std::{io, path::PathBuf, time::Duration};

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use crate::{
    auth::{Role, TokenRecord, new_token},
    cli::{failure::Failure, moment, output::Output, records::Records},
    config::{self, Sources},
};

/// Makes, revokes and lists tokens in the file that `auth.tokens` names
///
/// A running appliance reloads the file.
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:
  fleetline token create ops --role admin --file tokens
  fleetline token create workshop --role command --vehicles 'WVW*' --expires 90d --file tokens
  fleetline token list --file tokens
  fleetline token revoke workshop --file tokens")]
pub(in crate::cli) struct Arguments {
    #[command(subcommand)]
    what: What,
    /// The file; absent: the one that `auth.tokens` names
    #[arg(long, global = true, value_name = "FILE")]
    file: Option<PathBuf>,
}

#[derive(clap::Subcommand, Debug)]
enum What {
    /// Makes a token and prints it, once: only its hash is kept
    #[command(after_help = "Examples:
  fleetline token create dashboard --role read --file tokens > dashboard.token
  fleetline token create workshop --role command --vehicles 'WVW*' --expires 90d --file tokens")]
    Create {
        /// What it is called in the log and the audit
        name: String,
        /// What the token allows: read; also send commands; everything
        #[arg(long, value_enum)]
        role: RoleName,
        /// Vehicles that it may see and address, NAME or PREFIX*; absent: all (may repeat)
        #[arg(long, value_name = "P")]
        vehicles: Vec<String>,
        /// How long it is valid, such as 90d or 12h; absent: until it is revoked
        #[arg(long, value_name = "D", value_parser = lifetime)]
        expires: Option<Duration>,
    },
    /// Revokes a token
    #[command(after_help = "Examples:
  fleetline token revoke workshop --file tokens")]
    Revoke {
        /// The name given to `create`
        name: String,
    },
    /// Lists tokens by name, with role, vehicles and expiry
    #[command(after_help = "Examples:
  fleetline token list --file tokens
  fleetline token list --json --file tokens")]
    List {
        /// A JSON object a line
        #[arg(long)]
        json: bool,
    },
}

/// A role as an argument.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum RoleName {
    Read,
    Command,
    Admin,
}

impl From<RoleName> for Role {
    fn from(name: RoleName) -> Self {
        match name {
            RoleName::Read => Self::Read,
            RoleName::Command => Self::Command,
            RoleName::Admin => Self::Admin,
        }
    }
}

/// A duration that is not zero.
fn lifetime(text: &str) -> Result<Duration, String> {
    let time = moment::duration(text)?;
    if time.is_zero() { Err("it would end at once".to_owned()) } else { Ok(time) }
}

pub(in crate::cli) fn run(
    arguments: &Arguments,
    sources: &Sources,
    output: &mut Output,
) -> Result<(), Failure> {
    let mut records = Records::read(&find(arguments.file.as_ref(), sources)?)?;
    match &arguments.what {
        What::Create { name, role, vehicles, expires } => {
            let is_taken = known(&records)?.iter().any(|(_, record)| record.name == *name);
            if is_taken {
                let name = name.escape_debug();
                let told = format!("there is a token `{name}` already; revoke it first");
                return Err(Failure::failed(io::Error::other(told)));
            }
            let now = Timestamp::now();
            let expires = expires.map(|time| end(now, time)).transpose()?;
            let vehicles = Some(vehicles.clone()).filter(|vehicles| !vehicles.is_empty());
            let (token, record) = new_token(name.clone(), (*role).into(), vehicles, now, expires)
                .map_err(Failure::Usage)?;
            records.lines.push(serde_json::to_string(&record).map_err(Failure::failed)?);
            records.write(sources)?;
            output.line(token.expose())
        }
        What::Revoke { name } => {
            let known = known(&records)?;
            let Some((at, _)) = known.iter().find(|(_, record)| record.name == *name) else {
                let told = format!("there is no token `{}`", name.escape_debug());
                return Err(Failure::failed(io::Error::other(told)));
            };
            records.lines.remove(*at);
            records.write(sources)
        }
        What::List { json } => {
            for (_, record) in known(&records)? {
                if *json {
                    output.json(&json!({
                        "name": record.name,
                        "role": record.role,
                        "vehicles": record.vehicles,
                        "created": record.created,
                        "expires": record.expires,
                    }))?;
                    continue;
                }
                let (name, role) = (record.name, record.role.as_str());
                let vehicles = record.vehicles.map_or("all".to_owned(), |names| names.join(","));
                let expires = record.expires.unwrap_or_else(|| "never".to_owned());
                output.line(format_args!("{name}\t{role}\tvehicles {vehicles}\tends {expires}"))?;
            }
            Ok(())
        }
    }
}

fn end(now: Timestamp, time: Duration) -> Result<Timestamp, Failure> {
    let time = SignedDuration::try_from(time).map_err(Failure::failed)?;
    now.checked_add(time).map_err(Failure::failed)
}

/// The records of a file, each with the number of its line from 0.
fn known(records: &Records) -> Result<Vec<(usize, TokenRecord)>, Failure> {
    let lines = records.lines.iter().enumerate();
    lines
        .filter(|(_, line)| Records::is_record(line))
        .map(|(at, line)| match TokenRecord::parse(line) {
            Ok(record) => Ok((at, record)),
            Err(what) => Err(Failure::failed(io::Error::other(format!("line {}: {what}", at + 1)))),
        })
        .collect()
}

fn find(named: Option<&PathBuf>, sources: &Sources) -> Result<PathBuf, Failure> {
    if let Some(file) = named {
        return Ok(file.clone());
    }
    let told = "no tokens file: name it with --file, or with auth.tokens in the configuration";
    config::load_offline(sources)?.auth.tokens.ok_or_else(|| Failure::Usage(told.to_owned()))
}
