//! Host names → addresses, and the HTTP client that uses them.
//!
//! The ordinary binary asks the C library, as other programs do. The static one cannot, because the
//! C library loads its name service at run time: it reads `/etc/hosts` and asks the name servers of
//! `/etc/resolv.conf` itself. It accepts underscores in names: the rules for host names forbid
//! them, but services of a compose file may have such names, and container resolvers and
//! `/etc/hosts` know them.

use std::{
    io,
    net::{IpAddr, SocketAddr},
};

/// The builder of every HTTP client for a server that the operator has configured. It connects to
/// that server directly: a proxy from the environment is a setting that is not in the
/// configuration.
#[expect(clippy::disallowed_methods, reason = "this is the seam")]
pub(crate) fn http_client() -> reqwest::ClientBuilder {
    let builder = reqwest::Client::builder().no_proxy();
    #[cfg(feature = "static")]
    let builder = builder.dns_resolver(std::sync::Arc::new(own::Resolver::default()));
    builder
}

/// The addresses of a host, which may be an address itself; at least one.
pub(crate) async fn lookup(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    if let Ok(address) = host.trim_matches(['[', ']']).parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(address, port)]);
    }
    #[cfg(feature = "static")]
    let found: Vec<_> = own::Resolver::default().lookup(host, port).await?;
    #[cfg(not(feature = "static"))]
    let found: Vec<_> = tokio::net::lookup_host((host, port)).await?.collect();
    if found.is_empty() { Err(io::ErrorKind::NotFound.into()) } else { Ok(found) }
}

#[cfg(feature = "static")]
mod own {
    //! The resolver of the static binary.

    use std::{
        io,
        net::{Ipv4Addr, SocketAddr},
        str::FromStr as _,
        sync::{Arc, OnceLock},
    };

    use hickory_resolver::{
        TokioResolver,
        config::{LookupIpStrategy, NameServerConfig, ResolverConfig},
        net::{NetError, runtime::TokioRuntimeProvider},
        proto::rr::Name,
    };
    use reqwest::dns::{Addrs, Resolve, Resolving};

    /// Resolves names as `/etc/resolv.conf` says.
    #[derive(Clone, Default)]
    pub(super) struct Resolver {
        /// Created by the first lookup, because it needs a runtime.
        made: Arc<OnceLock<TokioResolver>>,
    }

    impl Resolver {
        pub(super) async fn lookup(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
            let resolver = match self.made.get() {
                Some(resolver) => resolver,
                None => {
                    let resolver = made().map_err(io::Error::other)?;
                    self.made.get_or_init(|| resolver)
                }
            };
            // From any text, without the rules for host names.
            let name = Name::from_str(host).map_err(io::Error::other)?;
            let found = resolver.lookup_ip(name).await.map_err(io::Error::other)?;
            let mut found: Vec<_> =
                found.iter().map(|address| SocketAddr::new(address, port)).collect();
            // IPv4 first: a caller that uses only the first address does not need a route for IPv6.
            found.sort_by_key(SocketAddr::is_ipv6);
            Ok(found)
        }

        #[cfg(test)]
        pub(super) fn asking(resolver: TokioResolver) -> Self {
            Self { made: Arc::new(OnceLock::from(resolver)) }
        }
    }

    impl Resolve for Resolver {
        fn resolve(&self, name: reqwest::dns::Name) -> Resolving {
            let resolver = self.clone();
            Box::pin(async move {
                let found = resolver.lookup(name.as_str(), 0).await?;
                let found: Addrs = Box::new(found.into_iter());
                Ok(found)
            })
        }
    }

    fn made() -> Result<TokioResolver, NetError> {
        // Without the file, ask a name server on this machine, as the C library does.
        let mut builder = TokioResolver::builder_tokio().unwrap_or_else(|_| {
            let here = NameServerConfig::udp_and_tcp(Ipv4Addr::LOCALHOST.into());
            TokioResolver::builder_with_config(
                ResolverConfig::from_name_servers(vec![here]),
                TokioRuntimeProvider::default(),
            )
        });
        builder.options_mut().ip_strategy = LookupIpStrategy::Ipv6AndIpv4;
        builder.build()
    }
}

#[cfg(all(test, feature = "static"))]
mod tests {
    use std::{
        net::{Ipv4Addr, UdpSocket},
        sync::Arc,
        thread,
    };

    use hickory_resolver::{
        Hosts, TokioResolver,
        config::{ConnectionConfig, NameServerConfig, ResolverConfig},
        net::runtime::TokioRuntimeProvider,
    };

    use super::{own::Resolver, *};

    /// A name server: every name has the address 127.0.0.7 and no other record. Its thread ends
    /// with the process.
    fn name_server() -> u16 {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let port = socket.local_addr().expect("bound").port();
        thread::spawn(move || {
            let mut query = [0; 512];
            while let Ok((len, from)) = socket.recv_from(&mut query) {
                let question_len =
                    query[12..len].iter().position(|byte| *byte == 0).expect("a name") + 5;
                let question = &query[12..12 + question_len];
                let is_a = question.ends_with(&[0, 1, 0, 1]);
                let mut answer = query[..2].to_vec();
                answer.extend([0x81, 0x80, 0, 1, 0, u8::from(is_a), 0, 0, 0, 0]);
                answer.extend(question);
                if is_a {
                    answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 127, 0, 0, 7]);
                }
                drop(socket.send_to(&answer, from));
            }
        });
        port
    }

    fn resolver(port: u16, hosts: &str) -> Resolver {
        let mut connection = ConnectionConfig::udp();
        connection.port = port;
        let server = NameServerConfig::new(Ipv4Addr::LOCALHOST.into(), true, vec![connection]);
        let config = ResolverConfig::from_name_servers(vec![server]);
        let provider = TokioRuntimeProvider::default();
        let mut resolver =
            TokioResolver::builder_with_config(config, provider).build().expect("a resolver");
        let mut known = Hosts::default();
        known.read_hosts_conf(hosts.as_bytes()).expect("a file");
        resolver.set_hosts(Arc::new(known));
        Resolver::asking(resolver)
    }

    /// o05-container-host-names: a service of a compose file may have such a name.
    #[tokio::test]
    async fn a_name_with_an_underscore_is_known_to_name_servers_and_hosts_files() {
        let resolver = resolver(name_server(), "127.0.0.5 listed_db other\n");
        let address = |last| SocketAddr::from(([127, 0, 0, last], 8086));
        assert_eq!(resolver.lookup("listed_db", 8086).await.expect("listed"), [address(5)]);
        assert_eq!(resolver.lookup("fleet_db", 8086).await.expect("answered"), [address(7)]);
    }

    #[tokio::test]
    async fn an_address_needs_no_lookup() {
        let expect: SocketAddr = "[::1]:1883".parse().expect("an address");
        assert_eq!(lookup("[::1]", 1883).await.expect("an address"), [expect]);
    }
}
