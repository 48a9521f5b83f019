//! TLS for the benchmark of admission: certificates on P-256, clients that knock as fast as they
//! can, and a bare acceptor of rustls that only shakes hands and welcomes.

use std::{
    fs,
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    path::Path,
    process::Command,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::{
    ClientConfig, ClientConnection, HandshakeKind, RootCertStore, ServerConfig, ServerConnection,
    StreamOwned,
    client::Resumption,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};

use super::{
    Outcome, fault,
    process::{Process, cpu_seconds},
};

/// Clients that knock at once: enough to keep a server busy.
const KNOCKERS: u8 = 8;
/// Threads of the bare acceptor.
const ACCEPTORS: usize = 8;
/// The CONNECT of the first knocker. The last byte of the client identifier is each one's own: one
/// of the same name would end its connection.
const CONNECT: [u8; 16] = *b"\x10\x0e\0\x04MQTT\x04\x02\0\x3c\0\x02ma";

/// Writes `ca.pem`, and `server.pem` with its key `server.key`, into a folder.
pub(crate) fn certify(folder: &Path) -> Outcome {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "Bench CA");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    fs::write(folder.join("ca.pem"), params.self_signed(&key)?.pem())?;
    let issuer = Issuer::new(params, key);
    let (key, params) = (KeyPair::generate()?, CertificateParams::new(vec!["localhost".into()])?);
    fs::write(folder.join("server.pem"), params.signed_by(&key, &issuer)?.pem())?;
    fs::write(folder.join("server.key"), key.serialize_pem())?;
    Ok(())
}

/// What knocking cost a server.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Knocked {
    pub(crate) connects: u64,
    /// Of them those that resumed an earlier session.
    pub(crate) resumed: u64,
    pub(crate) seconds: f64,
    /// Of the server.
    pub(crate) cpu: f64,
}

impl Knocked {
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    pub(crate) fn per_cpu_second(&self) -> f64 {
        self.connects as f64 / self.cpu
    }
}

/// Lets clients connect, be welcomed and close, over and over; `resumes` lets them resume.
pub(crate) fn knock(
    folder: &Path,
    port: u16,
    server: u32,
    seconds: u32,
    resumes: bool,
) -> Outcome<Knocked> {
    let before = cpu_seconds(server)?;
    let how = if resumes { "resumed" } else { "full" };
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("knock").arg(folder.join("ca.pem"));
    command.args([&port.to_string(), &seconds.to_string(), how]);
    let output = command.output()?;
    let cpu = cpu_seconds(server)? - before;
    let said = String::from_utf8(output.stdout)?;
    let numbers: Vec<f64> = said.split_whitespace().filter_map(|it| it.parse().ok()).collect();
    let &[connects, resumed, seconds] = &numbers[..] else {
        return Err(fault(String::from_utf8_lossy(&output.stderr)));
    };
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "counts")]
    let count = |number: f64| number as u64;
    Ok(Knocked { connects: count(connects), resumed: count(resumed), seconds, cpu })
}

/// The hidden mode `knock`.
pub(crate) fn serve_knock(ca: &str, port: &str, seconds: &str, how: &str) -> Outcome {
    let (port, seconds): (u16, u64) = (port.parse()?, seconds.parse()?);
    let resumes = how == "resumed";
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(ca)?)?;
    let began = Instant::now();
    let deadline = began + Duration::from_secs(seconds);
    let knockers: Vec<_> = (0..KNOCKERS)
        .map(|number| {
            let roots = roots.clone();
            thread::spawn(move || {
                let config = client_config(roots, resumes);
                let (mut connects, mut resumed) = (0, 0);
                while Instant::now() < deadline {
                    let kind = knock_once(&config, number, port).map_err(|it| it.to_string())?;
                    connects += 1;
                    resumed += u64::from(kind == Some(HandshakeKind::Resumed));
                }
                Ok::<(u64, u64), String>((connects, resumed))
            })
        })
        .collect();
    let (mut connects, mut resumed) = (0, 0);
    for knocker in knockers {
        let done = knocker.join().map_err(|_| fault("a client panicked"))?;
        let done = done.map_err(fault)?;
        (connects, resumed) = (connects + done.0, resumed + done.1);
    }
    super::table::line(&format!("{connects} {resumed} {}", began.elapsed().as_secs_f64()));
    Ok(())
}

fn client_config(roots: RootCertStore, resumes: bool) -> Arc<ClientConfig> {
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("ring knows it")
        .with_root_certificates(roots)
        .with_no_client_auth();
    if !resumes {
        config.resumption = Resumption::disabled();
    }
    Arc::new(config)
}

fn knock_once(
    config: &Arc<ClientConfig>,
    knocker: u8,
    port: u16,
) -> Outcome<Option<HandshakeKind>> {
    let source = SocketAddr::from((Ipv4Addr::new(127, 0, 0, 2 + knocker), 0));
    let name = "localhost".try_into()?;
    let session = ClientConnection::new(Arc::clone(config), name)?;
    let mut stream = StreamOwned::new(session, dial(source, port)?);
    let mut connect = CONNECT;
    connect[CONNECT.len() - 1] += knocker;
    stream.write_all(&connect)?;
    let mut connack = [0; 4];
    stream.read_exact(&mut connack)?;
    stream.write_all(b"\xe0\0")?;
    stream.conn.send_close_notify();
    stream.flush()?;
    Ok(stream.conn.handshake_kind())
}

/// From an address of its own, so that ports last.
pub(crate) fn dial(source: SocketAddr, port: u16) -> Outcome<TcpStream> {
    use rustix::net::{self, AddressFamily, SocketFlags, SocketType, sockopt};
    let socket =
        net::socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    sockopt::set_socket_reuseaddr(&socket, true)?;
    sockopt::set_tcp_nodelay(&socket, true)?;
    net::bind(&socket, &source)?;
    net::connect(&socket, &SocketAddr::from((Ipv4Addr::LOCALHOST, port)))?;
    Ok(TcpStream::from(socket))
}

/// The bare acceptor as a process, once it listens.
pub(crate) fn start_acceptor(folder: &Path) -> Outcome<(Process, u16)> {
    let port = super::process::free_port()?;
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("acceptor").arg(folder).arg(port.to_string());
    let process = Process::start(&mut command)?;
    super::process::wait_for_port(port, Duration::from_secs(10))?;
    Ok((process, port))
}

/// The hidden mode `acceptor`: a handshake, a CONNECT read, a CONNACK written, until the peer goes.
pub(crate) fn serve_acceptor(folder: &str, port: &str) -> Outcome {
    let folder = Path::new(folder);
    let chain = vec![CertificateDer::from_pem_file(folder.join("server.pem"))?];
    let key = PrivateKeyDer::from_pem_file(folder.join("server.key"))?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    config.ticketer = ring::Ticketer::new()?;
    let config = Arc::new(config);
    let listener = Arc::new(TcpListener::bind((Ipv4Addr::LOCALHOST, port.parse::<u16>()?))?);
    let acceptors: Vec<_> = (0..ACCEPTORS)
        .map(|_| {
            let (config, listener) = (Arc::clone(&config), Arc::clone(&listener));
            thread::spawn(move || {
                while let Ok((tcp, _)) = listener.accept() {
                    // Whoever breaks off is the next one's chance.
                    drop(welcome(&config, tcp));
                }
            })
        })
        .collect();
    for acceptor in acceptors {
        acceptor.join().map_err(|_| fault("an acceptor panicked"))?;
    }
    Ok(())
}

fn welcome(config: &Arc<ServerConfig>, tcp: TcpStream) -> Outcome {
    tcp.set_nodelay(true)?;
    let mut stream = StreamOwned::new(ServerConnection::new(Arc::clone(config))?, tcp);
    let mut connect = [0; CONNECT.len()];
    stream.read_exact(&mut connect)?;
    stream.write_all(b"\x20\x02\0\0")?;
    stream.flush()?;
    let mut rest = [0; 16];
    while stream.read(&mut rest)? > 0 {}
    Ok(())
}
