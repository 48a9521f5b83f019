//! Where the fleet connects to.

use std::net::SocketAddr;

use thiserror::Error;

use crate::env::lookup;

const PORT_USUAL: u16 = 1883;

/// A broker's address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    host: String,
    port: u16,
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
    /// Reads `mqtt://[user:password@]host[:port]`.
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
        let (login, place) = match rest.rsplit_once('@') {
            Some((login, place)) => {
                let login = login.split_once(':').unwrap_or((login, ""));
                (Some((login.0.to_owned(), login.1.to_owned())), place)
            }
            None => (None, rest),
        };
        // The colons of an IPv6 address stand in brackets.
        let (host, port) = match place.rsplit_once(':').filter(|(_, port)| !port.contains(']')) {
            Some((host, port)) => {
                let wrong = |_| wrong(&format!("{port:?} is not a port from 0 to 65535"));
                (host, port.parse().map_err(wrong)?)
            }
            None => (place, PORT_USUAL),
        };
        if host.is_empty() {
            return Err(wrong("it names no host"));
        }
        Ok(Self { host: host.to_owned(), port, login })
    }

    /// Looks the host up.
    pub(crate) async fn address(&self) -> Result<SocketAddr, TargetError> {
        let wrong = |reason: &dyn std::fmt::Display| TargetError {
            shown: format!("mqtt://{}:{}", self.host, self.port),
            reason: format!("the host cannot be looked up: {reason}"),
        };
        let found = lookup(&self.host, self.port).await.map_err(|error| wrong(&error))?;
        found.first().copied().ok_or_else(|| wrong(&"it has no address"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_with_and_without_port_and_login() {
        let check = |text: &str, host: &str, port: u16, login: Option<(&str, &str)>| {
            let login = login.map(|(user, password)| (user.to_owned(), password.to_owned()));
            let expect = Target { host: host.to_owned(), port, login };
            assert_eq!(Target::parse(text).expect(text), expect);
        };
        check("mqtt://127.0.0.1:2883", "127.0.0.1", 2883, None);
        check("mqtt://127.0.0.1/", "127.0.0.1", 1883, None);
        check("mqtt://fleet_edge", "fleet_edge", 1883, None);
        check("mqtt://[::1]:2883", "[::1]", 2883, None);
        check("tcp://[::1]", "[::1]", 1883, None);
        check("mqtt://u:p@w@127.0.0.1", "127.0.0.1", 1883, Some(("u", "p@w")));
    }

    #[test]
    fn what_is_no_address_is_told_without_the_password() {
        let check = |text: &str, expect: &str| {
            assert_eq!(Target::parse(text).expect_err(text).to_string(), expect);
        };
        check("127.0.0.1:1883", "127.0.0.1:1883: it does not begin with mqtt://");
        check("mqtts://u:secret@h", "mqtt://…@h: it does not begin with mqtt://");
        check("mqtt://h:mqtt", "mqtt://h:mqtt: \"mqtt\" is not a port from 0 to 65535");
        check("mqtt://:1883", "mqtt://:1883: it names no host");
    }

    #[tokio::test]
    async fn a_host_may_be_an_address() {
        let target = Target::parse("mqtt://[::1]:2883").expect("an address");
        assert_eq!(target.address().await.expect("an address"), "[::1]:2883".parse().expect("one"));
    }
}
