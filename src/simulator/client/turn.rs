//! The work of one connection in its turn.

use std::{cmp::Reverse, num::NonZeroU16};

use mio::{Interest, Token, event::Event};

use super::{
    link::{self, State},
    load::{INPUT_BYTES, Load, LoadError, Phase, nanos},
    obey::RECEIPT_ID,
    pace::backoff,
    session::Answer,
    stream::Stream,
};
use crate::mqtt::wire::{
    self, Ack, AckKind, ConnectRequest, DISCONNECT, Frame, PINGREQ, Publish, PublishHead, Qos,
    ServerKind, Version, Violation,
};

/// About the maximum bytes of a write; the rest waits for the next turn.
const WRITE_BYTES_MAX: usize = 60 * 1024;
/// The largest packet that is read, which is a message for a subscriber.
const PACKET_BYTES_MAX: usize = INPUT_BYTES - 1;

/// A packet from a server.
enum Heard<'a> {
    Connack(wire::Connack),
    Puback(Ack),
    Pubrec(Ack),
    Pubcomp(Ack),
    /// A message for a subscriber.
    Publish(Publish<'a>),
    Pubrel(Ack),
    /// The SUBACK for the connection's only SUBSCRIBE.
    Suback {
        reasons: &'a [u8],
    },
    Pingresp,
    Disconnect {
        reason: u8,
    },
}

impl<'a> Heard<'a> {
    fn read(
        version: Version,
        frame: Frame<ServerKind>,
        packet: &'a [u8],
    ) -> Result<Self, Violation> {
        let body = &packet[frame.header..frame.len];
        Ok(match frame.kind {
            ServerKind::ConnAck => Self::Connack(wire::read_connack(version, body)?),
            ServerKind::PubAck => Self::Puback(wire::read_ack(version, AckKind::Ack, body)?),
            ServerKind::PubRec => Self::Pubrec(wire::read_ack(version, AckKind::Rec, body)?),
            ServerKind::PubComp => Self::Pubcomp(wire::read_ack(version, AckKind::Comp, body)?),
            ServerKind::Publish(flags) => Self::Publish(wire::read_publish(version, flags, body)?),
            ServerKind::PubRel => Self::Pubrel(wire::read_ack(version, AckKind::Rel, body)?),
            ServerKind::SubAck => Self::Suback { reasons: wire::read_suback(version, body)? },
            ServerKind::PingResp => Self::Pingresp,
            ServerKind::Disconnect => {
                Self::Disconnect { reason: body.first().copied().unwrap_or(0) }
            }
        })
    }
}

impl Load<'_> {
    /// Starts a connection.
    pub(super) fn connect(&mut self, vehicle: usize, now: u64) {
        let connected = link::connect(self.options.target, self.sources, vehicle);
        let registered = connected.and_then(|mut stream| {
            let interest = Interest::READABLE | Interest::WRITABLE;
            self.poll.registry().register(&mut stream, Token(vehicle), interest)?;
            Stream::open(stream, &self.options.layers, vehicle)
        });
        match registered {
            Ok(stream) => {
                self.links[vehicle].stream = Some(stream);
                self.links[vehicle].state = State::Connecting { since: now };
            }
            Err(error) => self.lose(vehicle, &error.to_string(), now),
        }
    }

    pub(super) fn on_event(&mut self, event: &Event) -> Result<(), LoadError> {
        let vehicle = event.token().0;
        let now = self.now();
        if let State::Connecting { .. } = self.links[vehicle].state {
            self.on_connected(vehicle, now);
        }
        if event.is_readable() || event.is_read_closed() || event.is_error() {
            self.read(vehicle, now)?;
        }
        if event.is_writable()
            && let Err(error) = self.links[vehicle].flush()
        {
            self.lose(vehicle, &error.to_string(), now);
        }
        self.publish(vehicle, now);
        Ok(())
    }

    fn on_connected(&mut self, vehicle: usize, now: u64) {
        let client_id = self.client_id(vehicle);
        let link = &mut self.links[vehicle];
        let Some(stream) = &link.stream else { return };
        match stream.tcp.take_error() {
            Ok(None) => {}
            Ok(Some(error)) | Err(error) => return self.lose(vehicle, &error.to_string(), now),
        }
        if stream.tcp.peer_addr().is_err() {
            return;
        }
        let vehicle_name = self.script.parts().get(vehicle).map(|part| part.vehicle.as_str());
        let hello = ConnectRequest {
            version: self.options.version,
            client_id: &client_id,
            keep_alive_secs: self.options.keep_alive_secs,
            login: self.options.logins.of(vehicle_name),
        };
        self.output.clear();
        wire::write_connect(&mut self.output, hello);
        link.state = State::Greeting { since: now };
        link.last_sent = now;
        if let Err(error) = link.send(&self.output) {
            self.lose(vehicle, &error.to_string(), now);
        }
    }

    /// Sends what is due and fits the window, in one write.
    pub(super) fn publish(&mut self, vehicle: usize, now: u64) {
        let link = &self.links[vehicle];
        if self.phase != Phase::Publishing
            || link.state != State::Live
            || link.has_unsent()
            || self.subscriber(vehicle).is_some()
        {
            return;
        }
        self.output.clear();
        while self.links[vehicle].has_room() && self.is_due(vehicle, now) {
            let message = self.links[vehicle].session.begun();
            let Some(payload_bytes) = self.script.payload_len(vehicle, message) else { break };
            if self.output.len() + payload_bytes > WRITE_BYTES_MAX && !self.output.is_empty() {
                self.unfinished.push(vehicle);
                break;
            }
            self.note_late(vehicle, message, now);
            let link = &mut self.links[vehicle];
            link.owed = link.owed.saturating_sub(1);
            let id = link.session.begin(now);
            let payload = self.write_publish(vehicle, message, id, false);
            if let Some(audience) = &mut self.audience {
                audience.published(vehicle, &self.output[payload..], now);
            }
            self.counts.published += 1;
            self.counts.open += u64::from(self.options.qos != Qos::AtMostOnce);
        }
        self.send_output(vehicle, now);
    }

    /// Appends one PUBLISH; returns where its payload begins.
    fn write_publish(&mut self, vehicle: usize, message: u64, id: u16, again: bool) -> usize {
        let payload_len = self.script.payload_len(vehicle, message).unwrap_or(0);
        let head = PublishHead {
            qos: self.options.qos,
            duplicate: again,
            topic: &self.script.parts()[vehicle].topic,
            packet_id: NonZeroU16::new(id),
            properties: &[],
            payload_len,
        };
        wire::write_publish(&mut self.output, self.options.version, head);
        let begin = self.output.len();
        self.script.append(vehicle, message, &mut self.output);
        begin
    }

    pub(super) fn send_output(&mut self, vehicle: usize, now: u64) {
        if self.output.is_empty() {
            return;
        }
        let link = &mut self.links[vehicle];
        link.last_sent = now;
        if let Err(error) = link.send(&self.output) {
            self.lose(vehicle, &error.to_string(), now);
        }
        self.output.clear();
    }

    fn read(&mut self, vehicle: usize, now: u64) -> Result<(), LoadError> {
        let mut input = std::mem::take(&mut self.input);
        let result = self.read_into(vehicle, &mut input, now);
        self.input = input;
        result
    }

    fn read_into(&mut self, vehicle: usize, input: &mut [u8], now: u64) -> Result<(), LoadError> {
        loop {
            let (filled, more) = match self.links[vehicle].receive(input) {
                Ok(Some(received)) => received,
                Ok(None) => return Ok(()),
                Err(error) => {
                    self.lose(vehicle, &error.to_string(), now);
                    return Ok(());
                }
            };
            self.output.clear();
            let mut rest = &input[..filled];
            loop {
                let heard = match wire::peek_server(rest, PACKET_BYTES_MAX) {
                    Ok(Some(frame)) => {
                        let heard = Heard::read(self.options.version, frame, rest);
                        rest = &rest[frame.len..];
                        heard.map_err(Into::into)
                    }
                    Ok(None) => break,
                    Err(error) => Err(error),
                };
                match heard {
                    Ok(heard) => self.on_packet(vehicle, heard, now)?,
                    Err(error) => {
                        self.lose(vehicle, &format!("the server sent {error}"), now);
                        return Ok(());
                    }
                }
                if self.links[vehicle].state == State::Away {
                    return Ok(());
                }
            }
            self.links[vehicle].partial.extend_from_slice(rest);
            self.answer_commands(vehicle);
            self.send_output(vehicle, now);
            if !more {
                return Ok(());
            }
        }
    }

    fn on_packet(&mut self, vehicle: usize, heard: Heard<'_>, now: u64) -> Result<(), LoadError> {
        let session = &mut self.links[vehicle].session;
        match heard {
            Heard::Connack(connack) if connack.reason == 0 => {
                self.on_welcome(vehicle, connack.receive_maximum, now);
                Ok(())
            }
            Heard::Connack(connack) => {
                self.lose(vehicle, &format!("CONNACK with code {:#04x}", connack.reason), now);
                Ok(())
            }
            Heard::Puback(Ack { packet_id: RECEIPT_ID, reason }) => {
                self.on_receipt_acknowledged(vehicle, reason);
                Ok(())
            }
            Heard::Puback(Ack { packet_id, reason }) => {
                let answer = session.puback(packet_id.get(), reason, now);
                self.counts.open -= u64::from(answer != Answer::Nothing);
                self.on_answer(vehicle, answer)
            }
            Heard::Pubrec(Ack { packet_id, reason }) => {
                let answer = session.pubrec(packet_id.get(), reason, now);
                if reason < 0x80 {
                    let version = self.options.version;
                    wire::write_ack(&mut self.output, version, AckKind::Rel, packet_id, 0);
                }
                self.counts.open -= u64::from(answer != Answer::Nothing);
                self.on_answer(vehicle, answer)
            }
            Heard::Pubcomp(ack) => {
                session.pubcomp(ack.packet_id.get());
                Ok(())
            }
            Heard::Publish(publish) => {
                self.on_delivery(vehicle, &publish, now);
                Ok(())
            }
            Heard::Pubrel(ack) => {
                let version = self.options.version;
                wire::write_ack(&mut self.output, version, AckKind::Comp, ack.packet_id, 0);
                Ok(())
            }
            Heard::Suback { reasons } => {
                self.on_subscribed(vehicle, reasons, now);
                Ok(())
            }
            Heard::Pingresp => Ok(()),
            Heard::Disconnect { reason } => {
                self.lose(vehicle, &format!("DISCONNECT with code {reason:#04x}"), now);
                Ok(())
            }
        }
    }

    fn on_answer(&mut self, vehicle: usize, answer: Answer) -> Result<(), LoadError> {
        match answer {
            Answer::Acknowledged { message, nanos } => {
                self.counts.acknowledged += 1;
                if let Some(audience) = &mut self.audience {
                    audience.answered(vehicle, message, true);
                }
                self.latencies.record(nanos);
                if let Some(log) = &mut self.ack_log {
                    let name = &self.script.parts()[vehicle].vehicle;
                    let at = self.script.time_nanos(vehicle, message);
                    log.add(name, message, at).map_err(LoadError::AckLog)?;
                }
            }
            Answer::Refused { message } => {
                self.counts.refused += 1;
                if let Some(audience) = &mut self.audience {
                    audience.answered(vehicle, message, false);
                }
            }
            Answer::Nothing => {}
        }
        Ok(())
    }

    fn on_welcome(&mut self, vehicle: usize, receive_maximum: u16, now: u64) {
        let link = &mut self.links[vehicle];
        link.state = State::Live;
        link.window = self.options.window.min(usize::from(receive_maximum));
        link.attempts = 0;
        if let Some(subscriber) = self.subscriber(vehicle) {
            return self.subscribe(subscriber);
        }
        let link = &mut self.links[vehicle];
        self.counts.live += 1;
        if link.was_live {
            self.counts.reconnects += 1;
        } else {
            link.was_live = true;
            self.counts.connected += 1;
            self.tried += usize::from(self.phase == Phase::Connecting);
        }
        self.subscribe_to_commands(vehicle);
        for (message, id) in self.links[vehicle].session.reconnected(now) {
            let _begin = self.write_publish(vehicle, message, id, true);
            self.counts.resent += 1;
        }
    }

    pub(super) fn ping(&mut self, vehicle: usize, now: u64) {
        self.output.clear();
        self.output.extend(PINGREQ);
        self.send_output(vehicle, now);
    }

    /// The connection broke, or could not be made: it is tried again later.
    pub(super) fn lose(&mut self, vehicle: usize, trouble: &str, now: u64) {
        let is_subscriber = self.subscriber(vehicle).is_some();
        let link = &mut self.links[vehicle];
        if is_subscriber && link.state == State::Live {
            if let Some(audience) = &mut self.audience {
                audience.told.connections_lost += 1;
            }
        } else if link.state == State::Live {
            self.counts.live -= 1;
            self.counts.lost += 1;
        } else {
            self.counts.connect_failures += 1;
            let is_first = !link.was_live && link.attempts == 0;
            self.tried += usize::from(is_first && self.phase == Phase::Connecting);
        }
        link.close();
        let wait = backoff(link.attempts, self.chance.between(0.5, 1.5));
        link.attempts += 1;
        self.calls.push(Reverse((now.saturating_add(nanos(wait)), vehicle)));
        if self.trouble.as_deref() != Some(trouble) {
            self.trouble = Some(trouble.to_owned());
        }
    }

    /// Sends DISCONNECT on all connections; one whose socket does not accept it is closed without
    /// it.
    pub(super) fn say_goodbye(&mut self) {
        self.output.clear();
        self.output.extend(DISCONNECT);
        for link in &mut self.links {
            if link.state == State::Live && !link.has_unsent() {
                // An error no longer matters at the end of a connection.
                let _sent = link.send(&self.output);
            }
            link.end();
        }
    }
}
