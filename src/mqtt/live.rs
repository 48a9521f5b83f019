//! The live phase of a connection: a thin shell that passes packets from the socket to the session
//! and writes its answers. It contains no rule.
//!
//! One turn handles all packets of a read, inside the codec call of ntex-io, directly on the read
//! buffer; its answers are sent in one write. There is no task, timer or allocation per message.

use std::{
    future::poll_fn,
    rc::Rc,
    task::{Context, Poll},
};

use ntex::io::Io;
use ntex_bytes::{Buf, BytesMut};
use ntex_codec::Decoder;
use ntex_io::{Filter, RecvError};

use super::{
    close::{Close, SHUTTING_DOWN},
    session::{Action, Held},
    wire::{Frame, FrameError, Violation, peek},
    worker::{Client, Hold, SlotKey, Socket, Traffic, Worker},
};
use crate::uplink::{MessageOutcome, NoRoom};

/// Why reading stopped without an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pause {
    /// The session is at its bounds, or there is no memory for its next message.
    Held,
    /// The appliance is stopping.
    Draining,
    /// The connection was closed from elsewhere.
    Closed,
}

/// One live connection.
pub(super) struct Live {
    pub(super) worker: Rc<Worker>,
    pub(super) key: SlotKey,
}

impl Live {
    /// Reads until the connection ends; returns the reason, from a closed list.
    pub(super) async fn run<F: Filter>(&self, io: &Io<F>) -> &'static str {
        loop {
            let received = poll_fn(|cx| {
                self.poll_emptied(io, cx);
                io.poll_recv(self, cx)
            });
            match received.await {
                Ok(Pause::Held) => {
                    self.worker.shared().metrics.mqtt_paused_reads.inc();
                    if !self.resumed(io).await {
                        return "peer-gone";
                    }
                }
                Ok(Pause::Draining) => return self.drain(io).await,
                Ok(Pause::Closed) => return "peer-gone",
                Err(RecvError::Decoder(close)) => {
                    self.with(|client, socket| {
                        if let Close::Goodbye { with_will, expiry } = close {
                            client
                                .said_goodbye(with_will, expiry.map(|it| self.worker.granted(it)));
                        }
                        let words = close.packet(Some(client.session.terms()));
                        self.worker.write(socket, &words);
                    });
                    return close.cause();
                }
                // The peer does not read its acknowledgements, so we stop reading.
                Err(RecvError::WriteBackpressure) => {
                    if io.flush(false).await.is_err() {
                        return "peer-gone";
                    }
                }
                Err(RecvError::KeepAlive | RecvError::PeerGone(_)) => return "peer-gone",
            }
        }
    }

    /// Calls `act` with the client and its socket, while both exist.
    fn with<R>(&self, act: impl FnOnce(&mut Client, &mut Socket) -> R) -> Option<R> {
        let mut slots = self.worker.slots.borrow_mut();
        let slot = slots.get_mut(self.key)?;
        Some(act(slot.client.as_mut()?, slot.socket.as_mut()?))
    }

    /// Delivers more once a full write buffer has become empty.
    fn poll_emptied<F: Filter>(&self, io: &Io<F>, cx: &mut Context<'_>) {
        let is_stuffed = self.with(|_, socket| socket.is_stuffed) == Some(true);
        if is_stuffed && io.poll_flush(cx, true).is_ready() {
            self.worker.unstuffed(self.key);
        }
    }

    /// Waits until reading may continue; false if the peer disconnected first.
    async fn resumed<F: Filter>(&self, io: &Io<F>) -> bool {
        let mut gone = std::pin::pin!(io.on_disconnect());
        // A publisher never waits for a client that is not read itself.
        self.with(|client, _| self.worker.release_all(client));
        let alive = poll_fn(|cx| {
            if gone.as_mut().poll(cx).is_ready() {
                return Poll::Ready(false);
            }
            self.poll_emptied(io, cx);
            let draining = self.worker.is_draining();
            let held = self.with(|_, socket| {
                socket.resume.register(cx.waker());
                socket.hold != Hold::Nothing
            });
            match held {
                Some(true) if !draining => Poll::Pending,
                Some(_) => Poll::Ready(true),
                None => Poll::Ready(false),
            }
        })
        .await;
        self.with(|client, _| client.session.resumed(self.worker.tick()));
        alive
    }

    /// Waits until every received message is acknowledged, then sends DISCONNECT.
    async fn drain<F: Filter>(&self, io: &Io<F>) -> &'static str {
        self.with(|client, socket| {
            socket.hold = Hold::Full;
            self.worker.release_all(client);
        });
        let mut gone = std::pin::pin!(io.on_disconnect());
        poll_fn(|cx| {
            let idle = self.with(|client, socket| {
                socket.resume.register(cx.waker());
                client.session.is_idle()
            });
            if idle.unwrap_or(true) || gone.as_mut().poll(cx).is_ready() {
                return Poll::Ready(());
            }
            Poll::Pending
        })
        .await;
        self.with(|client, socket| {
            let terms = Some(client.session.terms());
            self.worker.write(socket, &Close::Reason(SHUTTING_DOWN).packet(terms));
        });
        "shutdown"
    }

    fn packet_max(&self, first: u8) -> usize {
        let limits = self.worker.limits();
        if first >> 4 == 3 { limits.packet_bytes_max } else { limits.control_bytes_max }
    }

    /// Handles every whole packet in the buffer. Returns the bytes used.
    fn packets(
        &self,
        client: &mut Client,
        socket: &mut Socket,
        source: &[u8],
        out: &mut Vec<u8>,
    ) -> (usize, Result<Option<Pause>, Close>) {
        let rates = self.worker.limits().rates;
        let mut used = 0;
        let mut traffic = Traffic::default();
        let ended = loop {
            let answered = out.len();
            if self.worker.is_draining() {
                break Ok(Some(Pause::Draining));
            }
            if client.session.is_full() {
                socket.hold = Hold::Full;
                break Ok(Some(Pause::Held));
            }
            let rest = &source[used..];
            let Some(&first) = rest.first() else { break Ok(None) };
            let is_publish = first >> 4 == 3;
            if is_publish && client.rate.is_spent(rates) {
                self.worker.shared().metrics.mqtt_slowed_reads.inc();
                socket.hold = Hold::Rate;
                break Ok(Some(Pause::Held));
            }
            match peek(rest, self.packet_max(first)) {
                Ok(Some(frame)) => match self.packet(client, frame, rest, out) {
                    Ok(Ok(())) => {
                        used += frame.len;
                        traffic.packets_read += 1;
                        traffic.packets_written += u64::from(out.len() > answered);
                        if is_publish {
                            client.rate.spend(frame.len);
                        }
                    }
                    Ok(Err(NoRoom)) => {
                        socket.hold = Hold::NoRoom;
                        break Ok(Some(Pause::Held));
                    }
                    Err(close) => {
                        used += frame.len;
                        traffic.packets_read += 1;
                        break Err(close);
                    }
                },
                Ok(None) => break Ok(None),
                Err(error) => break Err(self.misframed(error, first)),
            }
        };
        self.worker.traffic(|all| {
            all.packets_read += traffic.packets_read;
            all.packets_written += traffic.packets_written;
        });
        (used, ended)
    }

    /// Handles one whole packet, unless there is no memory for it.
    fn packet(
        &self,
        client: &mut Client,
        frame: Frame,
        rest: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<Result<(), NoRoom>, Close> {
        let worker = &self.worker;
        let action = client.session.on_packet(frame, &rest[..frame.len], out);
        let action = action.inspect_err(|_| {
            // A publish that breaks a rule is refused; any other packet is not counted.
            if rest[0] >> 4 == 3 {
                worker.dirty();
                worker.intake.borrow_mut().pass(MessageOutcome::Refused);
            }
        })?;
        let publish = match action {
            Action::Nothing => return Ok(Ok(())),
            Action::Subscribe(asked) => {
                worker.subscribe(self.key, client, &asked, out)?;
                return Ok(Ok(()));
            }
            Action::Unsubscribe(asked) => {
                worker.unsubscribe(self.key, client, &asked, out)?;
                return Ok(Ok(()));
            }
            Action::Complete(id) => {
                worker.complete(self.key, client, id);
                return Ok(Ok(()));
            }
            Action::Refuse(publish) => {
                let taken = worker.intake.borrow_mut().pass(MessageOutcome::Refused);
                worker.dirty();
                client.session.queue(&publish, Held::of(taken));
                return Ok(Ok(()));
            }
            Action::Take(publish) => publish,
        };
        let Ok(held) = worker.take(self.key, client, &publish, 0) else { return Ok(Err(NoRoom)) };
        worker.dirty();
        client.session.queue(&publish, held);
        Ok(Ok(()))
    }

    fn misframed(&self, error: FrameError, first: u8) -> Close {
        match error {
            FrameError::Length => Close::Silent,
            FrameError::Packet(violation) => violation.into(),
            FrameError::TooLarge => {
                if first >> 4 == 3 {
                    self.worker.dirty();
                    self.worker.intake.borrow_mut().pass(MessageOutcome::Refused);
                }
                Violation::PacketTooLarge.into()
            }
        }
    }
}

impl Decoder for Live {
    type Item = Pause;
    type Error = Close;

    /// The turn of one connection.
    fn decode(&self, source: &mut BytesMut) -> Result<Option<Pause>, Close> {
        let worker = &self.worker;
        let mut slots = worker.slots.borrow_mut();
        let Some(slot) = slots.get_mut(self.key) else { return Ok(Some(Pause::Closed)) };
        let (Some(client), Some(socket)) = (slot.client.as_mut(), slot.socket.as_mut()) else {
            return Ok(Some(Pause::Closed));
        };
        if socket.hold != Hold::Nothing {
            return Ok(Some(Pause::Held));
        }
        let ended = worker.with_scratch(|out| {
            let (used, ended) = self.packets(client, socket, source, out);
            if used > 0 {
                worker.read(used);
                source.advance(used);
                worker.respond(client, socket, out);
            }
            client.session.read(used > 0, !source.is_empty(), worker.tick());
            worker.write(socket, out);
            ended
        });
        if socket.hold == Hold::Full && !client.session.is_full() {
            // Its pending publishes did not need the disk, and have just been acknowledged.
            socket.hold = Hold::Nothing;
        }
        if socket.hold == Hold::NoRoom {
            slots.hold(self.key);
        }
        ended
    }
}
