//! Connections to the peer port: only HTTP/2 is spoken there, and who speaks something else is
//! told apart before anything reads it.
//!
//! ```text
//! preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
//! ```

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tonic::transport::server::Connected;
use varve_env::network::Stream;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A connection that was taken, which ends when it does not begin as it must.
#[derive(Debug)]
pub(super) struct PeerSocket {
    socket: Stream,
    peer: SocketAddr,
    /// How much of the preface was seen.
    seen: usize,
}

impl PeerSocket {
    pub(super) const fn new(socket: Stream, peer: SocketAddr) -> Self {
        Self { socket, peer, seen: 0 }
    }

    fn check(&mut self, read: &[u8]) -> io::Result<()> {
        let left = &PREFACE[self.seen..];
        let compared = left.len().min(read.len());
        if left[..compared] == read[..compared] {
            self.seen += compared;
            return Ok(());
        }
        tracing::warn!(
            peer = %self.peer,
            "a connection to the peer port was ended: what it sends is not of a node; clients \
             belong at the ports for HTTP and gRPC"
        );
        Err(io::Error::new(io::ErrorKind::InvalidData, "not a node of Varve"))
    }
}

impl Connected for PeerSocket {
    type ConnectInfo = SocketAddr;

    fn connect_info(&self) -> SocketAddr {
        self.peer
    }
}

impl AsyncRead for PeerSocket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.socket).poll_read(context, buffer))?;
        if self.seen < PREFACE.len() {
            self.check(&buffer.filled()[before..])?;
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for PeerSocket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(context)
    }
}
