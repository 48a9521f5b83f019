//! A WebSocket as a layer of a connection: MQTT above it, frames below.

use std::{
    cell::{Cell, RefCell},
    fmt, io,
    task::Poll,
};

use ntex_io::{FilterBuf, FilterLayer};

use super::frames::{CloseCode, Deframer, binary_header, close_frame};

/// The layer. Cells, because a connection lives on one thread and its layers are shared there.
pub(in crate::mqtt) struct WebSocket {
    frames: RefCell<Deframer>,
    /// A close frame has left: nothing more is read or written.
    closed: Cell<bool>,
}

impl fmt::Debug for WebSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebSocket").field("closed", &self.closed).finish_non_exhaustive()
    }
}

impl WebSocket {
    pub(in crate::mqtt) fn new() -> Self {
        Self { frames: RefCell::default(), closed: Cell::new(false) }
    }

    fn close(&self, code: CloseCode, buffers: &FilterBuf<'_>) {
        if !self.closed.replace(true) {
            buffers.with_write_buffers(|_, out| out.extend_from_slice(&close_frame(code)));
        }
    }
}

impl FilterLayer for WebSocket {
    fn process_read_buf(&self, buffers: &FilterBuf<'_>) -> io::Result<()> {
        let mut answers = Vec::new();
        let ended = buffers.with_read_buffers(|source, data| {
            let Some(source) = source else { return Ok(()) };
            if self.closed.get() {
                source.clear();
                return Ok(());
            }
            self.frames.borrow_mut().take(source, data, &mut answers)
        });
        if !answers.is_empty() {
            buffers.with_write_buffers(|_, out| out.extend_from_slice(&answers));
        }
        if let Err(code) = ended {
            self.close(code, buffers);
            buffers.io().close();
        }
        Ok(())
    }

    fn process_write_buf(&self, buffers: &FilterBuf<'_>) -> io::Result<()> {
        buffers.with_write_buffers(|source, out| {
            while let Some(page) = source.take() {
                if !self.closed.get() && !page.is_empty() {
                    let (header, used) = binary_header(page.len());
                    out.extend_from_slice(&header[..used]);
                    out.append(page);
                }
            }
        });
        Ok(())
    }

    fn shutdown(&self, buffers: &FilterBuf<'_>) -> io::Result<Poll<()>> {
        self.process_write_buf(buffers)?;
        self.close(CloseCode::NORMAL, buffers);
        Ok(Poll::Ready(()))
    }
}
