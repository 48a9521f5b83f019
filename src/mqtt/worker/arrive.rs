//! New connections: their slots, their client identifiers, and takeovers.

use std::sync::{Arc, atomic::Ordering};

use ntex_io::IoRef;
use tokio::sync::oneshot;

use super::{
    early::{Early, address_of},
    mailbox::Mail,
    slot::{Client, Slot, SlotKey, Socket},
    thread::{Shared, Worker},
};
use crate::mqtt::registry::Taken;

impl Worker {
    /// Gives a new connection its slot; `None` if there are too many, or the appliance is stopping.
    pub(in crate::mqtt) fn admit(&self, io: IoRef) -> Option<(SlotKey, Early)> {
        self.shared.metrics.mqtt_accepted_connections.inc();
        let before = self.shared.live.fetch_add(1, Ordering::Relaxed);
        if self.draining.get() || before >= self.limits().connections_max {
            self.shared.live.fetch_sub(1, Ordering::Relaxed);
            self.closing(if self.draining.get() { "shutdown" } else { "connections-max" });
            return None;
        }
        self.shared.metrics.mqtt_open_sessions.inc();
        let address = address_of(&io);
        let socket = Some(Socket::new(io, self.now.get()));
        let key = self.slots.borrow_mut().slab.insert(Slot { socket, client: None });
        let early = self.arrived(key, address);
        self.close_early();
        Some((key, early))
    }

    /// A client that took its session over does not connect after all.
    pub(in crate::mqtt) fn give_up(&self, key: SlotKey, session_key: &str) {
        self.shared.registry.release(session_key, self.session_id(key));
    }

    /// A session takes its identity and client identifier, and waits until the previous session
    /// with them has ended and its will is published, so that its own actions come later. False if
    /// takeovers are so frequent that it cannot connect.
    pub(in crate::mqtt) async fn take_over(&self, key: SlotKey, session_key: &Arc<str>) -> bool {
        let Shared { registry, clock, workers, .. } = &*self.shared;
        let interval = self.limits().takeover_interval;
        let take = || registry.take(session_key, self.session_id(key), clock.monotonic(), interval);
        let mut taken = take();
        if let Taken::TooSoon(wait) = taken {
            ntex::time::sleep(wait).await;
            taken = take();
        }
        match taken {
            Taken::Free => true,
            Taken::Over(before) => {
                let (ended, has_ended) = oneshot::channel();
                workers.send(before, |key| Mail::TakenOver(key, ended));
                // A worker that has ended has no sessions any more.
                has_ended.await.unwrap_or_default();
                true
            }
            Taken::TooSoon(_) => false,
        }
    }

    /// A CONNECT was accepted: the slot belongs to the client from now on. False if it was closed
    /// during the greeting.
    pub(in crate::mqtt) fn connected(&self, key: SlotKey, mut client: Client) -> bool {
        let mut slots = self.slots.borrow_mut();
        match slots.get_mut(key) {
            Some(slot) if slot.socket.is_some() => {
                self.shared.metrics.mqtt_begun_sessions.inc();
                // Its CONNECT, and the following CONNACK.
                self.traffic(|traffic| {
                    traffic.packets_read += 1;
                    traffic.packets_written += 1;
                });
                self.speaks_for(key, &client);
                if client.lasting.is_some() {
                    self.shared.lasting.connected.fetch_add(1, Ordering::Relaxed);
                }
                if let Some(socket) = slot.socket.as_mut()
                    && socket.stored_upto > 0
                {
                    // Messages that became durable for it during the greeting.
                    client.session.outbound_or_new().durable_upto(socket.stored_upto);
                    self.touch(key, socket);
                }
                slot.client = Some(Box::new(client));
                true
            }
            _ => {
                self.give_up(key, client.identity.session_key());
                client.will = None; // It got no CONNACK.
                self.close_stored(&client, None);
                false
            }
        }
    }

    /// An identifier for a client without one. The number is unique in this process; the rest
    /// cannot be guessed by an attacker who wants to take the session over.
    pub(in crate::mqtt) fn assigned_id(&self) -> String {
        let number = self.shared.assigned.fetch_add(1, Ordering::Relaxed);
        format!("fleetline-{number}-{:016x}", rand::random::<u64>())
    }
}
