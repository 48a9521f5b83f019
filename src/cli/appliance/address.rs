//! Where the appliance is.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::{Path, PathBuf},
};

use reqwest::Url;
use serde::Deserialize;

use crate::{
    cli::failure::Failure,
    config::{self, Sources},
    env::disk::{Access, Disk as _, RealDisk},
};

/// Bytes of a lock file that are read; one of a hundred listeners is shorter.
const LOCK_BYTES_MAX: usize = 16 * 1024;
/// The name for which every loopback address is tried.
const LOCALHOST: &str = "localhost";

/// The root of the appliance's HTTP API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cli) struct Place {
    pub(super) base: Url,
    /// The addresses of the host name, if no resolver is needed.
    pub(super) addresses: Vec<SocketAddr>,
    /// The file that named it.
    pub(super) lock: Option<PathBuf>,
}

/// Why the appliance's address is unknown.
#[derive(Debug, thiserror::Error)]
enum AddressError {
    /// The data directory is the wrong one, or no appliance has run on it yet.
    #[error(
        "no appliance has run on the data directory `{}`: it has no lock file; is data-dir right? \
         --url names an appliance elsewhere", dir.display()
    )]
    NoLock { dir: PathBuf },
    /// The file is not ours, or the disk fails.
    #[error("cannot read `{}`", path.display())]
    Unreadable {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// The appliance is starting, or did not come up.
    #[error("`{}` names no address: the appliance is starting, or never came up", path.display())]
    Unannounced { path: PathBuf },
}

/// The part of a lock file that is needed here.
#[derive(Deserialize)]
struct Announcement {
    http: SocketAddr,
    #[serde(rename = "http-tls", default)]
    http_tls: bool,
}

impl Place {
    /// The named URL, else the address from the configured data directory.
    pub(in crate::cli) fn find(named: Option<&Url>, sources: &Sources) -> Result<Self, Failure> {
        if let Some(base) = named {
            return Ok(Self { base: base.clone(), addresses: Vec::new(), lock: None });
        }
        let dir = config::load_offline(sources)?.data_dir;
        Self::of_data_dir(&dir).map_err(Failure::failed)
    }

    fn of_data_dir(dir: &Path) -> Result<Self, AddressError> {
        let path = dir.join("lock");
        let text = match read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(AddressError::NoLock { dir: dir.to_path_buf() });
            }
            Err(source) => return Err(AddressError::Unreadable { path, source }),
        };
        match serde_json::from_slice(&text) {
            Ok(Announcement { http, http_tls }) => {
                Ok(Self { lock: Some(path), ..Self::local(http, http_tls) })
            }
            Err(_) => Err(AddressError::Unannounced { path }),
        }
    }

    /// From this machine to a listener on it.
    fn local(listener: SocketAddr, is_secure: bool) -> Self {
        let port = listener.port();
        let (host, addresses) = match listener.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => (Ipv4Addr::LOCALHOST.to_string(), Vec::new()),
            // Such a listener accepts IPv4 and IPv6, and a container may have no `::1`.
            IpAddr::V6(ip) if ip.is_unspecified() => {
                let both = [IpAddr::from(Ipv6Addr::LOCALHOST), Ipv4Addr::LOCALHOST.into()];
                (LOCALHOST.to_owned(), both.map(|ip| SocketAddr::new(ip, port)).to_vec())
            }
            IpAddr::V4(ip) => (ip.to_string(), Vec::new()),
            IpAddr::V6(ip) => (format!("[{ip}]"), Vec::new()),
        };
        let scheme = if is_secure { "https" } else { "http" };
        let base = format!("{scheme}://{host}:{port}");
        let base = Url::parse(&base).expect("an address and a port make a URL");
        Self { base, addresses, lock: None }
    }
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let file = RealDisk.open(path, Access::Read)?;
    let mut text = vec![0; LOCK_BYTES_MAX];
    let len = file.read_at(&mut text, 0)?;
    text.truncate(len);
    Ok(text)
}

/// Reads the value of `--url`.
pub(in crate::cli) fn url(text: &str) -> Result<Url, String> {
    let expected = || "expected an address such as http://127.0.0.1:8080".to_owned();
    let url = Url::parse(text).map_err(|_| expected())?;
    let is_fit = matches!(url.scheme(), "http" | "https")
        && url.has_host()
        && url.query().is_none()
        && url.fragment().is_none();
    if is_fit { Ok(url) } else { Err(expected()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_on_every_address_is_asked_over_loopback() {
        let check = |listener: &str, base: &str, addresses: &[&str]| {
            let place = Place::local(listener.parse().expect("an address"), false);
            assert_eq!(place.base.as_str(), base);
            let found: Vec<String> = place.addresses.iter().map(ToString::to_string).collect();
            assert_eq!(found, addresses);
        };
        check("127.0.0.1:8080", "http://127.0.0.1:8080/", &[]);
        check("10.1.2.3:8080", "http://10.1.2.3:8080/", &[]);
        check("0.0.0.0:8080", "http://127.0.0.1:8080/", &[]);
        check("[fd00::1]:8080", "http://[fd00::1]:8080/", &[]);
        check("[::]:8080", "http://localhost:8080/", &["[::1]:8080", "127.0.0.1:8080"]);
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "the test writes what an appliance would")]
    fn the_lock_file_names_the_appliance_or_says_why_it_cannot() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let dir = folder.path();
        let lock = dir.join("lock");
        let told = || Place::of_data_dir(dir).map(|place| place.base.to_string());
        let missing = told().expect_err("no lock");
        assert!(matches!(missing, AddressError::NoLock { .. }), "{missing}");
        for unannounced in ["", "{}", r#"{"http":"x"}"#] {
            std::fs::write(&lock, unannounced).expect("written");
            let error = told().expect_err(unannounced);
            assert!(matches!(error, AddressError::Unannounced { .. }), "{error}");
        }
        let text = r#"{"pid":1,"mqtt":["0.0.0.0:1883"],"http":"0.0.0.0:8080"}"#;
        std::fs::write(&lock, text).expect("written");
        assert_eq!(told().expect("an address"), "http://127.0.0.1:8080/");
    }

    #[test]
    fn a_url_is_the_root_of_a_web_server() {
        assert!(url("http://127.0.0.1:8080").is_ok());
        assert!(url("https://fleet.example/proxied/").is_ok());
        for wrong in ["", "127.0.0.1:8080", "mqtt://h", "http://h/?a=b", "http://h/#a"] {
            assert!(url(wrong).is_err(), "{wrong}");
        }
    }
}
