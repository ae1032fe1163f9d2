//! Connections: tokio's sockets, or turmoil's in a simulation.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Makes and takes connections.
#[derive(Clone, Copy, Debug)]
pub struct Network(Kind);

#[derive(Clone, Copy, Debug)]
enum Kind {
    Sockets,
    #[cfg(feature = "sim")]
    Turmoil,
}

/// Takes connections on one address.
pub enum Listener {
    /// The machine's.
    Socket(tokio::net::TcpListener),
    /// The simulation's.
    #[cfg(feature = "sim")]
    Turmoil(turmoil::net::TcpListener),
}

/// One connection.
#[derive(Debug)]
pub enum Stream {
    /// The machine's.
    Socket(tokio::net::TcpStream),
    /// The simulation's.
    #[cfg(feature = "sim")]
    Turmoil(turmoil::net::TcpStream),
}

impl Network {
    /// The machine's sockets.
    #[must_use]
    pub const fn sockets() -> Self {
        Self(Kind::Sockets)
    }

    /// The simulated network of the turmoil host that calls.
    #[cfg(feature = "sim")]
    #[must_use]
    pub const fn turmoil() -> Self {
        Self(Kind::Turmoil)
    }

    /// Connects to `host:port`.
    ///
    /// # Errors
    ///
    /// As `connect(2)`, or that the name does not resolve.
    pub async fn connect(&self, address: &str) -> io::Result<Stream> {
        match self.0 {
            Kind::Sockets => {
                #[expect(clippy::disallowed_methods, reason = "this is the one place for it")]
                let stream = tokio::net::TcpStream::connect(address).await?;
                stream.set_nodelay(true)?;
                Ok(Stream::Socket(stream))
            }
            #[cfg(feature = "sim")]
            Kind::Turmoil => Ok(Stream::Turmoil(turmoil::net::TcpStream::connect(address).await?)),
        }
    }

    /// Listens on an address; port 0 lets the system choose.
    ///
    /// # Errors
    ///
    /// As `bind(2)`.
    pub async fn listen(&self, address: SocketAddr) -> io::Result<Listener> {
        match self.0 {
            Kind::Sockets => {
                #[expect(clippy::disallowed_methods, reason = "this is the one place for it")]
                let listener = tokio::net::TcpListener::bind(address).await?;
                Ok(Listener::Socket(listener))
            }
            #[cfg(feature = "sim")]
            Kind::Turmoil => Ok(Listener::Turmoil(turmoil::net::TcpListener::bind(address).await?)),
        }
    }
}

impl Listener {
    /// The next connection, and who made it.
    ///
    /// # Errors
    ///
    /// As `accept(2)`.
    pub async fn accept(&self) -> io::Result<(Stream, SocketAddr)> {
        match self {
            Self::Socket(listener) => {
                let (stream, peer) = listener.accept().await?;
                stream.set_nodelay(true)?;
                Ok((Stream::Socket(stream), peer))
            }
            #[cfg(feature = "sim")]
            Self::Turmoil(listener) => {
                let (stream, peer) = listener.accept().await?;
                Ok((Stream::Turmoil(stream), peer))
            }
        }
    }

    /// The address listened on.
    ///
    /// # Errors
    ///
    /// As `getsockname(2)`.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        match self {
            Self::Socket(listener) => listener.local_addr(),
            #[cfg(feature = "sim")]
            Self::Turmoil(listener) => listener.local_addr(),
        }
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Listener").field(&self.local_addr()).finish()
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Socket(stream) => Pin::new(stream).poll_read(context, buffer),
            #[cfg(feature = "sim")]
            Self::Turmoil(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Socket(stream) => Pin::new(stream).poll_write(context, bytes),
            #[cfg(feature = "sim")]
            Self::Turmoil(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Socket(stream) => Pin::new(stream).poll_flush(context),
            #[cfg(feature = "sim")]
            Self::Turmoil(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Socket(stream) => Pin::new(stream).poll_shutdown(context),
            #[cfg(feature = "sim")]
            Self::Turmoil(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}
