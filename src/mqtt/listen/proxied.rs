//! The peer's address and verified name, as a load balancer sent them.

use std::{
    any::{Any, TypeId},
    io,
    net::SocketAddr,
};

use ntex_io::{FilterBuf, FilterLayer, types::PeerAddr};

/// A layer that changes no byte: its peer address is the one of the header.
#[derive(Debug)]
pub(in crate::mqtt) struct Proxied {
    pub(in crate::mqtt) source: SocketAddr,
    /// The common name of the client's certificate.
    pub(in crate::mqtt) common_name: Option<Vec<u8>>,
}

/// The query type for the common name of a certificate that the balancer has verified.
#[derive(Debug)]
pub(in crate::mqtt) struct ProxiedName(pub(in crate::mqtt) Vec<u8>);

impl FilterLayer for Proxied {
    fn query(&self, id: TypeId) -> Option<Box<dyn Any>> {
        if id == TypeId::of::<PeerAddr>() {
            return Some(Box::new(PeerAddr(self.source)));
        }
        let name = self.common_name.as_ref().filter(|_| id == TypeId::of::<ProxiedName>())?;
        Some(Box::new(ProxiedName(name.clone())))
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
