//! What went between this node and its peers.

use std::sync::atomic::{AtomicU64, Ordering};

use metrics::counter;
use varve_consensus::Lane;

use super::names::{PEER_BYTES, PEER_CONNECTIONS, PEER_HANDSHAKES_REFUSED, PEER_REQUESTS};
use crate::peer::PeerStats;

/// Sets the counters that the transport keeps.
pub(crate) fn show_peers(stats: &PeerStats) {
    let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
    for lane in Lane::ALL {
        let name = lane.name();
        let counts = stats.lane(lane);
        for (direction, requests, bytes) in [
            ("sent", &counts.requests_sent, &counts.request_bytes_sent),
            ("received", &counts.requests_received, &counts.request_bytes_received),
        ] {
            counter!(PEER_REQUESTS, "lane" => name, "direction" => direction)
                .absolute(read(requests));
            counter!(PEER_BYTES, "lane" => name, "direction" => direction).absolute(read(bytes));
        }
        counter!(PEER_CONNECTIONS, "lane" => name).absolute(read(&counts.connections));
    }
    counter!(PEER_HANDSHAKES_REFUSED).absolute(read(&stats.handshakes_refused));
}
