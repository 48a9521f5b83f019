//! The greeting of a connection: from the accepted socket to a session, or to a refusal.
//!
//! It may wait (for bytes now; for TLS, a password or a stored session once there are those), and
//! nothing of it is in the way of live connections.

use std::{future::poll_fn, rc::Rc};

use ntex::io::Io;
use ntex_bytes::{Buf, BytesMut};
use ntex_codec::Decoder;
use ntex_io::RecvError;
use ntex_mqtt::{v3::codec as v3, v5::codec as v5};

use super::{
    close::Close,
    connect::{Accepted, Connack, accept, may_be_connect},
    live::Live,
    session::{Session, Terms},
    wire::{Kind, Version, peek},
    worker::{Client, SlotKey, Worker},
};
use crate::{auth::Identity, model::Protocol};

/// Serves one accepted socket until it ends.
pub(super) async fn serve(io: Io, worker: Rc<Worker>) {
    let _guard = worker.shared().supervisor.panic_guard("an MQTT connection");
    let Some((key, silent)) = worker.admit(io.get_ref()) else { return };
    let greeted = greet(&io, &worker, key).await;
    worker.shared().silent.left(silent);
    let cause = match greeted {
        Ok(()) => Live { worker: Rc::clone(&worker), key }.run(&io).await,
        Err(cause) => cause,
    };
    worker.closed(key, cause);
    // An error here means that the peer is gone, which is what was wanted.
    io.shutdown().await.unwrap_or_default();
}

/// Waits for the CONNECT, answers it, and gives the client its slot.
///
/// # Errors
/// Why the connection ends, in a word of a closed list.
async fn greet(io: &Io, worker: &Rc<Worker>, key: SlotKey) -> Result<(), &'static str> {
    let waiting = Greeting { worker: Rc::clone(worker) };
    let received = poll_fn(|cx| io.poll_recv(&waiting, cx)).await;
    let accepted = match received {
        Ok(Some(accepted)) => accepted,
        Ok(None) => return Err("shutdown"),
        Err(RecvError::Decoder(close)) => {
            worker.refused(io, &close.told());
            if let Close::Refused(connack) = &close {
                let written = write_connack(io, connack, 0);
                debug_assert!(written, "a refusal of ours is always well formed");
            }
            return Err(close.cause());
        }
        Err(_) => return Err("peer-gone"),
    };
    // [MQTT-3.1.2-24]: not to a client that cannot take a packet of that size.
    if !write_connack(io, &accepted.answer, accepted.answer_bytes_max) {
        return Err("not-mqtt");
    }
    if accepted.has_will {
        worker.unserved("will", &worker.shared().told_will);
    }
    let version = match accepted.protocol {
        Protocol::V31 | Protocol::V311 => Version::V3,
        Protocol::V5 => Version::V5,
    };
    let terms =
        Terms { version, keep_alive: accepted.keep_alive, asked_to_last: accepted.asked_to_last };
    let session = Session::new(terms, worker.limits().session, worker.tick());
    let identity = Identity::anonymous(accepted.client_id.into());
    let client = Client::new(identity, accepted.protocol, session, worker.wall());
    worker.connected(key, client);
    Ok(())
}

fn write_connack(io: &Io, connack: &Connack, bytes_max: u32) -> bool {
    match connack {
        Connack::V3(answer) => {
            let packet = v3::Encoded::Packet(v3::Packet::ConnectAck(*answer));
            io.encode(packet, &v3::Codec::new()).is_ok()
        }
        Connack::V5(answer) => {
            let packet = v5::Encoded::Packet(v5::Packet::ConnectAck(answer.clone()));
            let codec = v5::Codec::new();
            codec.set_max_outbound_size(bytes_max);
            io.encode(packet, &codec).is_ok()
        }
    }
}

/// Reads the CONNECT, and nothing behind it.
struct Greeting {
    worker: Rc<Worker>,
}

impl Decoder for Greeting {
    /// `None` if the appliance is stopping.
    type Item = Option<Accepted>;
    type Error = Close;

    fn decode(&self, source: &mut BytesMut) -> Result<Option<Option<Accepted>>, Close> {
        let worker = &self.worker;
        if worker.is_draining() {
            return Ok(Some(None));
        }
        // [MQTT-3.1.0-1], seen by the first byte that tells.
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
        let accepted = accept(packet, frame.header, limits.announced, || worker.assigned_id());
        let accepted = accepted.map_err(|refusal| refusal.map_or(Close::Silent, Close::Refused))?;
        worker.read(frame.len);
        source.advance(frame.len);
        Ok(Some(Some(accepted)))
    }
}
