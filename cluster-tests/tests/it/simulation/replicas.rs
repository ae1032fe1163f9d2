//! What all replicas hold, as a node finds that reads them again on every node that has one.

use std::collections::BTreeMap;

use varve_client::{CallError, v1};
use varve_cluster_tests::note;
use varve_env::Env;
use varve_jepsen::history::ReplicaState;

use super::grpc::client;

/// What replicas hold.
pub(super) struct Replicas {
    /// Of each that can be compared with others.
    pub(super) states: Vec<ReplicaState>,
    /// Whether all were whole, and alike as far as the cluster knows.
    pub(super) are_good: bool,
}

/// The final holders of closed shards.
type Closed = BTreeMap<u64, Vec<u64>>;

/// Has `host`, a node's gRPC as `host:port`, read all replicas again.
pub(super) async fn read_again(env: &Env, host: &str) -> Result<Replicas, CallError> {
    let client = client(env, host);
    // Asked first: what is closed now stays closed.
    let closed = client.shards(&["closed".to_owned()]).await?;
    let closed = closed.into_iter().map(|shard| (shard.shard, shard.final_nodes)).collect();
    let mut replicas = Replicas { states: Vec::new(), are_good: true };
    let found = |copy: v1::VerifyResponse| {
        if !copy.ok {
            let v1::VerifyResponse { shard, node_id, problem, .. } = &copy;
            note(format_args!("shard {shard} on node {node_id}: {problem}"));
            replicas.are_good = false;
        }
        replicas.states.extend(state(&closed, copy));
    };
    client.verify(found).await?;
    Ok(replicas)
}

/// What a copy holds; `None` where nobody knows: its node did not answer, or it is of a shard that
/// goes on and was not compared at one entry of its log.
fn state(closed: &Closed, copy: v1::VerifyResponse) -> Option<ReplicaState> {
    let final_nodes = closed.get(&copy.shard);
    let has_answered = copy.ok || copy.rows > 0;
    let is_known = copy.applied_index.is_some() || (has_answered && final_nodes.is_some());
    let is_final = final_nodes.is_some_and(|nodes| nodes.contains(&copy.node_id));
    is_known.then_some(ReplicaState {
        shard: copy.shard,
        node: copy.node_id,
        applied: copy.applied_index,
        rows: copy.rows,
        content: copy.content_digest,
        files: is_final.then_some(copy.files_digest),
    })
}
