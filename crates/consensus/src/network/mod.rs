//! How replicas reach one another: Raft's messages over a transport that somebody else provides.
//!
//! A transport carries opaque bytes to a node and brings the answer back; it knows nothing of
//! Raft. Every wait has its own limit here.

mod files;
mod link;
mod message;
mod pipeline;
mod send_snapshot;
mod snapshot;
mod transport;

pub(crate) use files::{CopyCondition, FilesRefusal, FilesReply, FilesRequest, Listing};
pub(crate) use link::Links;
pub use message::{Lane, MessageKind, PeerMessage};
pub(crate) use snapshot::{SnapshotHeld, SnapshotInstall, SnapshotOffer, SnapshotPiece};
pub use transport::{NoPeers, PeerError, PeerTransport};

#[cfg(test)]
mod tests;
