//! The port for peers: always served, also by a node that is alone.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use varve_consensus::Host;
use varve_env::Env;
use varve_env::network::Listener;

use crate::answers::Answers;
use crate::peer::{Directory, Identity, PeerStats, Peers, serve};
use crate::read::Reader;
use crate::{NodeError, membership};

/// How long the connections of peers may take to end.
const CLOSE_LIMIT: Duration = Duration::from_secs(5);

/// What is served there, and the way to the same ports of others.
pub(crate) struct PeerPort {
    pub address: SocketAddr,
    transport: Peers,
    stop: watch::Sender<bool>,
    served: JoinHandle<Result<(), NodeError>>,
}

impl PeerPort {
    /// Serves peers, and lets the host's messages to them go.
    pub(crate) fn open(
        env: &Env,
        (address, listener): (SocketAddr, Listener),
        transport: Peers,
        directory: Directory,
        (host, reader): (&Host, &Arc<Reader>),
        stats: &Arc<PeerStats>,
    ) -> Self {
        let (stop, stopped) = watch::channel(false);
        tokio::spawn(membership::follow_nodes(host.clone(), directory.clone(), stopped.clone()));
        transport.introduce(Identity::of(host));
        let answers = Arc::new(Answers { host: host.clone(), reader: Arc::clone(reader) });
        let world = (env.clone(), directory);
        let serving = serve(listener, world, answers, Arc::clone(stats), stopped);
        let served = tokio::spawn(serving);
        Self { address, transport, stop, served }
    }

    /// Ends all connections.
    pub(crate) async fn close(self) {
        self.transport.close();
        // The server may have ended by itself.
        let _ = self.stop.send(true);
        match timeout(CLOSE_LIMIT, self.served).await {
            Ok(Ok(Ok(()))) => {}
            Ok(Ok(Err(error))) => tracing::warn!("the server for peers ended: {error}"),
            Ok(Err(error)) => tracing::warn!("the server for peers ended: {error}"),
            Err(_) => tracing::warn!("connections of peers are still open"),
        }
    }
}
