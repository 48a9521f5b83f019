//! Vehicles' sockets under ntex: one task per socket, one read per wake-up.
//!
//! The stock transport reads until the kernel has nothing left, so that each message of a sparse
//! fleet costs a second, empty read; and it has two tasks per socket. Here a read that did not fill
//! the buffer is the last one (tokio remembers that when it does the reading, with `AsyncRead`),
//! and reading and writing are one task. All reads of a thread use one buffer, so that a connection
//! holds only the bytes that it has received.
//!
//! # The last packet arrives
//! If a socket is closed while the peer still sends, the kernel resets it, and the peer may never
//! read the reason. So after the last packet our side is shut down, and what the peer still sends
//! is read and discarded until it shuts down its side: for at most [`LINGER`], and for at most
//! [`LINGERING_MAX`] sockets per thread; further sockets are closed at once.
//!
//! It is used through [`Sockets`], the runtime of the workers: the layers on top of a socket (TLS,
//! WebSocket) see ntex's own `Io`.

use std::{
    any::{Any, TypeId},
    cell::{Cell, OnceCell, RefCell},
    fmt,
    future::poll_fn,
    io,
    net::{self, SocketAddr},
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
    time::Duration,
};

use ntex::service::cfg::SharedCfg;
use ntex_bytes::{BytePage, BytesMut};
use ntex_io::{Handle, Io, IoContext, IoStream, IoTaskStatus, Readiness, types::PeerAddr};
use ntex_rt::{BlockFuture, Runner};
use smallvec::SmallVec;
use tokio::{
    io::{AsyncRead, ReadBuf},
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
};

use super::read_throttle::ReadThrottle;

/// The maximum bytes of one read.
const READ_BYTES_MAX: usize = 16 * 1024;
/// How long a socket is still read after its last packet was written.
const LINGER: Duration = Duration::from_secs(1);
/// The maximum number of such sockets per thread, because each is an additional descriptor.
const LINGERING_MAX: usize = 256;
/// The maximum pages of one write.
const WRITE_PAGES_MAX: usize = 16;

thread_local! {
    /// The read buffer. One cell per thread, because a read never spans an await.
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ_BYTES_MAX].into());
    /// The number of lingering sockets.
    static LINGERING: Cell<usize> = const { Cell::new(0) };
}

/// The runtime of the workers: tokio, one thread each, with the sockets of this file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sockets;

impl Runner for Sockets {
    fn block_on(&self, future: BlockFuture) -> Result<(), Box<dyn Any + Send>> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| Box::new(error) as Box<dyn Any + Send>)?;
        tokio::task::LocalSet::new().block_on(&runtime, future);
        Ok(())
    }
}

/// Creates ntex's `Io` for a non-blocking socket.
///
/// # Errors
/// If the socket cannot be registered with the runtime, or its options cannot be set.
pub(super) fn connection(
    stream: net::TcpStream,
    peer: SocketAddr,
    config: SharedCfg,
) -> io::Result<Io> {
    // The packets of a turn are written at once, so there is no reason to delay them.
    stream.set_nodelay(true)?;
    Ok(Io::new(Socket { stream: TcpStream::from_std(stream)?, peer }, config))
}

/// A socket before ntex takes it.
struct Socket {
    stream: TcpStream,
    peer: SocketAddr,
}

impl IoStream for Socket {
    fn start(self, context: IoContext) -> Box<dyn Handle> {
        let Self { stream, peer } = self;
        let (reader, writer) = stream.into_split();
        let shared = Rc::new(SocketShared { writer, peer, throttle: OnceCell::new() });
        let pump = SocketTask { reader, shared: Rc::clone(&shared), context, is_over: false };
        tokio::task::spawn_local(pump.run());
        Box::new(SocketHandle(shared))
    }
}

/// The state that a socket shares with code outside its task.
struct SocketShared {
    writer: OwnedWriteHalf,
    peer: SocketAddr,
    /// Created on demand.
    throttle: OnceCell<Rc<ReadThrottle>>,
}

/// ntex's handle of a socket, for queries from outside its task.
struct SocketHandle(Rc<SocketShared>);

impl Handle for SocketHandle {
    fn query(&self, id: TypeId) -> Option<Box<dyn Any>> {
        let SocketShared { peer, throttle, .. } = &*self.0;
        if id == TypeId::of::<Rc<ReadThrottle>>() {
            return Some(Box::new(Rc::clone(throttle.get_or_init(Rc::default))));
        }
        if id != TypeId::of::<PeerAddr>() {
            return None;
        }
        Some(Box::new(PeerAddr(*peer)))
    }

    fn write(&self, context: &IoContext) {
        write(&self.0.writer, context);
    }

    fn notify(&self, _: &IoContext) {}
}

/// Moves bytes between the socket and ntex's buffers.
struct SocketTask {
    reader: OwnedReadHalf,
    shared: Rc<SocketShared>,
    context: IoContext,
    /// The peer has ended its side, or the socket is broken.
    is_over: bool,
}

impl fmt::Debug for SocketTask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SocketTask").finish_non_exhaustive()
    }
}

/// The state of the writing side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Writing {
    Open,
    /// The rest is written, if `flush`, and then the socket is closed.
    Closing {
        flush: bool,
    },
    Done,
}

impl SocketTask {
    async fn run(mut self) {
        let (mut reads, mut writing) = (true, Writing::Open);
        poll_fn(|cx| {
            if reads && self.poll_read(cx).is_ready() {
                reads = false;
            }
            if writing == Writing::Open
                && let Poll::Ready(next) = self.poll_write(cx)
            {
                writing = next;
            }
            if let Writing::Closing { flush } = writing
                && self.poll_close(flush, cx).is_ready()
            {
                writing = Writing::Done;
            }
            if reads || writing != Writing::Done { Poll::Pending } else { Poll::Ready(()) }
        })
        .await;
        if !self.context.is_stopped() {
            self.context.stop(None);
        }
        let Self { reader, shared, context, is_over } = self;
        drop(context);
        if !is_over {
            linger(reader, &shared.writer).await;
        }
    }

    fn stream(&self) -> &TcpStream {
        self.shared.writer.as_ref()
    }

    /// Reads as long as there are bytes and ntex wants them; ready when there will be no more.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            if ready!(self.context.poll_read_ready(cx)) != Readiness::Ready {
                return Poll::Ready(());
            }
            if let Some(throttle) = self.shared.throttle.get() {
                let has_come = |cx: &mut Context<'_>| self.stream().poll_read_ready(cx).map(drop);
                ready!(throttle.poll_turn(cx, has_come));
            }
            let reader = Pin::new(&mut self.reader);
            let read = SCRATCH.with_borrow_mut(|scratch| {
                let mut buffer = ReadBuf::new(scratch);
                let read = ready!(reader.poll_read(cx, &mut buffer));
                Poll::Ready(read.map(|()| BytesMut::copy_from_slice(buffer.filled())))
            });
            let (bytes, result) = match ready!(read) {
                Ok(bytes) => {
                    let len = bytes.len();
                    if len == 0 {
                        self.is_over = true;
                        self.context.stop(None);
                    }
                    (bytes, Ok(len))
                }
                Err(error) => {
                    self.is_over = true;
                    (BytesMut::new(), Err(error))
                }
            };
            match self.context.update_read_status(bytes, result) {
                IoTaskStatus::Io => {}
                IoTaskStatus::Pause => return Poll::Pending,
                IoTaskStatus::Stop => return Poll::Ready(()),
            }
        }
    }

    /// Writes as long as there are bytes and the socket accepts them; ready when writing ends.
    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<Writing> {
        loop {
            match ready!(self.context.poll_write_ready(cx)) {
                Readiness::Ready => {}
                Readiness::Shutdown => return Poll::Ready(Writing::Closing { flush: true }),
                Readiness::Terminate => return Poll::Ready(Writing::Closing { flush: false }),
            }
            if let Err(error) = ready!(self.stream().poll_write_ready(cx)) {
                self.is_over = true;
                self.context.update_write_status(Err(error));
                return Poll::Ready(Writing::Closing { flush: false });
            }
            match write(&self.shared.writer, &self.context) {
                IoTaskStatus::Io => {}
                IoTaskStatus::Pause => return Poll::Pending,
                IoTaskStatus::Stop => return Poll::Ready(Writing::Closing { flush: false }),
            }
        }
    }

    fn poll_close(&mut self, flush: bool, cx: &mut Context<'_>) -> Poll<()> {
        if self.context.is_stopped() {
            return Poll::Ready(());
        }
        match ready!(self.stream().poll_write_ready(cx)) {
            Ok(()) if write(&self.shared.writer, &self.context) == IoTaskStatus::Stop => {
                Poll::Ready(())
            }
            Ok(()) => self.context.shutdown(flush, cx),
            Err(error) => {
                self.is_over = true;
                self.context.update_write_status(Err(error));
                Poll::Ready(())
            }
        }
    }
}

/// Shuts down our side of a socket, and reads the other side to its end.
async fn linger(mut reader: OwnedReadHalf, writer: &OwnedWriteHalf) {
    let stream: &TcpStream = writer.as_ref();
    if LINGERING.get() == LINGERING_MAX
        || rustix::net::shutdown(stream, rustix::net::Shutdown::Write).is_err()
    {
        return;
    }
    LINGERING.set(LINGERING.get() + 1);
    let end = poll_fn(|cx| {
        loop {
            let read = SCRATCH.with_borrow_mut(|scratch| {
                let mut buffer = ReadBuf::new(scratch);
                let read = ready!(Pin::new(&mut reader).poll_read(cx, &mut buffer));
                Poll::Ready(read.map(|()| buffer.filled().len()))
            });
            if !matches!(ready!(read), Ok(1..)) {
                return Poll::Ready(());
            }
        }
    });
    // A peer that still sends after that does not read, and never will.
    drop(tokio::time::timeout(LINGER, end).await);
    LINGERING.set(LINGERING.get() - 1);
}

/// Writes once, as many pages as one call takes.
fn write(writer: &OwnedWriteHalf, context: &IoContext) -> IoTaskStatus {
    let result = context.with_write_buf(|buffer| {
        let mut pages: SmallVec<[BytePage; WRITE_PAGES_MAX]> = SmallVec::new();
        while pages.len() < WRITE_PAGES_MAX
            && let Some(page) = buffer.take()
        {
            pages.push(page);
        }
        if pages.is_empty() {
            return Ok(false);
        }
        let written = match pages.as_slice() {
            [page] => writer.try_write(page),
            pages => {
                let slices: SmallVec<[io::IoSlice<'_>; WRITE_PAGES_MAX]> =
                    pages.iter().map(|page| io::IoSlice::new(page)).collect();
                writer.try_write_vectored(&slices)
            }
        };
        let mut left = match written {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
            Err(error) => return Err(error),
        };
        let wrote = left > 0;
        for page in &mut pages {
            let len = page.len().min(left);
            page.advance_to(len);
            left -= len;
        }
        for page in pages.into_iter().rev().filter(|page| !page.is_empty()) {
            buffer.prepend(page);
        }
        Ok(wrote)
    });
    context.update_write_status(result)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    /// While its throttle is on, a socket is read only when a read is admitted.
    #[tokio::test]
    async fn a_read_waits_for_its_turn() {
        let listener = net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let mut peer = net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (stream, from) = listener.accept().unwrap();
        stream.set_nonblocking(true).unwrap();
        let test = async {
            let io = connection(stream, from, SharedCfg::default()).unwrap();
            let throttled = io.query::<Rc<ReadThrottle>>().as_ref().unwrap().turn_on();
            for word in [b"one", b"two"] {
                peer.write_all(word).unwrap();
                // The waiting side was notified that bytes have arrived.
                throttled.waiting().await;
                assert!(io.with_read_buf(|buffer| buffer.is_empty()));
                throttled.admit();
                let read = poll_fn(|cx| io.poll_recv(&ntex_codec::BytesCodec, cx)).await;
                assert_eq!(&read.unwrap()[..], word);
            }
            drop(throttled);
            peer.write_all(b"three").unwrap();
            let read = poll_fn(|cx| io.poll_recv(&ntex_codec::BytesCodec, cx)).await;
            assert_eq!(&read.unwrap()[..], b"three", "it is open again");
        };
        tokio::task::LocalSet::new().run_until(test).await;
    }
}
