//! A throttle between a socket and its reader: while it is on, received bytes wait until a read is
//! admitted, one read at a time.

use std::{
    cell::Cell,
    future::poll_fn,
    rc::Rc,
    task::{Context, Poll},
};

use ntex::task::LocalWaker;

/// The throttle of one socket. It is off at first.
#[derive(Debug, Default)]
pub(in crate::mqtt) struct ReadThrottle {
    state: Cell<State>,
    /// The task that reads the socket.
    reader: LocalWaker,
    /// The task that admits reads.
    controller: LocalWaker,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Open,
    Throttled,
    /// Bytes have arrived and wait.
    Waiting,
    /// One read may continue.
    Admitting,
}

impl ReadThrottle {
    /// Whether a read may continue. While the throttle is on, `has_come` says whether there is
    /// anything to read.
    pub(super) fn poll_turn(
        &self,
        cx: &mut Context<'_>,
        has_come: impl FnOnce(&mut Context<'_>) -> Poll<()>,
    ) -> Poll<()> {
        match self.state.get() {
            State::Open => return Poll::Ready(()),
            State::Admitting => {
                self.state.set(State::Throttled);
                return Poll::Ready(());
            }
            State::Throttled if has_come(cx).is_ready() => {
                self.state.set(State::Waiting);
                self.controller.wake();
            }
            State::Throttled | State::Waiting => {}
        }
        self.reader.register(cx.waker());
        Poll::Pending
    }

    /// Turns the throttle on until the returned value is dropped.
    pub(in crate::mqtt) fn turn_on(self: &Rc<Self>) -> Throttled {
        self.state.set(State::Throttled);
        Throttled(Rc::clone(self))
    }
}

/// A throttle that is on.
#[derive(Debug)]
pub(in crate::mqtt) struct Throttled(Rc<ReadThrottle>);

impl Throttled {
    /// Waits until bytes have arrived and wait.
    pub(in crate::mqtt) async fn waiting(&self) {
        poll_fn(|cx| {
            if self.0.state.get() == State::Waiting {
                return Poll::Ready(());
            }
            self.0.controller.register(cx.waker());
            Poll::Pending
        })
        .await;
    }

    /// Admits one read.
    pub(in crate::mqtt) fn admit(&self) {
        self.0.state.set(State::Admitting);
        self.0.reader.wake();
    }
}

impl Drop for Throttled {
    fn drop(&mut self) {
        self.0.state.set(State::Open);
        self.0.reader.wake();
    }
}
