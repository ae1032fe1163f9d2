//! What went between this node and its peers, in numbers.

use std::sync::atomic::{AtomicU64, Ordering};

use varve_consensus::Lane;

/// Counts since the start of the node, by lane. Those of a caller and of the called side are
/// kept apart.
#[derive(Debug, Default)]
pub(crate) struct PeerStats {
    lanes: [LaneStats; Lane::ALL.len()],
    /// Handshakes that this node refused, or was refused.
    pub handshakes_refused: AtomicU64,
}

/// Counts of one lane.
#[derive(Debug, Default)]
pub(crate) struct LaneStats {
    /// Requests sent to peers.
    pub requests_sent: AtomicU64,
    /// Bytes of their bodies.
    pub request_bytes_sent: AtomicU64,
    /// Requests of peers.
    pub requests_received: AtomicU64,
    /// Bytes of their bodies.
    pub request_bytes_received: AtomicU64,
    /// Connections that were made to peers.
    pub connections: AtomicU64,
}

impl PeerStats {
    /// The counts of a lane.
    pub(crate) const fn lane(&self, lane: Lane) -> &LaneStats {
        &self.lanes[lane as usize]
    }
}

/// Adds to a count.
pub(super) fn add(count: &AtomicU64, by: usize) {
    count.fetch_add(by as u64, Ordering::Relaxed);
}
