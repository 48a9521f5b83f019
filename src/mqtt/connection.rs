//! One connection: the thin shell that feeds a session from the socket and writes what it answers.
//!
//! All packets that a read brought are handled in one turn, inside the codec call of ntex-io, on
//! the bytes as they lie in the read buffer; the acknowledgements that are due leave in one write.
//! There is no task, timer or allocation a message.
//!
//! Why `RefCell`: a connection lives on one worker thread; its session is touched by the socket's
//! turn and by the lanes' answers, never by both at once, and never across an await.

use std::{
    cell::{Cell, RefCell},
    fmt,
    future::poll_fn,
    rc::Rc,
    task::Poll,
};

use ntex::{io::Io, task::LocalWaker};
use ntex_bytes::{Buf, BytesMut};
use ntex_codec::Decoder;
use ntex_io::{IoRef, RecvError, types::PeerAddr};
use ntex_mqtt::{v3::codec as v3, v5::codec as v5};

use super::{
    client::{Client, Moment},
    close::{Close, KEEP_ALIVE_TIMEOUT, PACKET_TIMEOUT, SHUTTING_DOWN, TAKEN_OVER},
    control::{Answer, refuse_filters},
    handshake::{Connack, accept},
    session::{Admit, Session},
    wire::{
        Frame, FrameError, Kind, Version, Violation, peek, read_ack, read_disconnect, read_publish,
    },
    worker::{Tick, Worker},
};
use crate::{
    model::{SessionQuestion, Told},
    uplink::{LastLine, Settlement},
};

/// A shared connection, compared by identity.
#[derive(Clone)]
pub(super) struct Owner(pub(super) Rc<Connection>);

impl PartialEq for Owner {
    fn eq(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.0, &other.0)
    }
}

impl fmt::Debug for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Owner").field(&self.0.id).finish()
    }
}

/// One connection of one worker.
pub(super) struct Connection {
    id: u64,
    io: IoRef,
    worker: Rc<Worker>,
    /// `None` until a CONNECT was accepted. Stays after the connection closed, because what it took
    /// in still has to settle.
    session: RefCell<Option<Session>>,
    /// From an accepted CONNECT to the end of the connection.
    client: RefCell<Option<Client>>,
    /// Ticks; 0 switches the check off.
    keep_alive: Cell<u32>,
    /// When the last whole packet came (at first: when the connection was accepted).
    seen: Cell<Tick>,
    /// Since when a part of a packet waits for its rest.
    partial: Cell<Option<Tick>>,
    /// Reading has stopped until something is acknowledged; the keep-alive clock stands still.
    paused: Cell<bool>,
    /// A lane that holds messages of ours is over its bound.
    crowded: Cell<bool>,
    resume: LocalWaker,
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("id", &self.id).finish_non_exhaustive()
    }
}

/// Why reading stopped without an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pause {
    /// The session is at its bounds.
    Full,
    /// The appliance is stopping.
    Draining,
}

/// Serves one accepted socket until it ends.
pub(super) async fn serve(io: Io, worker: Rc<Worker>) {
    let Some(owner) = worker.admit(|id| Connection::new(id, io.get_ref(), Rc::clone(&worker)))
    else {
        return;
    };
    let cause = owner.read(&io).await;
    owner.0.worker.closed(owner.0.id, cause);
    // An error here means that the peer is gone, which is what was wanted.
    io.shutdown().await.unwrap_or_default();
}

impl Connection {
    fn new(id: u64, io: IoRef, worker: Rc<Worker>) -> Self {
        Self {
            id,
            io,
            session: RefCell::new(None),
            client: RefCell::new(None),
            keep_alive: Cell::new(0),
            seen: Cell::new(worker.tick()),
            partial: Cell::new(None),
            paused: Cell::new(false),
            crowded: Cell::new(false),
            resume: LocalWaker::new(),
            worker,
        }
    }

    /// What is overdue at this tick: closes the connection. Called once a tick by the worker.
    pub(super) fn check_clock(&self, now: Tick) {
        if self.paused.get() {
            self.seen.set(now);
            return;
        }
        let limits = self.worker.limits();
        let silent = now.since(self.seen.get());
        if self.session.borrow().is_none() {
            if silent > limits.connect_ticks {
                self.close(&Close::Silent, "connect-timeout");
            }
        } else if self.keep_alive.get() != 0 && silent > self.keep_alive.get() {
            self.close(&Close::Reason(KEEP_ALIVE_TIMEOUT), "keep-alive-timeout");
        } else if self.partial.get().is_some_and(|since| now.since(since) > limits.packet_ticks) {
            self.close(&Close::Reason(PACKET_TIMEOUT), "packet-timeout");
        }
    }

    /// Ends the connection at once; its task notices later. What it took in still settles.
    fn close(&self, close: &Close, cause: &'static str) {
        self.say(close);
        self.io.close();
        self.worker.closed(self.id, cause);
    }

    /// Another session has taken the client id over.
    pub(super) fn taken_over(&self) {
        self.close(&Close::Reason(TAKEN_OVER), "taken-over");
    }

    /// Wakes the connection so that it notices that the appliance is stopping.
    pub(super) fn wake(&self) {
        self.resume.wake();
        self.io.notify_dispatcher();
    }

    /// Keeps the last line of a run, which is durable.
    pub(super) fn keep(&self, last: LastLine<'_>) {
        let mut borrowed = self.client.borrow_mut();
        // One that has gone is not present any more, whatever still settles.
        let Some(client) = borrowed.as_mut() else { return };
        let worker = &self.worker;
        let (session, now) = (worker.session_id(self.id), worker.wall());
        let moment = Moment { session, now, presence: worker.presence() };
        if let Err(why) = client.keep(last, &worker.limits().carried, moment) {
            worker.unkept(why);
        }
    }

    /// Answers an operator's question about one of its vehicles.
    pub(super) fn tell(&self, question: &SessionQuestion) -> Option<Told> {
        let address = self.io.query::<PeerAddr>().get().map(PeerAddr::into_inner);
        let last_packet_at = self.worker.wall_at(self.seen.get());
        self.client.borrow().as_ref()?.tell(question, address, last_packet_at)
    }

    /// The connection has ended.
    pub(super) fn left(&self) {
        if let Some(client) = self.client.take() {
            let session = self.worker.session_id(self.id);
            self.worker.release(client.id(), session);
            client.left(session, self.worker.presence());
        }
    }

    /// One thing that `count` publishes from `first` on waited for is durable.
    pub(super) fn durable(&self, first: u64, count: u32, settled: impl FnMut(Settlement)) {
        if let Some(session) = self.session.borrow_mut().as_mut() {
            session.durable(first, count, settled);
        }
        self.acknowledge();
    }

    /// Writes the acknowledgements that are due, in one piece, and reads on if that made room.
    fn acknowledge(&self) {
        let mut borrowed = self.session.borrow_mut();
        let Some(session) = borrowed.as_mut() else { return };
        self.worker.with_scratch(|out| {
            session.acknowledge(out);
            self.write(out);
        });
        if self.crowded.get() && session.is_idle() {
            self.crowded.set(false);
        }
        if self.paused.get() && !session.is_full() && !self.crowded.get() {
            self.resume.wake();
        }
    }

    fn write(&self, bytes: &[u8]) {
        // An error means that the connection is closing: nobody is left to read this.
        if !bytes.is_empty() && self.io.encode_slice(bytes).is_ok() {
            self.worker.wrote(bytes.len());
        }
    }

    /// Says why the connection closes, where the version has words for it.
    fn say(&self, close: &Close) {
        match close {
            Close::Silent | Close::Goodbye => {}
            Close::Reason(reason) => {
                let version = self.session.borrow().as_ref().map(Session::version);
                if version == Some(Version::V5) {
                    self.write(&[0xe0, 1, *reason]);
                }
            }
            Close::Refused(connack) => {
                let written = self.connack(connack, 0);
                debug_assert!(written, "a refusal of ours is always well formed");
            }
        }
    }

    /// Answers a CONNECT; false if the client cannot take a packet of that size ([MQTT-3.1.2-24]).
    fn connack(&self, connack: &Connack, bytes_max: u32) -> bool {
        match connack {
            Connack::V3(answer) => {
                let packet = v3::Encoded::Packet(v3::Packet::ConnectAck(*answer));
                self.io.encode(packet, &v3::Codec::new()).is_ok()
            }
            Connack::V5(answer) => {
                let packet = v5::Encoded::Packet(v5::Packet::ConnectAck(answer.clone()));
                let codec = v5::Codec::new();
                codec.set_max_outbound_size(bytes_max);
                self.io.encode(packet, &codec).is_ok()
            }
        }
    }
}

impl Owner {
    /// Reads until the connection ends; tells why in a word of a closed list.
    async fn read(&self, io: &Io) -> &'static str {
        loop {
            match poll_fn(|cx| io.poll_recv(self, cx)).await {
                Ok(Pause::Full) => {
                    self.0.worker.paused();
                    if !self.resumed(io).await {
                        return "peer-gone";
                    }
                }
                Ok(Pause::Draining) => return self.drain(io).await,
                Err(RecvError::Decoder(close)) => {
                    self.0.say(&close);
                    return match close {
                        Close::Silent => "not-mqtt",
                        Close::Reason(_) => "protocol",
                        Close::Refused(_) => "refused",
                        Close::Goodbye => "goodbye",
                    };
                }
                // The peer does not read its acknowledgements: neither do we read on.
                Err(RecvError::WriteBackpressure) => {
                    if io.flush(false).await.is_err() {
                        return "peer-gone";
                    }
                }
                Err(RecvError::KeepAlive | RecvError::PeerGone(_)) => return "peer-gone",
            }
        }
    }

    /// Waits until there is room again; false if the peer went away first.
    async fn resumed(&self, io: &Io) -> bool {
        let mut gone = std::pin::pin!(io.on_disconnect());
        let alive = poll_fn(|cx| {
            if gone.as_mut().poll(cx).is_ready() {
                return Poll::Ready(false);
            }
            if self.0.worker.is_draining() || !self.is_full() {
                return Poll::Ready(true);
            }
            self.0.resume.register(cx.waker());
            Poll::Pending
        })
        .await;
        self.0.paused.set(false);
        self.0.seen.set(self.0.worker.tick());
        alive
    }

    /// Waits until all that was taken in is acknowledged, then says goodbye.
    async fn drain(&self, io: &Io) -> &'static str {
        self.0.paused.set(true);
        let mut gone = std::pin::pin!(io.on_disconnect());
        poll_fn(|cx| {
            let idle = self.0.session.borrow().as_ref().is_none_or(Session::is_idle);
            if idle || gone.as_mut().poll(cx).is_ready() {
                return Poll::Ready(());
            }
            self.0.resume.register(cx.waker());
            Poll::Pending
        })
        .await;
        self.0.say(&Close::Reason(SHUTTING_DOWN));
        "shutdown"
    }

    fn is_full(&self) -> bool {
        let full = self.0.session.borrow().as_ref().is_some_and(Session::is_full);
        full || self.0.crowded.get()
    }

    fn packet_max(&self, first: u8) -> usize {
        let limits = self.0.worker.limits();
        if self.0.session.borrow().is_none() {
            limits.connect_bytes_max
        } else if first >> 4 == 3 {
            limits.packet_bytes_max
        } else {
            limits.control_bytes_max
        }
    }

    /// Handles one whole packet.
    fn packet(&self, frame: Frame, packet: &[u8]) -> Result<(), Close> {
        let version = self.0.session.borrow().as_ref().map(Session::version);
        let body = &packet[frame.header..];
        match (version, frame.kind) {
            (None, Kind::Connect) => self.connect(packet, frame.header),
            // [MQTT-3.1.0-1]
            (None, _) => Err(Close::Silent),
            (Some(version), Kind::Publish(flags)) => self.publish(version, flags, body),
            (Some(_), Kind::PingReq) if body.is_empty() => {
                self.0.write(&[0xd0, 0]);
                Ok(())
            }
            (Some(version), Kind::PubRel) => {
                let id = read_ack(version, body)?.packet_id;
                if let Some(session) = self.0.session.borrow_mut().as_mut() {
                    self.0.worker.with_scratch(|out| {
                        session.release(id, out);
                        self.0.write(out);
                    });
                }
                Ok(())
            }
            // Nothing was sent that these could answer; well formed, they harm nobody.
            (Some(version), Kind::PubAck | Kind::PubComp) => {
                read_ack(version, body)?;
                Ok(())
            }
            (Some(version), Kind::PubRec) => {
                let [high, low] = read_ack(version, body)?.packet_id.get().to_be_bytes();
                self.0.write(&[0x62, 2, high, low]);
                Ok(())
            }
            (Some(version), Kind::Subscribe | Kind::Unsubscribe) => {
                self.refuse_filters(version, packet, frame.header)
            }
            (Some(version), Kind::Disconnect) => {
                read_disconnect(version, body)?;
                Err(Close::Goodbye)
            }
            (Some(_), Kind::PingReq) => Err(Violation::Malformed.into()),
            // A second CONNECT ([MQTT-3.1.0-2]); AUTH, which was never asked for.
            (Some(_), Kind::Connect | Kind::Auth) => Err(Violation::Protocol.into()),
        }
    }

    fn connect(&self, packet: &[u8], header: usize) -> Result<(), Close> {
        let worker = &self.0.worker;
        let accepted = accept(packet, header, worker.limits().announced, || worker.assigned_id())
            .map_err(|refusal| refusal.map_or(Close::Silent, Close::Refused))?;
        if !self.0.connack(&accepted.answer, accepted.answer_bytes_max) {
            return Err(Close::Silent);
        }
        // One and a half times the keep alive, in ticks of half a second ([MQTT-3.1.2-24]).
        self.0.keep_alive.set(u32::from(accepted.keep_alive) * 3);
        worker.opened(accepted.has_will);
        let client_id = accepted.client_id.into();
        worker.take_over(&client_id, self.0.id);
        let (version, keep_alive) = (accepted.version, accepted.keep_alive);
        let client = Client::new(client_id, version, keep_alive, worker.wall());
        *self.0.client.borrow_mut() = Some(client);
        *self.0.session.borrow_mut() =
            Some(Session::new(accepted.version, worker.limits().session));
        Ok(())
    }

    fn publish(&self, version: Version, flags: u8, body: &[u8]) -> Result<(), Close> {
        let mut borrowed = self.0.session.borrow_mut();
        let Some(session) = borrowed.as_mut() else { return Err(Close::Silent) };
        let worker = &self.0.worker;
        let read = read_publish(version, flags, body);
        let admitted = read.and_then(|publish| Ok((publish, session.admit(&publish)?)));
        let (publish, admit) = admitted.inspect_err(|_| {
            worker.with_intake(|intake| intake.refuse());
        })?;
        worker.received(publish.retain);
        let taken = match admit {
            Admit::Again => return Ok(()),
            Admit::Refuse => worker.with_intake(|intake| intake.refuse()),
            Admit::Take => worker.with_intake(|intake| {
                let (topic, seq) = (session.topic(&publish), session.next_seq());
                intake.take(topic, publish.payload, publish.content_type, self, seq)
            }),
        };
        session.queue(&publish, taken.waits, taken.settlement);
        if taken.crowded {
            self.0.crowded.set(true);
        }
        Ok(())
    }

    fn refuse_filters(&self, version: Version, packet: &[u8], header: usize) -> Result<(), Close> {
        let written = match refuse_filters(version, packet, header)? {
            Answer::V3(answer) => {
                self.0.io.encode(v3::Encoded::Packet(answer), &v3::Codec::new()).is_ok()
            }
            Answer::V5(answer) => {
                self.0.io.encode(v5::Encoded::Packet(answer), &v5::Codec::new()).is_ok()
            }
        };
        debug_assert!(written, "an answer of ours is always well formed");
        Ok(())
    }
}

impl Decoder for Owner {
    type Item = Pause;
    type Error = Close;

    /// Handles every whole packet in the buffer: the turn of one connection.
    fn decode(&self, source: &mut BytesMut) -> Result<Option<Pause>, Close> {
        let mut used = 0;
        let ended = loop {
            if self.0.worker.is_draining() {
                break Ok(Some(Pause::Draining));
            }
            if self.is_full() {
                self.0.paused.set(true);
                break Ok(Some(Pause::Full));
            }
            let rest = &source[used..];
            let Some(&first) = rest.first() else { break Ok(None) };
            match peek(rest, self.packet_max(first)) {
                Ok(Some(frame)) => {
                    used += frame.len;
                    if let Err(close) = self.packet(frame, &rest[..frame.len]) {
                        break Err(close);
                    }
                }
                Ok(None) => break Ok(None),
                Err(error) => break Err(self.misframed(error, first)),
            }
        };
        if used > 0 {
            self.0.worker.read(used);
            source.advance(used);
            self.0.seen.set(self.0.worker.tick());
            self.0.acknowledge();
        }
        let since = self.0.partial.get().filter(|_| used == 0);
        let part = !source.is_empty();
        self.0.partial.set(part.then(|| since.unwrap_or(self.0.worker.tick())));
        ended
    }
}

impl Owner {
    fn misframed(&self, error: FrameError, first: u8) -> Close {
        if self.0.session.borrow().is_none() {
            return Close::Silent;
        }
        match error {
            FrameError::Length => Close::Silent,
            FrameError::Packet(violation) => violation.into(),
            FrameError::TooLarge => {
                if first >> 4 == 3 {
                    self.0.worker.with_intake(|intake| intake.refuse());
                }
                Violation::PacketTooLarge.into()
            }
        }
    }
}
