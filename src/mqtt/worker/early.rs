//! Connections before their CONNECT: their addresses, their limits, and the order of their
//! greetings.
//!
//! # Live connections go first
//! A greeting (TLS handshake and CONNECT) costs up to a thousand times as much as a message (a TLS
//! handshake about 0.3 ms), and after a network failure a whole fleet connects at once. So
//! greetings take turns ([`GreetingTurns`]): a few proceed, then everything else that is ready,
//! then the next few.
//!
//! # Bounds
//! A peer is silent until it has sent a complete CONNECT, with TLS a complete ClientHello; after
//! the ClientHello it is in its handshake until its CONNECT. Beyond the limit of either, the one
//! that has waited longest is closed, never the newest.

use std::{
    cell::Cell,
    fmt,
    future::poll_fn,
    net::{IpAddr, Ipv4Addr},
    rc::Rc,
    task::Poll,
};

use ntex::task::LocalWaker;
use ntex_io::{IoRef, types::PeerAddr};
use tokio::sync::Semaphore;

use super::{mailbox::Mail, slot::SlotKey, thread::Worker};
use crate::{model::SilentTicket, mqtt::close::Close};

/// Greetings that proceed before everything else has its turn again.
const GREETINGS_AT_ONCE: usize = 4;

/// The state of a connection before its CONNECT, and the count that includes it.
#[derive(Clone, Copy, Debug)]
pub(in crate::mqtt) enum Early {
    Silent(SilentTicket),
    ShakingHands(SilentTicket),
}

impl Worker {
    /// A peer has connected and has sent nothing yet.
    pub(in crate::mqtt) fn arrived(&self, key: SlotKey, address: IpAddr) -> Early {
        let now = self.shared.clock.monotonic();
        Early::Silent(self.shared.silent.arrived(self.session_id(key), address, now))
    }

    /// A complete ClientHello was received.
    pub(in crate::mqtt) fn said_hello(&self, key: SlotKey, early: Early, io: &IoRef) -> Early {
        self.spoke(early);
        let (session, now) = (self.session_id(key), self.shared.clock.monotonic());
        let ticket = self.shared.handshakes.arrived(session, address_of(io), now);
        Early::ShakingHands(ticket)
    }

    /// A connection is no longer early: its CONNECT was received, or it ends.
    pub(in crate::mqtt) fn spoke(&self, early: Early) {
        match early {
            Early::Silent(ticket) => self.shared.silent.left(ticket),
            Early::ShakingHands(ticket) => self.shared.handshakes.left(ticket),
        }
    }

    /// A complete CONNECT was received.
    pub(in crate::mqtt) fn said_connect(&self, key: SlotKey) {
        let mut slots = self.slots.borrow_mut();
        if let Some(socket) = slots.get_mut(key).and_then(|slot| slot.socket.as_mut()) {
            socket.has_said_connect = true;
        }
    }

    /// Closes peers without a CONNECT, beyond their limits.
    pub(super) fn close_early(&self) {
        let now = self.shared.clock.monotonic();
        for (peers, cause) in
            [(&self.shared.silent, "silent-max"), (&self.shared.handshakes, "handshakes-max")]
        {
            for session in peers.excess(now) {
                self.shared.workers.send(session, |key| Mail::TooEarly(key, cause));
            }
        }
    }

    /// Closes a peer, if it still has not sent a CONNECT.
    pub(super) fn too_early(&self, key: SlotKey, cause: &'static str) {
        let is_early = self.slots.borrow_mut().get_mut(key).is_some_and(|slot| {
            slot.socket.as_ref().is_some_and(|socket| !socket.has_said_connect)
        });
        if is_early {
            self.close(key, &Close::Silent, cause);
        }
    }

    /// Waits until a greeting may proceed.
    pub(in crate::mqtt) async fn greeting_turn(&self) {
        self.greeting_turns.turn().await;
    }
}

/// The address of a peer; unspecified, if it is gone.
pub(super) fn address_of(io: &IoRef) -> IpAddr {
    let address = io.query::<PeerAddr>().get().map(|address| address.into_inner().ip());
    address.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED))
}

/// The turns of the greetings of one worker, in the order of their arrival.
pub(super) struct GreetingTurns {
    /// Greetings that wait, without a turn.
    waiting: Cell<usize>,
    /// Turns that were given but not taken: it keeps the waiting greetings in their order.
    turns: Semaphore,
    task: LocalWaker,
}

impl Default for GreetingTurns {
    fn default() -> Self {
        Self { waiting: Cell::new(0), turns: Semaphore::new(0), task: LocalWaker::new() }
    }
}

impl fmt::Debug for GreetingTurns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GreetingTurns").field("waiting", &self.waiting).finish_non_exhaustive()
    }
}

impl GreetingTurns {
    async fn turn(&self) {
        self.waiting.set(self.waiting.get() + 1);
        self.task.wake();
        if let Ok(turn) = self.turns.acquire().await {
            turn.forget();
        }
    }

    /// Gives turns for as long as the worker runs.
    async fn give(&self) {
        loop {
            poll_fn(|cx| {
                if self.waiting.get() > 0 {
                    return Poll::Ready(());
                }
                self.task.register(cx.waker());
                Poll::Pending
            })
            .await;
            // Discards the turns of greetings that ended while they waited.
            self.turns.forget_permits(self.turns.available_permits());
            let some = self.waiting.get().min(GREETINGS_AT_ONCE);
            self.waiting.set(self.waiting.get() - some);
            self.turns.add_permits(some);
            // After everything that is ready, and after what the sockets receive meanwhile.
            tokio::task::yield_now().await;
        }
    }
}

/// The worker's task that gives turns to greetings.
pub(super) async fn give_greeting_turns(worker: Rc<Worker>) {
    worker.greeting_turns.give().await;
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every greeting gets its turn, in the order of arrival, and only a few proceed between two
    /// turns of another task.
    #[tokio::test]
    async fn a_thousand_greetings_let_others_go_on_between_them() {
        let turns = Rc::new(GreetingTurns::default());
        let (greeted, most) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
        let tasks = tokio::task::LocalSet::new();
        let giver = Rc::clone(&turns);
        tasks.spawn_local(async move { giver.give().await });
        for number in 0..1000 {
            let (turns, greeted) = (Rc::clone(&turns), Rc::clone(&greeted));
            tasks.spawn_local(async move {
                turns.turn().await;
                assert_eq!(greeted.replace(number + 1), number);
            });
        }
        tasks
            .run_until(async {
                // Until all have arrived.
                while turns.waiting.get() < 1000 - GREETINGS_AT_ONCE {
                    tokio::task::yield_now().await;
                }
                while greeted.get() < 1000 {
                    let before = greeted.get();
                    tokio::task::yield_now().await;
                    most.set(most.get().max(greeted.get() - before));
                }
            })
            .await;
        assert!(most.get() <= 2 * GREETINGS_AT_ONCE, "{} in one turn", most.get());
    }
}
