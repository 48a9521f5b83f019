//! Where the fleet connects to.

use std::net::{SocketAddr, ToSocketAddrs};

use thiserror::Error;

/// A broker's address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    /// User name and password.
    pub(crate) login: Option<(String, String)>,
}

/// The address of a broker is none. Write mqtt://host:port.
#[derive(Debug, Error)]
#[error("{shown}: {reason}")]
pub(crate) struct TargetError {
    /// Without the password.
    shown: String,
    reason: String,
}

impl Target {
    /// Reads `mqtt://[user:password@]host[:port]` and looks the host up.
    pub(crate) fn parse(text: &str) -> Result<Self, TargetError> {
        let wrong = |reason: &str| {
            let shown = match text.rsplit_once('@') {
                Some((_login, host)) => format!("mqtt://…@{host}"),
                None => text.to_owned(),
            };
            TargetError { shown, reason: reason.to_owned() }
        };
        let rest = text.strip_prefix("mqtt://").or_else(|| text.strip_prefix("tcp://"));
        let rest = rest.ok_or_else(|| wrong("it does not begin with mqtt://"))?;
        let rest = rest.trim_end_matches('/');
        let (login, host) = match rest.rsplit_once('@') {
            Some((login, host)) => {
                let login = login.split_once(':').unwrap_or((login, ""));
                (Some((login.0.to_owned(), login.1.to_owned())), host)
            }
            None => (None, rest),
        };
        let has_port = host.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
        let address = if has_port { host.to_owned() } else { format!("{host}:1883") };
        let found = address.to_socket_addrs();
        let looked_up = |error| wrong(&format!("the host cannot be looked up: {error}"));
        let found = found.map_err(looked_up)?.next();
        Ok(Self { address: found.ok_or_else(|| wrong("the host has no address"))?, login })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_with_and_without_port_and_login() {
        let check = |text: &str, address: &str, login: Option<(&str, &str)>| {
            let target = Target::parse(text).unwrap();
            assert_eq!(target.address, address.parse().unwrap(), "{text}");
            let login = login.map(|(user, password)| (user.to_owned(), password.to_owned()));
            assert_eq!(target.login, login, "{text}");
        };
        check("mqtt://127.0.0.1:2883", "127.0.0.1:2883", None);
        check("mqtt://127.0.0.1/", "127.0.0.1:1883", None);
        check("mqtt://[::1]:2883", "[::1]:2883", None);
        check("mqtt://u:p@w@127.0.0.1", "127.0.0.1:1883", Some(("u", "p@w")));
        let error = Target::parse("127.0.0.1:1883").unwrap_err();
        assert_eq!(error.to_string(), "127.0.0.1:1883: it does not begin with mqtt://");
        let error = Target::parse("mqtts://u:secret@127.0.0.1").unwrap_err();
        assert_eq!(error.to_string(), "mqtt://…@127.0.0.1: it does not begin with mqtt://");
    }
}
