//! How nodes reach one another: connections, the handshake, and messages cut into pieces.
//!
//! ```text
//!             hello: cluster, node, its start, protocols, version, clock, lane
//!   caller  ─────────────────────────────────────────────────────►  called
//!             welcome: the same of the other side   or   rejected
//!           ◄─────────────────────────────────────────────────────
//!             parts: pieces of requests, cancellations
//!           ─────────────────────────────────────────────────────►
//!             parts: pieces of replies
//!           ◄─────────────────────────────────────────────────────
//! ```
//!
//! There is one connection for each lane of each peer that is called, made when the first message
//! wants it, so that nothing of one lane waits in the buffers of another. Within a lane large
//! messages go piece by piece, and small ones between the pieces; only messages of one Raft group
//! keep their order, because Raft's pipelining rests on it.
//!
//! A peer that cannot be reached is tried again after a growing pause, and only when somebody
//! wants it; whoever asks in between is told at once. Nothing that a peer sends ends more than its
//! own connection. This module does not look into messages, nor does it know who is a member:
//! [`Receive`] is asked.

mod assembly;
mod budget;
mod call;
mod connection;
mod dial;
mod directory;
mod exchange;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod handshake;
mod identify;
mod join;
mod outbox;
mod preface;
mod said;
mod service;
mod stats;
#[cfg(test)]
mod tests;
mod transport;

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use varve_consensus::{Admission, ClusterId, Host, JoinError, JoinRequest, PeerMessage, Starts};
use varve_types::NodeId;

pub(crate) use directory::Directory;
pub(crate) use join::{join, require_same_cluster};
pub(crate) use service::serve;
pub(crate) use stats::PeerStats;
pub(crate) use transport::Peers;

/// How many bytes of a body may go in one piece.
const PIECE_BYTES: usize = 256 << 10;
/// A message of at most so many bytes goes before the pieces of larger ones.
const SMALL_BYTES: usize = 64 << 10;
/// How many bytes of bodies one frame gathers; a piece of a large message may come on top.
const FRAME_BYTES: usize = 1 << 20;
/// How large a body may be.
const MESSAGE_BYTES_MAX: usize = 256 << 20;
/// How long connecting and the handshake may take together.
const CONNECT_LIMIT: Duration = Duration::from_secs(2);

/// Who this node is, once that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    pub cluster: ClusterId,
    pub node: NodeId,
    pub starts: Starts,
}

impl Identity {
    pub(crate) fn of(host: &Host) -> Self {
        Self { cluster: host.cluster(), node: host.node(), starts: host.starts() }
    }
}

/// What answers the messages of peers.
#[async_trait]
pub(crate) trait Receive: Send + Sync + 'static {
    /// Who this node is.
    fn identity(&self) -> Identity;

    /// Whether a node may speak to this one.
    ///
    /// # Errors
    ///
    /// Says why not, and the remedy.
    fn check_peer(&self, from: NodeId) -> Result<(), String>;

    /// Answers a message. For messages of one Raft group this is polled for the first time in the
    /// order in which they were sent.
    ///
    /// # Errors
    ///
    /// Says why there is no reply.
    async fn receive(&self, from: NodeId, message: PeerMessage) -> Result<Bytes, String>;

    /// Takes a node into the cluster.
    ///
    /// # Errors
    ///
    /// Whether asking again may help, and why it was not taken in.
    async fn admit(&self, request: JoinRequest) -> Result<Admission, JoinError>;
}
