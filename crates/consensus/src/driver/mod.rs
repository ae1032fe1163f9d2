//! The driver: where the metadata group is led, it looks at the cluster again and again, and takes
//! the steps that bring it to what the catalog and the state of the nodes ask for.
//!
//! What to do is decided by pure functions over one look: [`crate::rollover::plan`] and
//! [`crate::membership::plan`]. Nothing is remembered from one look to the next but when each node
//! was last heard of, so another leader goes on where this one was. Every step may be taken twice.

mod carry_out;
mod liveness;
mod observe;
mod report;

use std::collections::{BTreeMap, BTreeSet};

use futures::future::join_all;
use tracing::{debug, info};
use varve_types::{NodeId, ReplicaId, ShardId};

pub(crate) use carry_out::ask_shard;
pub(crate) use liveness::Liveness;
pub(crate) use report::{ClosedReport, HeldFiles, NodeReport, ReplicaReport, SeenPhase, Written};

use crate::host::Inner;
use crate::{membership, rollover};

/// What one look shows.
#[derive(Clone, Debug, Default)]
pub(crate) struct Observations {
    /// The running replicas that answered.
    pub(crate) reports: BTreeMap<(ShardId, NodeId), ReplicaReport>,
    /// What nodes had to say of closed shards.
    pub(crate) closed: Vec<(NodeId, ClosedReport)>,
    /// Replicas that cannot run, because what lies of them on their disk is damaged.
    pub(crate) broken: BTreeSet<(ShardId, ReplicaId)>,
    /// Shards that are to be rolled whatever their age.
    pub(crate) requested: BTreeSet<ShardId>,
    /// For how long each node has not been heard of, in ns; 0 for those that answered now.
    pub(crate) silent_ns: BTreeMap<NodeId, u64>,
    /// The members of the metadata group, as far as that is committed.
    pub(crate) metadata: BTreeSet<ReplicaId>,
    /// The replica of it that leads, which is the one that looks.
    pub(crate) metadata_leader: Option<ReplicaId>,
    /// Nodes that are about to stop.
    pub(crate) stopping: BTreeSet<NodeId>,
    /// What each node stores, in bytes, of what it reported.
    pub(crate) stored_bytes: BTreeMap<NodeId, u64>,
}

/// Looks once and takes the steps that are to be taken. Answers whether any was.
pub(crate) async fn drive(host: &Inner) -> bool {
    let catalog = host.catalog();
    let seen = observe::look(host, &catalog).await;
    let steps = rollover::plan(&catalog, &seen, host.now());
    let moves = membership::plan(&catalog, &seen);
    host.drop_finished_requests(&catalog, &seen);
    // All at once, because buckets do not wait for one another, and writers wait for theirs.
    let taken = steps.iter().map(|step| carry_out::step(host, &catalog, step));
    let mut progressed = false;
    for (step, taken) in steps.iter().zip(join_all(taken).await) {
        match taken {
            Ok(()) => {
                info!("rollover: {step}");
                progressed = true;
            }
            // The next look sees what is the case and tries again.
            Err(why) => debug!("rollover: {step}: put off: {why}"),
        }
    }
    for change in moves {
        match carry_out::change_membership(host, &catalog, &change).await {
            Ok(()) => info!("{change}"),
            Err(why) => debug!("{change}: put off: {why}"),
        }
    }
    progressed
}
