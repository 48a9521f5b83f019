//! mosquitto's configuration, password file and access list.

use std::{
    collections::BTreeMap,
    net::IpAddr,
    path::{Path, PathBuf},
};

use super::carried::{Carried, Rule, quoted};
use crate::auth::check_user_line;

/// The kind of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Configuration,
    Passwords,
    AccessList,
}

/// Reads files; a configuration names further ones.
pub(super) fn read(
    files: Vec<PathBuf>,
    text_of: &dyn Fn(&Path) -> Result<String, std::io::Error>,
) -> Result<Carried, (PathBuf, std::io::Error)> {
    let mut carried = Carried::default();
    let mut waiting: Vec<(PathBuf, Option<Kind>)> =
        files.into_iter().rev().map(|file| (file, None)).collect();
    while let Some((path, kind)) = waiting.pop() {
        let text = text_of(&path).map_err(|error| (path.clone(), error))?;
        let name = path.display().to_string();
        match kind.unwrap_or_else(|| kind_of(&text)) {
            Kind::Passwords => passwords(&name, &text, &mut carried),
            Kind::AccessList => access_list(&name, &text, &mut carried),
            Kind::Configuration => {
                for (file, kind) in configuration(&name, &text, &mut carried) {
                    // The usual working directories of mosquitto: the folder of its configuration,
                    // or the root.
                    let beside = path.parent().unwrap_or(Path::new("")).join(&file);
                    let file = if text_of(&file).is_ok() { file } else { beside };
                    waiting.push((file, Some(kind)));
                }
            }
        }
    }
    Ok(carried)
}

/// Lines that are not empty or comments, with their numbers.
fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines = text.lines().enumerate().map(|(at, line)| (at + 1, line.trim()));
    lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
}

fn kind_of(text: &str) -> Kind {
    let first = lines(text).next().map(|(_, line)| line).unwrap_or_default();
    let word = first.split_whitespace().next().unwrap_or_default();
    if first.contains(":$") {
        Kind::Passwords
    } else if ["user", "topic", "pattern"].contains(&word) {
        Kind::AccessList
    } else {
        Kind::Configuration
    }
}

fn passwords(file: &str, text: &str, carried: &mut Carried) {
    for (number, line) in lines(text) {
        match check_user_line(line) {
            Ok(()) => carried.users.push(line.to_owned()),
            Err(what) => carried.leave(file, number, what),
        }
    }
}

/// The clients to which lines of an access list apply.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Whose {
    /// Before the first `user`: clients without a name.
    Anonymous,
    User(String),
    Everybody,
}

fn access_list(file: &str, text: &str, carried: &mut Carried) {
    let mut whose = Whose::Anonymous;
    let (mut of_users, mut of_patterns) = (Vec::new(), Vec::new());
    for (number, line) in lines(text) {
        let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        let rest = rest.trim();
        match word {
            "user" => whose = Whose::User(rest.to_owned()),
            "topic" => of_users.push((number, whose.clone(), rest)),
            "pattern" => of_patterns.push((number, Whose::Everybody, rest)),
            _ => carried.leave(file, number, "neither user, topic nor pattern"),
        }
    }
    // In both lists denied entries come first, independent of their position.
    for list in [of_users, of_patterns] {
        for is_deny in [true, false] {
            for (number, whose, rest) in &list {
                let rule = rule(whose, rest);
                if rule.as_ref().is_ok_and(|rule| rule.denies == is_deny) {
                    carried.rule(file, *number, rule.unwrap_or_default());
                } else if let (Err(what), false) = (rule, is_deny) {
                    carried.leave(file, *number, what);
                    let last = carried.left.last_mut();
                    last.into_iter().for_each(|left| left.is_deny = rest.starts_with("deny "));
                }
            }
        }
    }
}

fn rule(whose: &Whose, rest: &str) -> Result<Rule, String> {
    let words = ["readwrite", "read", "write", "deny"];
    let (access, topic) = match rest.split_once(char::is_whitespace) {
        Some((word, topic)) if words.contains(&word) => (word, topic.trim()),
        _ => ("readwrite", rest),
    };
    let who = match whose {
        Whose::Everybody => Vec::new(),
        Whose::User(name) if name.contains('*') => {
            return Err("a user name with a * means others in our rules".to_owned());
        }
        Whose::User(name) => vec![name.clone()],
        Whose::Anonymous => {
            return Err("for clients without a user name only, which our rules cannot say".into());
        }
    };
    let mut topic = topic.to_owned();
    if topic.contains(['{', '}']) {
        return Err("braces stand for placeholders in our rules".to_owned());
    }
    if *whose == Whose::Everybody {
        for (theirs, ours) in [("%u", "{username}"), ("%c", "{client-id}")] {
            let is_whole = topic.split('/').all(|level| level == theirs || !level.contains(theirs));
            if !is_whole {
                return Err(format!("`{theirs}` is not a whole level of the topic"));
            }
            topic = topic.replace(theirs, ours);
        }
    }
    Ok(Rule {
        who,
        denies: access == "deny",
        publish: access != "read",
        subscribe: access != "write",
        topics: vec![topic],
    })
}

/// One listener while it is read.
#[derive(Debug, Default)]
struct Listening {
    line: usize,
    port: String,
    address: Option<String>,
    is_web: bool,
    is_secure: bool,
}

/// Reads a configuration; returns the files that it names.
fn configuration(file: &str, text: &str, carried: &mut Carried) -> Vec<(PathBuf, Kind)> {
    let mut files = Vec::new();
    let mut listening = vec![Listening::default()];
    let mut keys = BTreeMap::new();
    for (number, line) in lines(text) {
        let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        let rest = rest.trim();
        let last = listening.last_mut().expect("there is one from the start");
        match word {
            "listener" => {
                let (port, address) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
                let address = Some(address.trim().to_owned()).filter(|it| !it.is_empty());
                let port = port.to_owned();
                listening.push(Listening { line: number, port, address, ..Listening::default() });
            }
            "port" => (last.line, last.port) = (number, rest.to_owned()),
            "bind_address" => last.address = Some(rest.to_owned()),
            "protocol" => last.is_web = rest == "websockets",
            "certfile" => {
                last.is_secure = true;
                keys.insert("mqtt.tls.certificate", quoted(rest));
            }
            "keyfile" => drop(keys.insert("mqtt.tls.key", quoted(rest))),
            "cafile" => drop(keys.insert("mqtt.tls.client-ca", quoted(rest))),
            "crlfile" => drop(keys.insert("mqtt.tls.client-crl", format!("[{}]", quoted(rest)))),
            "require_certificate" if rest == "true" => {
                keys.insert("mqtt.tls.client-certificate", quoted("required"));
            }
            "allow_anonymous" => drop(keys.insert("auth.anonymous", (rest == "true").to_string())),
            "password_file" => files.push((PathBuf::from(rest), Kind::Passwords)),
            "acl_file" => files.push((PathBuf::from(rest), Kind::AccessList)),
            // Options whose effect is the default here.
            "require_certificate"
            | "use_identity_as_username"
            | "per_listener_settings"
            | "persistence"
            | "persistence_location" => {}
            _ => carried.leave(file, number, format!("`{word}` is not carried over")),
        }
    }
    for listener in listening.iter().filter(|listener| !listener.port.is_empty()) {
        let scheme = match (listener.is_web, listener.is_secure) {
            (false, false) => "mqtt",
            (false, true) => "mqtts",
            (true, false) => "ws",
            (true, true) => "wss",
        };
        let address = listener.address.as_deref().unwrap_or("0.0.0.0");
        match (address.parse::<IpAddr>(), listener.port.parse::<u16>()) {
            (Ok(ip), Ok(port)) if port > 0 => {
                let address = std::net::SocketAddr::new(ip, port);
                carried.listeners.push(format!("{scheme}://{address}"));
            }
            _ => carried.leave(file, listener.line, "no IP address with a port"),
        }
    }
    let certificates = keys.contains_key("mqtt.tls.client-certificate");
    if !certificates {
        keys.remove("mqtt.tls.client-ca");
        keys.remove("mqtt.tls.client-crl");
    }
    carried.keys.extend(keys);
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    fn carry(files: &[(&str, &str)]) -> Carried {
        let text_of = |path: &Path| {
            let found = files.iter().find(|(name, _)| Path::new(name) == path);
            let text = found.map(|(_, text)| (*text).to_owned());
            text.ok_or_else(|| std::io::ErrorKind::NotFound.into())
        };
        read(vec![files[0].0.into()], &text_of).expect("all are there")
    }

    #[test]
    fn a_configuration_leads_to_users_rules_and_listeners() {
        let carried = carry(&[
            (
                "etc/mosquitto.conf",
                "listener 1883 127.0.0.1\nlistener 8883\ncertfile c.pem\nkeyfile k.pem\n\
                 listener 8083\nprotocol websockets\nallow_anonymous false\n\
                 password_file passwd\nacl_file acl\nmax_queued_messages 10\n",
            ),
            (
                "etc/passwd",
                "V1:$7$101$c2FsdA==$c2FsdA==\nV2:$6$c2FsdA==$c2FsdA==\na/b:$6$c2FsdA==$c2FsdA==\n",
            ),
            (
                "etc/acl",
                "topic read public/#\nuser V1\ntopic write up/V1\ntopic read down/V1/#\n\
                 topic deny down/V1/secret\nuser ops\ntopic #\npattern read cars/%u/#\n\
                 pattern write dev-%c/x\n",
            ),
        ]);
        assert_eq!(carried.users.len(), 2);
        let listeners = ["mqtt://127.0.0.1:1883", "mqtts://0.0.0.0:8883", "ws://0.0.0.0:8083"];
        assert_eq!(carried.listeners, listeners);
        let expect = "[[rule]]\nwho = [\"V1\"]\ndeny = [\"publish\", \"subscribe\"]\n\
            topics = [\"down/V1/secret\"]\n\n[[rule]]\nwho = [\"V1\"]\nallow = [\"publish\"]\n\
            topics = [\"up/V1\"]\n\n[[rule]]\nwho = [\"V1\"]\nallow = [\"subscribe\"]\n\
            topics = [\"down/V1/#\"]\n\n[[rule]]\nwho = [\"ops\"]\n\
            allow = [\"publish\", \"subscribe\"]\ntopics = [\"#\"]\n\n[[rule]]\n\
            allow = [\"subscribe\"]\ntopics = [\"cars/{username}/#\"]\n\n";
        assert_eq!(carried.rules_text(), expect);
        let mut left: Vec<(&str, usize)> =
            carried.left.iter().map(|left| (left.file.as_str(), left.line)).collect();
        left.sort_unstable();
        let expect =
            [("etc/acl", 1), ("etc/acl", 9), ("etc/mosquitto.conf", 10), ("etc/passwd", 3)];
        assert_eq!(left, expect);
        let text = carried.configuration(Some("users"), Some("rules.toml"));
        assert!(text.contains("auth.users = \"users\"") && text.contains("auth.anonymous = false"));
        assert!(text.contains("mqtt.tls.certificate = \"c.pem\""));
    }

    #[test]
    fn a_deny_that_is_lost_is_told_as_one() {
        let carried = carry(&[("acl", "user V1\ntopic deny a/{x}/#\ntopic b\n")]);
        assert_eq!(carried.rules.len(), 1);
        assert!(carried.left.len() == 1 && carried.left[0].is_deny, "{:?}", carried.left);
    }
}
