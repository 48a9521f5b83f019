//! Sockets of vehicles under ntex: one task a socket, one read a wake-up.
//!
//! The stock transport reads until the kernel says that there is nothing left, so that each message
//! of a sparse fleet costs a second, empty read; and it has two tasks a socket. Here a read that
//! did not fill the buffer is the last one, which tokio notes by itself where it does the reading
//! (`AsyncRead`), and reading and writing are one task. A read goes through one buffer a thread, so
//! that a connection holds as many bytes as have come and not a buffer for as many as might.
//!
//! # The last packet arrives
//! A socket that is closed while the peer still sends is reset by the kernel, and the peer may
//! never read why. So what was said last is followed by the end of our side, and what the peer
//! still sends is read and thrown away until it ends its side too: for [`LINGER`] at most, and for
//! [`LINGERING_MAX`] sockets of a thread at once; one more is closed as it is.
//!
//! It takes effect through [`Sockets`], the runtime that the workers run on: whatever lies on top
//! of a socket (TLS, WebSocket) sees ntex's own `Io`.

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

use super::turnstile::Turnstile;

/// What one read takes at most.
const READ_BYTES_MAX: usize = 16 * 1024;
/// How long a socket is read whose last packet was written.
const LINGER: Duration = Duration::from_secs(1);
/// Sockets of a thread of which that holds at once: each is a descriptor more.
const LINGERING_MAX: usize = 256;
/// Pages that one write takes at most.
const WRITE_PAGES_MAX: usize = 16;

thread_local! {
    /// Where reads go. A cell a thread, because a read never spans an await.
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ_BYTES_MAX].into());
    /// Sockets that linger.
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

/// Has ntex carry what is said on a socket, which does not block.
///
/// # Errors
/// It cannot be waited for, or its options cannot be set.
pub(super) fn connection(
    stream: net::TcpStream,
    peer: SocketAddr,
    config: SharedCfg,
) -> io::Result<Io> {
    // A turn's packets leave in one write, so there is nothing to wait for.
    stream.set_nodelay(true)?;
    Ok(Io::new(Socket { stream: TcpStream::from_std(stream)?, peer }, config))
}

/// A socket before ntex has it.
struct Socket {
    stream: TcpStream,
    peer: SocketAddr,
}

impl IoStream for Socket {
    fn start(self, context: IoContext) -> Box<dyn Handle> {
        let Self { stream, peer } = self;
        let (reader, writer) = stream.into_split();
        let outside = Rc::new(Outside { writer, peer, turnstile: OnceCell::new() });
        let pump = Pump { reader, outside: Rc::clone(&outside), context, is_over: false };
        tokio::task::spawn_local(pump.run());
        Box::new(Asked(outside))
    }
}

/// What a socket shares with those outside of its task.
struct Outside {
    writer: OwnedWriteHalf,
    peer: SocketAddr,
    /// Made when it is asked for.
    turnstile: OnceCell<Rc<Turnstile>>,
}

/// What ntex asks of a socket from outside of its task.
struct Asked(Rc<Outside>);

impl Handle for Asked {
    fn query(&self, id: TypeId) -> Option<Box<dyn Any>> {
        let Outside { peer, turnstile, .. } = &*self.0;
        if id == TypeId::of::<Rc<Turnstile>>() {
            return Some(Box::new(Rc::clone(turnstile.get_or_init(Rc::default))));
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
struct Pump {
    reader: OwnedReadHalf,
    outside: Rc<Outside>,
    context: IoContext,
    /// The peer has ended its side, or the socket is broken.
    is_over: bool,
}

impl fmt::Debug for Pump {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pump").finish_non_exhaustive()
    }
}

/// How far the writing side is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Writing {
    Open,
    /// What is left is written, if `flush`, and then the socket goes.
    Closing {
        flush: bool,
    },
    Done,
}

impl Pump {
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
        let Self { reader, outside, context, is_over } = self;
        drop(context);
        if !is_over {
            linger(reader, &outside.writer).await;
        }
    }

    fn stream(&self) -> &TcpStream {
        self.outside.writer.as_ref()
    }

    /// Reads as long as there is something and ntex wants it; ready when there never will be.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            if ready!(self.context.poll_read_ready(cx)) != Readiness::Ready {
                return Poll::Ready(());
            }
            if let Some(turnstile) = self.outside.turnstile.get() {
                let has_come = |cx: &mut Context<'_>| self.stream().poll_read_ready(cx).map(drop);
                ready!(turnstile.poll_turn(cx, has_come));
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

    /// Writes as long as there is something and the socket takes it; ready when writing ends.
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
            match write(&self.outside.writer, &self.context) {
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
            Ok(()) if write(&self.outside.writer, &self.context) == IoTaskStatus::Stop => {
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

/// Ends our side of a socket, and reads the other one to its end.
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
    // Whoever still sends after that has heard nothing, and never will.
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

    /// While its turnstile is shut, nothing of a socket is read but what is let through.
    #[tokio::test]
    async fn a_read_waits_for_its_turn() {
        let listener = net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let mut peer = net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (stream, from) = listener.accept().unwrap();
        stream.set_nonblocking(true).unwrap();
        let test = async {
            let io = connection(stream, from, SharedCfg::default()).unwrap();
            let shut = io.query::<Rc<Turnstile>>().as_ref().unwrap().shut();
            for word in [b"one", b"two"] {
                peer.write_all(word).unwrap();
                // Whoever waits for it has been told that it is there.
                shut.waiting().await;
                assert!(io.with_read_buf(|buffer| buffer.is_empty()));
                shut.admit();
                let read = poll_fn(|cx| io.poll_recv(&ntex_codec::BytesCodec, cx)).await;
                assert_eq!(&read.unwrap()[..], word);
            }
            drop(shut);
            peer.write_all(b"three").unwrap();
            let read = poll_fn(|cx| io.poll_recv(&ntex_codec::BytesCodec, cx)).await;
            assert_eq!(&read.unwrap()[..], b"three", "it is open again");
        };
        tokio::task::LocalSet::new().run_until(test).await;
    }
}
