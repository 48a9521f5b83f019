//! The greeting of a connection: from the accepted socket to a session, or to a refusal.
//!
//! A PROXY header if required, TLS, the upgrade to a WebSocket, then the CONNECT. It may wait for
//! at most `mqtt.connect-timeout` in total, and never blocks live connections.

use std::{convert::Infallible, future::poll_fn, net::Ipv4Addr, pin::pin, rc::Rc, sync::Arc};

use futures_util::future::{Either, select};
use ntex::{io::Io, time::Millis};
use ntex_bytes::{Buf, BytesMut};
use ntex_codec::Decoder;
use ntex_io::{
    Filter, IoRef, Layer, RecvError,
    types::{PeerAddr, QueryItem},
};
use ntex_tls::rustls::{PeerCertChain, TlsServerFilter};

use super::{
    clock::TICK,
    close::Close,
    connect::{Accepted, Granted, accept, may_be_connect},
    listen::{
        BoundListener, Header, InvalidHeader, Proxied, ProxiedName, ReadThrottle, Turn, Upgrade,
        UpgradeFault, WebSocket, has_client_hello, parse_proxy_header, read_upgrade,
    },
    live::Live,
    rate::Rate,
    session::{ClientLimits, Session, Terms},
    will::Will,
    wire::{Kind, peek},
    worker::{Client, Early, SlotKey, Worker},
};
use crate::auth::{Claim, Identity, IdentityFault};

/// Serves one accepted socket until it ends.
pub(super) async fn serve(io: Io, worker: Rc<Worker>, listener: Rc<BoundListener>) {
    let _guard = worker.shared().supervisor.panic_guard("an MQTT connection");
    let Some((key, early)) = worker.admit(io.get_ref()) else { return };
    EarlyConnection { worker, key, early }.begin(io, &listener).await;
}

/// A connection before its CONNECT.
struct EarlyConnection {
    worker: Rc<Worker>,
    key: SlotKey,
    /// Its phase, in which it is counted.
    early: Early,
}

impl EarlyConnection {
    /// Reads the PROXY header if one is required, then starts the transport.
    async fn begin(mut self, io: Io, listener: &BoundListener) {
        match listener.shared.accept_rate.turn(self.worker.shared().clock.monotonic()) {
            Turn::Now => {}
            Turn::In(wait) => ntex::time::sleep(wait).await,
            Turn::Never => return self.over("accepts-per-second"),
        }
        let peer = io.query::<PeerAddr>().get().map(|peer| peer.into_inner().ip());
        if !peer.is_some_and(|peer| listener.expects_header(peer)) {
            return self.open(io, listener).await;
        }
        let header = match poll_fn(|cx| io.poll_recv(&ProxyHeader, cx)).await {
            Ok(header) => header,
            Err(_) => {
                self.worker.refused(&io, "a PROXY header was due, and none came");
                return self.over("proxy-header");
            }
        };
        let io = match header.source {
            None => io.seal(),
            Some(source) => {
                // From now on it is counted under the address of the balancer's client.
                self.worker.spoke(self.early);
                self.early = self.worker.arrived(self.key, source.ip());
                io.add_filter(Proxied { source, common_name: header.common_name }).seal()
            }
        };
        Box::pin(self.open(io, listener)).await;
    }

    /// Adds the listener's layers (TLS, WebSocket) to the connection.
    async fn open<F: Filter>(mut self, io: Io<F>, listener: &BoundListener) {
        match (listener.transport.is_secure(), listener.transport.is_web()) {
            (false, false) => self.speak(io).await,
            (false, true) => Box::pin(self.open_web(io, listener)).await,
            (true, is_web) => match Box::pin(self.secure(io, listener)).await {
                Ok(io) if is_web => Box::pin(self.open_web(io.seal(), listener)).await,
                Ok(io) => self.speak(io.seal()).await,
                Err(cause) => self.over(cause),
            },
        }
    }

    /// The TLS handshake, within the time for the CONNECT. The ClientHello, which costs most of the
    /// CPU, waits for its turn; with client certificates, so does every later read.
    async fn secure<F: Filter>(
        &mut self,
        io: Io<F>,
        listener: &BoundListener,
    ) -> Result<Io<Layer<TlsServerFilter, F>>, &'static str> {
        poll_fn(|cx| io.poll_recv(&ClientHello, cx)).await.map_err(|_| GONE_EARLY)?;
        self.early = self.worker.said_hello(self.key, self.early, &io);
        let _under_way = listener.handshake();
        self.worker.greeting_turn().await;
        let Some(tls) = &listener.shared.tls else { return Err("tls") };
        let peer = io.query::<PeerAddr>().get().map(PeerAddr::into_inner);
        let config = Arc::clone(&tls.current().config);
        // The worker's clock also ends it, with the time that the earlier phases took.
        let most = Millis::from(TICK * self.worker.limits().connect_ticks);
        let throttle = tls.asks_clients().then(|| io.query::<Rc<ReadThrottle>>());
        let handshake = Box::pin(TlsServerFilter::create(io, config, most));
        let secured = match throttle.as_ref().and_then(QueryItem::as_ref) {
            Some(throttle) => self.in_turns(handshake, throttle).await,
            None => handshake.await,
        };
        secured.map_err(|error| {
            self.worker.refused_from(peer, &format!("no handshake of TLS: {error}"));
            "tls"
        })
    }

    /// A handshake in which every read waits for its turn.
    async fn in_turns<T>(
        &self,
        handshake: impl Future<Output = T> + Unpin,
        throttle: &Rc<ReadThrottle>,
    ) -> T {
        let throttled = throttle.turn_on();
        let turns = async {
            loop {
                throttled.waiting().await;
                self.worker.greeting_turn().await;
                throttled.admit();
            }
        };
        match select(handshake, pin!(turns)).await {
            Either::Left((done, _)) => done,
            Either::Right((never, _)) => never,
        }
    }

    /// The upgrade to a WebSocket.
    async fn open_web<F: Filter>(self, io: Io<F>, listener: &BoundListener) {
        let request = UpgradeRequest(listener);
        match poll_fn(|cx| io.poll_recv(&request, cx)).await {
            Ok(upgrade) => {
                // An error means that the peer is gone, which the next read reports.
                io.encode_slice(upgrade.answer.as_bytes()).unwrap_or_default();
                self.speak(io.add_filter(WebSocket::new()).seal()).await;
            }
            Err(RecvError::Decoder(fault)) => {
                self.worker.refused(&io, fault.why());
                io.encode_slice(fault.answer().as_bytes()).unwrap_or_default();
                self.over("websocket");
                io.shutdown().await.unwrap_or_default();
            }
            Err(_) => self.over(GONE_EARLY),
        }
    }

    /// MQTT, from the CONNECT to the end.
    async fn speak<F: Filter>(self, io: Io<F>) {
        let Self { worker, key, early } = self;
        // On the heap, because it is larger than everything after it.
        let greeted = Box::pin(greet(&io, &worker, key, early)).await;
        let cause = match greeted {
            Ok(()) => Live { worker: Rc::clone(&worker), key }.run(&io).await,
            Err(cause) => cause,
        };
        worker.closed(key, cause);
        // An error here means that the peer is gone, which is the goal.
        io.shutdown().await.unwrap_or_default();
    }

    /// The connection ends before its CONNECT.
    fn over(&self, cause: &'static str) {
        self.worker.spoke(self.early);
        self.worker.closed(self.key, cause);
    }
}

/// Reads the PROXY header, and nothing after it.
struct ProxyHeader;

impl Decoder for ProxyHeader {
    type Item = Header;
    type Error = InvalidHeader;

    fn decode(&self, source: &mut BytesMut) -> Result<Option<Header>, InvalidHeader> {
        let header = parse_proxy_header(source)?;
        if let Some(header) = &header {
            source.advance(header.len);
        }
        Ok(header)
    }
}

/// Waits for a ClientHello, and leaves it to TLS.
struct ClientHello;

impl Decoder for ClientHello {
    type Item = ();
    type Error = Infallible;

    fn decode(&self, source: &mut BytesMut) -> Result<Option<()>, Infallible> {
        Ok(has_client_hello(source).then_some(()))
    }
}

/// Reads the request for a WebSocket, and nothing after it.
struct UpgradeRequest<'a>(&'a BoundListener);

impl Decoder for UpgradeRequest<'_> {
    type Item = Upgrade;
    type Error = UpgradeFault;

    fn decode(&self, source: &mut BytesMut) -> Result<Option<Upgrade>, UpgradeFault> {
        let upgrade = read_upgrade(source, &self.0.path, &self.0.shared.origins)?;
        if let Some(upgrade) = &upgrade {
            source.advance(upgrade.len);
        }
        Ok(upgrade)
    }
}

/// The reason if the peer closes before its CONNECT: usually a probe, not a vehicle that
/// disappeared.
const GONE_EARLY: &str = "gone-before-connect";

/// Waits for the CONNECT, answers it, and gives the client its slot.
///
/// # Errors
/// The reason why the connection ends, from a closed list.
async fn greet<F: Filter>(
    io: &Io<F>,
    worker: &Rc<Worker>,
    key: SlotKey,
    early: Early,
) -> Result<(), &'static str> {
    let waiting = Greeting { worker: Rc::clone(worker) };
    let received = poll_fn(|cx| io.poll_recv(&waiting, cx)).await;
    worker.spoke(early);
    worker.said_connect(key);
    let mut accepted = match received {
        Ok(Some(accepted)) => accepted,
        Ok(None) => return Err("shutdown"),
        Err(RecvError::Decoder(close)) => {
            worker.refused(io, close.log_reason());
            if let Close::Refused(refusal) = &close {
                let mut connack = Vec::new();
                refusal.write(&mut connack);
                write(io, worker, &connack);
            }
            return Err(close.cause());
        }
        Err(_) => return Err(GONE_EARLY),
    };
    worker.greeting_turn().await;
    let (limits, mut connack) = (worker.limits(), Vec::new());
    if !accepted.write_connack(limits.announced, Granted::default(), &mut connack) {
        worker.refused(io, "its maximum packet size is below that of its CONNACK");
        return Err("packet-size");
    }
    let identity = identify(io, worker, &accepted).await?;
    if let Some(will) = &accepted.will
        && !worker.may_will(&identity, will.topic())
    {
        return Err(refuse(io, worker, &accepted, IdentityFault::Will));
    }
    take_over(io, worker, key, &accepted, &identity).await?;
    let opened = worker.open(key, &identity, &accepted).await;
    let granted = opened.as_ref().map_or_else(Granted::default, |opened| Granted {
        is_present: opened.is_present,
        expiry: worker.granted(accepted.session_expiry),
    });
    connack.clear();
    accepted.write_connack(limits.announced, granted, &mut connack);
    let terms = Terms {
        version: accepted.version(),
        keep_alive: accepted.keep_alive,
        wants_persistence: accepted.session_expiry != 0,
        wants_reasons: accepted.wants_reasons,
        takes: ClientLimits {
            receive_maximum: accepted.receive_maximum,
            packet_bytes_max: accepted.packet_bytes_max,
            topic_alias_max: accepted.topic_alias_max,
        },
    };
    let session = Session::new(terms, Arc::clone(&limits.session), worker.tick());
    let mut client = Client::new(key, identity, accepted.protocol, session, worker.wall());
    client.will = accepted.will.take();
    client.rate = Rate::new(limits.rates);
    if let Some(opened) = &opened {
        worker.resume(&mut client, opened, granted.expiry);
    }
    if !worker.connected(key, client) {
        return Err(GONE_EARLY);
    }
    worker.tell_connected(key);
    // In the same turn, so that nothing is delivered before the CONNACK.
    write(io, worker, &connack);
    worker.begin(key);
    Ok(())
}

/// Authenticates the client. May wait for a password to be verified; a client that disconnects
/// meanwhile costs nothing.
///
/// # Errors
/// The reason why the connection ends; the refusal has been sent.
async fn identify<F: Filter, W>(
    io: &Io<F>,
    worker: &Worker,
    accepted: &Accepted<W>,
) -> Result<Identity, &'static str> {
    let chain = io.query::<PeerCertChain<'static>>();
    let proxied_name = io.query::<ProxiedName>();
    let peer = io.query::<PeerAddr>().get().map(PeerAddr::into_inner);
    let claim = Claim {
        address: peer.map_or(Ipv4Addr::UNSPECIFIED.into(), |peer| peer.ip()),
        client_id: accepted.client_id.as_str().into(),
        username: accepted.credentials.username.as_deref(),
        password: accepted.credentials.password.as_deref(),
        certificates: chain.as_ref().map_or(&[], |PeerCertChain(chain)| chain.as_slice()),
        proxied_name: proxied_name.as_ref().map(|ProxiedName(name)| &**name),
    };
    let identified = Box::pin(worker.shared().access.identify(claim));
    match select(identified, pin!(io.on_disconnect())).await {
        Either::Right(_) => Err(GONE_EARLY),
        Either::Left((_, _)) if worker.is_draining() => Err("shutdown"),
        Either::Left((Ok(identity), _)) => Ok(identity),
        Either::Left((Err(fault), _)) => Err(refuse(io, worker, accepted, fault)),
    }
}

/// Takes the session over from an older connection.
///
/// # Errors
/// The reason why the connection ends; the refusal has been sent.
async fn take_over<F: Filter, W>(
    io: &Io<F>,
    worker: &Worker,
    key: SlotKey,
    accepted: &Accepted<W>,
    identity: &Identity,
) -> Result<(), &'static str> {
    let taken_over = pin!(worker.take_over(key, identity.session_key()));
    let fault = match select(taken_over, pin!(io.on_disconnect())).await {
        Either::Left((true, _)) if worker.shared().access.is_known(identity) => return Ok(()),
        Either::Left((true, _)) => Some(IdentityFault::Removed),
        Either::Left((false, _)) => Some(IdentityFault::TakenOverTooOften),
        Either::Right(_) => None,
    };
    worker.give_up(key, identity.session_key());
    Err(fault.map_or(GONE_EARLY, |fault| refuse(io, worker, accepted, fault)))
}

/// Sends a client its refusal, and returns the reason for the metric.
fn refuse<W>(
    io: &IoRef,
    worker: &Worker,
    accepted: &Accepted<W>,
    fault: IdentityFault,
) -> &'static str {
    let username = accepted.credentials.username.as_deref();
    worker.refused_client(io, &accepted.client_id, username, fault);
    let mut connack = Vec::new();
    accepted.write_refusal(fault, &mut connack);
    write(io, worker, &connack);
    fault.cause()
}

fn write(io: &IoRef, worker: &Worker, packet: &[u8]) {
    // An error means that the peer is gone, which the next read reports.
    if io.encode_slice(packet).is_ok() {
        worker.wrote(packet.len());
    }
}

/// Reads the CONNECT, and nothing after it.
struct Greeting {
    worker: Rc<Worker>,
}

impl Decoder for Greeting {
    /// `None` if the appliance is stopping.
    type Item = Option<Accepted<Box<Will>>>;
    type Error = Close;

    fn decode(&self, source: &mut BytesMut) -> Result<Option<Option<Accepted<Box<Will>>>>, Close> {
        let worker = &self.worker;
        if worker.is_draining() {
            return Ok(Some(None));
        }
        // [MQTT-3.1.0-1], checked at the first byte that shows it.
        if !may_be_connect(source) {
            return Err(Close::Silent);
        }
        let limits = worker.limits();
        let frame = match peek(source, limits.connect_bytes_max) {
            Ok(Some(frame)) if frame.kind == Kind::Connect => frame,
            Ok(None) => return Ok(None),
            Ok(Some(_)) | Err(_) => return Err(Close::Silent),
        };
        let packet = &source[..frame.len];
        let session = &limits.session;
        let accepted = accept(
            packet,
            frame.header,
            limits.announced,
            || worker.assigned_id(),
            |will| {
                Will::new(
                    &will,
                    session.topic_bytes_max,
                    session.topic_levels_max,
                    session.user_properties_max,
                )
            },
        );
        let accepted = accepted.map_err(|refusal| refusal.map_or(Close::Silent, Close::Refused))?;
        worker.read(frame.len);
        source.advance(frame.len);
        Ok(Some(Some(accepted)))
    }
}
