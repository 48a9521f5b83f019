//! Where the fleet connects to.

use std::net::{SocketAddr, ToSocketAddrs};

use super::SimulateError;

/// A broker's address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) address: SocketAddr,
    pub(super) login: Option<(String, String)>,
}

impl Target {
    /// Reads `mqtt://[user:password@]host[:port]` and looks the host up.
    pub(super) fn parse(text: &str) -> Result<Self, SimulateError> {
        let wrong = |reason| SimulateError::Target { target: text.to_owned(), reason };
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
        let found = found.map_err(|_| wrong("the host cannot be looked up"))?.next();
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
        assert!(Target::parse("127.0.0.1:1883").is_err());
    }
}
