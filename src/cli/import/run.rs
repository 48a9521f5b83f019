//! The command: reads files, writes files, and reports the lines that are left out.

use std::{
    fs::{self, OpenOptions},
    io::{self, Read as _, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use super::{
    carried::{Carried, Left},
    emqx, mosquitto,
};
use crate::cli::{
    failure::Failure,
    output::{Output, complain},
};

/// Imports users and access rules from another broker
///
/// Writes them as files, prints the configuration that goes with them, and reports on standard
/// error each line that it cannot convert. Fails if a `deny` line was lost.
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:
  fleetline import mosquitto /etc/mosquitto --out /etc/fleetline
  fleetline import mosquitto passwd acl
  fleetline import emqx-acl acl.conf")]
pub(in crate::cli) struct Arguments {
    #[command(subcommand)]
    from: From,
    /// Where `users` and `rules.toml` are written; existing files are not replaced
    #[arg(long, global = true, value_name = "DIR", default_value = ".")]
    out: PathBuf,
}

#[derive(clap::Subcommand, Debug)]
enum From {
    /// mosquitto: its folder, or its configuration, password file and access list
    #[command(after_help = "Examples:
  fleetline import mosquitto /etc/mosquitto --out /etc/fleetline
  fleetline import mosquitto passwd acl")]
    Mosquitto {
        /// The folder with mosquitto.conf, or files; a configuration names the others
        #[arg(required = true, value_name = "DIR|FILE")]
        files: Vec<PathBuf>,
    },
    /// EMQX: the rules of acl.conf
    #[command(after_help = "Examples:
  fleetline import emqx-acl acl.conf")]
    EmqxAcl {
        /// acl.conf
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
    },
}

/// The maximum bytes of a file.
const FILE_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// A file cannot be read or written, or already exists.
#[derive(Debug, thiserror::Error)]
#[error("the file `{}`", file.display())]
struct ImportError {
    file: PathBuf,
    #[source]
    source: io::Error,
}

fn failed(file: &Path, source: io::Error) -> Failure {
    Failure::failed(ImportError { file: file.to_owned(), source })
}

#[expect(clippy::disallowed_methods, reason = "files of the operator, read once")]
fn text_of(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    fs::File::open(path)?.take(FILE_BYTES_MAX).read_to_string(&mut text)?;
    Ok(text)
}

pub(in crate::cli) fn run(arguments: &Arguments, output: &mut Output) -> Result<(), Failure> {
    let carried = match &arguments.from {
        From::Mosquitto { files } => {
            let in_folder = |file: &PathBuf| match file.is_dir() {
                true => file.join("mosquitto.conf"),
                false => file.clone(),
            };
            let files = files.iter().map(in_folder).collect();
            mosquitto::read(files, &text_of).map_err(|(file, error)| failed(&file, error))?
        }
        From::EmqxAcl { files } => {
            let mut carried = Carried::default();
            for file in files {
                let text = text_of(file).map_err(|error| failed(file, error))?;
                emqx::read(&file.display().to_string(), &text, &mut carried);
            }
            carried
        }
    };
    let write = |name: &str, text: String| -> Result<Option<String>, Failure> {
        let path = arguments.out.join(name);
        let written = if text.is_empty() { Ok(()) } else { write_new(&path, &text) };
        written.map_err(|error| failed(&path, error))?;
        Ok((!text.is_empty()).then(|| path.display().to_string()))
    };
    let users = carried.users.iter().map(|line| format!("{line}\n")).collect();
    let users = write("users", users)?;
    let rules = write("rules.toml", carried.rules_text())?;
    output.bytes(carried.configuration(users.as_deref(), rules.as_deref()).as_bytes())?;
    for Left { file, line, what, is_deny } in &carried.left {
        let lost = if *is_deny { "a deny is lost: " } else { "" };
        complain(format_args!("{file}:{line}: not carried over: {lost}{what}"));
    }
    if carried.rules.iter().any(|rule| rule.subscribe) {
        complain("note: a filter that is wider than its rule is refused here, not thinned out");
    }
    match carried.left.iter().any(|left| left.is_deny) {
        true => Err(Failure::Reported(1)),
        false => Ok(()),
    }
}

fn write_new(path: &Path, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}
