//! What a node says of itself and of the cluster: for the API, and for metrics.

use varve_consensus::{
    Catalog, Node, NodeState, NodeStatus, RepairStats, ReplicaStatus, Role, ShardEntry, ShardState,
    ShardStatus,
};
use varve_proto::v1;
use varve_shard::ShardRecord;
use varve_types::{LogIndex, NodeId, ShardId};

use crate::metrics::{Held, show_peers};
use crate::server::Services;

impl Services {
    /// What the cluster looks like from here; other nodes are asked how they are.
    pub(crate) async fn status(&self) -> v1::StatusResponse {
        let nodes = self.nodes().await;
        v1::StatusResponse {
            cluster_id: self.host.cluster().to_string(),
            node_id: self.host.node().get(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            nodes,
            shards: self.shards(),
            disk_full: self.host.is_disk_full(),
            replication: Some(replication(&self.host.catalog())),
        }
    }

    /// All nodes, each asked how it is.
    pub(crate) async fn nodes(&self) -> Vec<v1::NodeStatus> {
        self.host.nodes().await.into_iter().map(node_status).collect()
    }

    /// All shards, as this node sees them.
    pub(crate) fn shards(&self) -> Vec<v1::ShardStatus> {
        let catalog = self.host.catalog();
        let remembered = self.remembered.records();
        let status = |shard: ShardStatus| {
            let entry = catalog.shards.get(&shard.shard);
            shard_status(entry, remembered.get(&shard.shard), shard)
        };
        self.host.status().into_iter().map(status).collect()
    }

    /// Brings the metrics up to date that are looked up.
    pub(crate) fn refresh_metrics(&self) {
        let wal = self.wal.stats();
        let (searches_running, searches_waiting) = self.reader.searches();
        let mut held = Held {
            queue_bytes: self.gateway.budget().used_bytes() as u64,
            queue_batches: self.gateway.waiting_batches(),
            searches_running,
            searches_waiting,
            wal_bytes: wal.file_bytes,
            wal_written_bytes: wal.written_bytes,
            disk_full: self.host.is_disk_full(),
            shards_in_numbers: self.host.stats(),
            repair: self.host.repair(),
            comparisons: self.host.comparisons(),
            ..Held::default()
        };
        for shard in self.host.status() {
            *held.shards.entry(shard.state).or_default() += 1;
            held.shards_led += u64::from(shard.leader == Some(self.host.node()));
            held.rows += shard.here.map_or(0, |here| here.rows);
        }
        held.show();
        show_peers(&self.peer_stats);
    }
}

/// Copies of shards on nodes that are neither draining nor lost: those that are to be, and those
/// that are.
fn replication(catalog: &Catalog) -> v1::Replication {
    let usable = |node: &NodeId| catalog.nodes.get(node).is_some_and(Node::is_usable);
    let nodes = catalog.nodes.keys().filter(|node| usable(node)).count();
    let wanted = catalog.settings.replicas;
    let possible = wanted.min(u32::try_from(nodes).unwrap_or(u32::MAX));
    let copies = |shard: &ShardEntry| {
        let staying = shard.staying().filter(|(_, node)| usable(node));
        let held = staying.filter(|(replica, node)| match &shard.state {
            ShardState::Closed(closed) => closed.holders.contains(node),
            _ => !shard.coming.contains(replica),
        });
        (held.count() as u64).min(u64::from(possible))
    };
    v1::Replication {
        wanted,
        possible,
        copies_wanted: catalog.shards.len() as u64 * u64::from(possible),
        copies: catalog.shards.values().map(copies).sum(),
    }
}

fn node_status(node: NodeStatus) -> v1::NodeStatus {
    let state = match node.state {
        NodeState::Serving => "SERVING",
        NodeState::Draining => "DRAINING",
        NodeState::Drained => "DRAINED",
        NodeState::Unreachable => "UNREACHABLE",
        NodeState::Lost => "LOST",
    };
    let metadata = match node.metadata {
        Role::Leader => "LEADER",
        Role::Member => "MEMBER",
        Role::Watcher => "WATCHER",
    };
    v1::NodeStatus {
        node_id: node.node.get(),
        peer_address: node.address,
        zone: node.zone,
        version: node.version,
        state: state.to_owned(),
        metadata: metadata.to_owned(),
        leads: node.leads as u64,
        open_replicas: node.open_replicas as u64,
        closed_replicas: node.closed_replicas as u64,
        copies_missing: node.copies_missing as u64,
        copying: node.repair.filter(|repair| repair.shards_waiting > 0).map(copying),
        clock_off_ms: node.clock_off_ns.map(|off| off / 1_000_000),
        differing_shards: node.differing.into_iter().map(ShardId::get).collect(),
    }
}

/// What is left of the copy that comes now is known; the others are taken to be as large as those
/// that came before, or else as this one.
fn copying(repair: RepairStats) -> v1::Copying {
    let usual_bytes = repair.copied_bytes.checked_div(repair.copied).unwrap_or(repair.bytes_total);
    let others = repair.shards_waiting - 1;
    let left_bytes = repair
        .bytes_total
        .saturating_sub(repair.bytes_done)
        .saturating_add(usual_bytes.saturating_mul(others));
    v1::Copying {
        shards: repair.shards_waiting,
        bytes_per_s: repair.bytes_per_s,
        seconds_left: left_bytes.checked_div(repair.bytes_per_s).unwrap_or(0),
    }
}

/// A shard as the API shows it. One that is not served here shows what it last held; of a closed
/// one that was never here the catalog knows the rows.
fn shard_status(
    entry: Option<&ShardEntry>,
    last: Option<&ShardRecord>,
    shard: ShardStatus,
) -> v1::ShardStatus {
    let held = shard.here.or_else(|| last.map(last_held));
    let held = held.as_ref();
    let closed = entry.and_then(|entry| match &entry.state {
        ShardState::Closed(closed) => Some(closed),
        _ => None,
    });
    let leaving = |entry: &ShardEntry| {
        let nodes = entry.leaving.iter().filter_map(|replica| entry.replicas.get(replica));
        nodes.map(|node| node.get()).collect()
    };
    v1::ShardStatus {
        shard: shard.shard.get(),
        window: shard.window.get(),
        state: shard.state.to_ascii_uppercase(),
        range: shard.range.to_string(),
        leader_node: shard.leader.map_or(0, NodeId::get),
        replica_nodes: shard.nodes.into_iter().map(NodeId::get).collect(),
        rows: held.map(|here| here.rows).or(closed.map(|closed| closed.rows)).unwrap_or(0),
        disk_bytes: held.map_or(0, |here| here.disk_bytes),
        tail_bytes: held.map_or(0, |here| here.tail_bytes),
        applied_index: held.and_then(|here| here.applied).map_or(0, LogIndex::get),
        content_digest: held.map(|here| here.digest.to_string()).unwrap_or_default(),
        segments: held.map_or(0, |here| count(here.segments)),
        problem: shard.problem.unwrap_or_default(),
        unmerged_segments: held.map_or(0, |here| count(here.unmerged_segments)),
        merging: held.is_some_and(|here| here.merging),
        merge_problem: held.and_then(|here| here.merge_problem.clone()).unwrap_or_default(),
        here: held.is_some(),
        holder_nodes: closed
            .map(|closed| closed.holders.iter().map(|node| node.get()).collect())
            .unwrap_or_default(),
        leaving_nodes: entry.map(leaving).unwrap_or_default(),
        final_nodes: closed
            .and_then(|closed| closed.finished.as_ref())
            .map(|finished| finished.holders.iter().map(|node| node.get()).collect())
            .unwrap_or_default(),
    }
}

fn count(segments: usize) -> u32 {
    u32::try_from(segments).unwrap_or(u32::MAX)
}

fn last_held(record: &ShardRecord) -> ReplicaStatus {
    ReplicaStatus {
        rows: record.rows,
        digest: record.digest,
        applied: None,
        segments: usize::try_from(record.segments).unwrap_or(usize::MAX),
        disk_bytes: record.bytes,
        tail_bytes: 0,
        unmerged_segments: 0,
        merging: false,
        merge_problem: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_to_copy_is_estimated_from_what_was_copied() {
        let first = RepairStats {
            shards_waiting: 3,
            bytes_done: 400,
            bytes_total: 1_000,
            bytes_per_s: 100,
            ..RepairStats::default()
        };
        assert_eq!(copying(first).seconds_left, (600 + 2 * 1_000) / 100);
        let later = RepairStats { copied: 4, copied_bytes: 20_000, ..first };
        assert_eq!(copying(later).seconds_left, (600 + 2 * 5_000) / 100);
        assert_eq!(copying(RepairStats { bytes_per_s: 0, ..later }).seconds_left, 0);
    }
}
