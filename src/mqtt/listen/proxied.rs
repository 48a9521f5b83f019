//! The address that a load balancer named, as the peer's.

use std::{
    any::{Any, TypeId},
    io,
    net::SocketAddr,
};

use ntex_io::{FilterBuf, FilterLayer, types::PeerAddr};

/// A layer that changes no byte: who asks for the peer's address is told the one of the header.
#[derive(Debug)]
pub(in crate::mqtt) struct Proxied(pub(in crate::mqtt) SocketAddr);

impl FilterLayer for Proxied {
    fn query(&self, id: TypeId) -> Option<Box<dyn Any>> {
        (id == TypeId::of::<PeerAddr>()).then(|| Box::new(PeerAddr(self.0)) as Box<dyn Any>)
    }

    fn process_read_buf(&self, buffers: &FilterBuf<'_>) -> io::Result<()> {
        buffers.with_read_buffers(|source, into| {
            if let Some(source) = source {
                let len = source.len();
                into.extend_from_slice(&source.split_to(len));
            }
        });
        Ok(())
    }

    fn process_write_buf(&self, buffers: &FilterBuf<'_>) -> io::Result<()> {
        buffers.with_write_buffers(|source, into| source.move_to(into));
        Ok(())
    }
}
