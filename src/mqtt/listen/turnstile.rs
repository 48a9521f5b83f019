//! A turnstile between a socket and who reads it: while it is shut, what has come waits until it is
//! let through, one read at a time.

use std::{
    cell::Cell,
    future::poll_fn,
    rc::Rc,
    task::{Context, Poll},
};

use ntex::task::LocalWaker;

/// One of a socket. Open until somebody shuts it.
#[derive(Debug, Default)]
pub(in crate::mqtt) struct Turnstile {
    state: Cell<State>,
    /// Who reads the socket.
    reader: LocalWaker,
    /// Who lets reads through.
    keeper: LocalWaker,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Open,
    Shut,
    /// Something has come, and waits.
    Waiting,
    /// One read may go on.
    Admitting,
}

impl Turnstile {
    /// Whether a read may go on. `has_come` tells, while it is shut, whether there is anything to
    /// read.
    pub(super) fn poll_turn(
        &self,
        cx: &mut Context<'_>,
        has_come: impl FnOnce(&mut Context<'_>) -> Poll<()>,
    ) -> Poll<()> {
        match self.state.get() {
            State::Open => return Poll::Ready(()),
            State::Admitting => {
                self.state.set(State::Shut);
                return Poll::Ready(());
            }
            State::Shut if has_come(cx).is_ready() => {
                self.state.set(State::Waiting);
                self.keeper.wake();
            }
            State::Shut | State::Waiting => {}
        }
        self.reader.register(cx.waker());
        Poll::Pending
    }

    /// Shuts it, until what is given back is dropped.
    pub(in crate::mqtt) fn shut(self: &Rc<Self>) -> Shut {
        self.state.set(State::Shut);
        Shut(Rc::clone(self))
    }
}

/// A turnstile that is shut.
#[derive(Debug)]
pub(in crate::mqtt) struct Shut(Rc<Turnstile>);

impl Shut {
    /// Waits until something has come that waits.
    pub(in crate::mqtt) async fn waiting(&self) {
        poll_fn(|cx| {
            if self.0.state.get() == State::Waiting {
                return Poll::Ready(());
            }
            self.0.keeper.register(cx.waker());
            Poll::Pending
        })
        .await;
    }

    /// Lets one read through.
    pub(in crate::mqtt) fn admit(&self) {
        self.0.state.set(State::Admitting);
        self.0.reader.wake();
    }
}

impl Drop for Shut {
    fn drop(&mut self) {
        self.0.state.set(State::Open);
        self.0.reader.wake();
    }
}
