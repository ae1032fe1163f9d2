//! What a node says of itself and of the cluster: for the API, and for metrics.

use varve_consensus::{ReplicaStatus, ShardStatus};
use varve_proto::v1;
use varve_shard::ShardRecord;
use varve_types::{LogIndex, NodeId};

use crate::metrics::Held;
use crate::server::Services;

impl Services {
    /// What the cluster looks like from here.
    pub(crate) fn status(&self) -> v1::StatusResponse {
        let catalog = self.host.catalog();
        let remembered = self.remembered.records();
        let nodes = catalog.nodes.iter().map(|(id, node)| v1::NodeStatus {
            node_id: id.get(),
            peer_address: node.address.clone(),
        });
        v1::StatusResponse {
            cluster_id: self.host.cluster().to_string(),
            node_id: self.host.node().get(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            nodes: nodes.collect(),
            shards: self
                .host
                .status()
                .into_iter()
                .map(|shard| shard_status(remembered.get(&shard.shard), shard))
                .collect(),
            disk_full: self.host.is_disk_full(),
        }
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
            ..Held::default()
        };
        for shard in self.host.status() {
            *held.shards.entry(shard.state).or_default() += 1;
            held.rows += shard.here.map_or(0, |here| here.rows);
        }
        held.show();
    }
}

fn count(segments: usize) -> u32 {
    u32::try_from(segments).unwrap_or(u32::MAX)
}

/// A shard as the API shows it. One that is not served here shows what it last held.
fn shard_status(last: Option<&ShardRecord>, shard: ShardStatus) -> v1::ShardStatus {
    let held = shard.here.or_else(|| last.map(last_held));
    let held = held.as_ref();
    v1::ShardStatus {
        shard: shard.shard.get(),
        window: shard.window.get(),
        state: shard.state.to_ascii_uppercase(),
        range: shard.range.to_string(),
        leader_node: shard.leader.map_or(0, NodeId::get),
        replica_nodes: shard.nodes.into_iter().map(NodeId::get).collect(),
        rows: held.map_or(0, |here| here.rows),
        disk_bytes: held.map_or(0, |here| here.disk_bytes),
        tail_bytes: held.map_or(0, |here| here.tail_bytes),
        applied_index: held.and_then(|here| here.applied).map_or(0, LogIndex::get),
        content_digest: held.map(|here| here.digest.to_string()).unwrap_or_default(),
        segments: held.map_or(0, |here| count(here.segments)),
        problem: shard.problem.unwrap_or_default(),
        unmerged_segments: held.map_or(0, |here| count(here.unmerged_segments)),
        merging: held.is_some_and(|here| here.merging),
        merge_problem: held.and_then(|here| here.merge_problem.clone()).unwrap_or_default(),
    }
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
