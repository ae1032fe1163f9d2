//! What a transport between nodes must do.

use async_trait::async_trait;
use bytes::Bytes;
use varve_types::NodeId;

use super::PeerMessage;

/// Carries messages between nodes. It may lose, delay and repeat them: Raft stands all of that.
/// Those of one group arrive in the order in which they were sent, if they arrive: several appends
/// are under way at a time, and one that overtakes another looks like a log that lost its end. It
/// must not change them, and must not deliver one to another node than the named one.
#[async_trait]
pub trait PeerTransport: Send + Sync + 'static {
    /// Brings a message to a node's [`crate::Host::receive`] and answers what that answered. The
    /// caller gives up waiting when its own limit is over; a transport may give up earlier.
    ///
    /// # Errors
    ///
    /// [`PeerError::Unreachable`] when there is no way to the node now, [`PeerError::Refused`]
    /// with what the node answered instead of a reply.
    async fn send(&self, to: NodeId, message: PeerMessage) -> Result<Bytes, PeerError>;
}

/// Why a message got no reply.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PeerError {
    /// There is no way to the node now.
    #[error("node {node} cannot be reached: {why}")]
    Unreachable {
        /// Which node.
        node: NodeId,
        /// What failed.
        why: String,
    },
    /// The node answered an error.
    #[error("{0}")]
    Refused(String),
}

/// The transport of a node without peers.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoPeers;

#[async_trait]
impl PeerTransport for NoPeers {
    async fn send(&self, to: NodeId, _message: PeerMessage) -> Result<Bytes, PeerError> {
        let why = "this node runs alone, without a transport to peers".to_owned();
        Err(PeerError::Unreachable { node: to, why })
    }
}
