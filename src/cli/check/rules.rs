//! `check --rules`: which rule decides what a user may do.

use std::{path::Path, sync::Arc};

use serde_json::json;

use crate::{
    auth::{Action, Decided, Grant, Identity, Proof, Rules},
    cli::{failure::Failure, output::Output},
    config::{self, Sources},
};

/// Stands for an anonymous client.
const ANONYMOUS: &str = "-";

/// Prints whether `USER` is allowed, and which rule decides it; exit code 1 if not.
pub(super) fn explain(
    question: &[String],
    client_id: Option<&str>,
    sources: &Sources,
    as_json: bool,
    output: &mut Output,
) -> Result<(), Failure> {
    let [user, action, topic] = question else {
        return Err(Failure::Usage("--rules takes a user, an action and a topic".to_owned()));
    };
    let action = match action.as_str() {
        "publish" => Action::Publish,
        "subscribe" => Action::Subscribe,
        other => {
            let told = format!("--rules: `{other}` is neither publish nor subscribe");
            return Err(Failure::Usage(told));
        }
    };
    let options = config::load_offline(sources)?.auth;
    let rules = Rules::load(&options).map_err(Failure::Files)?;
    let client_id: Arc<str> = client_id.unwrap_or(user).into();
    let identity = match user.as_str() {
        ANONYMOUS => Identity::anonymous(client_id),
        user => Identity::verified(user.into(), Some(user.into()), client_id, Proof::Password),
    };
    let (grant, decided) = rules.explain(&identity, action, topic);
    let by = place(decided, options.rules.as_deref());
    let may = grant != Grant::Refused;
    if as_json {
        output.json(&json!({
            "allowed": may,
            "asked-at-delivery": grant == Grant::Asked,
            "decided-by": by,
        }))?;
    } else {
        let word = match grant {
            Grant::Refused => "refused",
            Grant::Whole => "allowed",
            Grant::Asked => "allowed, but for topics that a deny before it covers",
        };
        output.line(format_args!("{word}: {by}"))?;
    }
    if may { Ok(()) } else { Err(Failure::Reported(1)) }
}

/// What decided; a rule as a location that an editor can open.
fn place(decided: Decided, file: Option<&Path>) -> String {
    match (decided, file) {
        (Decided::Rule(line), Some(file)) => format!("{}:{line}", file.display()),
        (Decided::NoRule, Some(file)) => format!("{}: {decided}", file.display()),
        _ => decided.to_string(),
    }
}
