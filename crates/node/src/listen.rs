//! Connections of `varve-env` in the forms that axum and tonic take.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_stream::Stream;
use tonic::transport::server::Connected;
use varve_env::network::{Listener, Stream as Socket};

/// After a failed accept (no file descriptors, most likely) wait this long.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);

/// One connection taken.
#[derive(Debug)]
pub(crate) struct Connection(Socket);

/// Listens for HTTP.
#[derive(Debug)]
pub(crate) struct HttpListener(pub Listener);

async fn accept(listener: &Listener) -> (Socket, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok(accepted) => return accepted,
            Err(error) => {
                tracing::warn!(%error, "cannot take a connection");
                tokio::time::sleep(ACCEPT_RETRY).await;
            }
        }
    }
}

/// The connections made to a listener, for as long as it lives.
pub(crate) fn connections(listener: Listener) -> impl Stream<Item = io::Result<Connection>> + Send {
    futures::stream::unfold(listener, |listener| async move {
        let (socket, _) = accept(&listener).await;
        Some((Ok(Connection(socket)), listener))
    })
}

/// The same, as they are, with who made them.
pub(crate) fn sockets(listener: Listener) -> impl Stream<Item = (Socket, SocketAddr)> + Send {
    futures::stream::unfold(listener, |listener| async move {
        let accepted = accept(&listener).await;
        Some((accepted, listener))
    })
}

impl axum::serve::Listener for HttpListener {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        let (socket, peer) = accept(&self.0).await;
        (Connection(socket), peer)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

impl Connected for Connection {
    type ConnectInfo = ();

    fn connect_info(&self) {}
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}
