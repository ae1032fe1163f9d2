//! The driver: where the metadata group is led, it looks at the cluster again and again, and takes
//! the steps that bring it to what the catalog and the state of the nodes ask for.
//!
//! What to do is decided by pure functions over one look: [`crate::rollover::plan`] and
//! [`crate::membership::plan`]. Nothing that they go by is remembered from one look to the next but
//! when each node was last heard of, so another leader goes on where this one was. Every step may be
//! taken twice.

mod carry_out;
mod clocks;
mod liveness;
mod observe;
mod report;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::mem::discriminant;
use std::sync::Arc;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use tracing::{debug, info};
use varve_types::{NodeId, ReplicaId, ShardId};

pub(crate) use carry_out::ask_shard;
pub(crate) use clocks::{Clocks, clock_off_ns};
pub(crate) use liveness::Liveness;
pub(crate) use report::{
    ClosedReport, HeldFiles, MoreReport, NodeReport, ReplicaReport, SeenPhase, Written,
};

use crate::host::Inner;
use crate::rollover::Step;
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

impl Observations {
    /// Takes a step of a rollover into account that was taken after the look.
    pub(crate) fn note(&mut self, step: &Step) {
        let (shard, leader, phase) = match step {
            Step::Seal { shard, leader, .. } => (*shard, *leader, SeenPhase::Sealed),
            Step::Inherit { shard, leader, .. } => (*shard, *leader, SeenPhase::Open),
            // These change the catalog.
            Step::Prepare { .. }
            | Step::RecordSealed(_)
            | Step::RecordOpened(_)
            | Step::RecordClosed { .. } => return,
        };
        if let Some(report) = self.reports.get_mut(&(shard, leader)) {
            report.phase = phase;
        }
    }
}

/// Looks once and takes the steps that are to be taken. Answers whether any was.
pub(crate) async fn drive(host: &Inner) -> bool {
    let catalog = host.catalog();
    let seen = observe::look(host, &catalog).await;
    let moves = membership::plan(&catalog, &seen);
    host.drop_finished_requests(&catalog, &seen);
    let progressed = roll_over(host, seen).await;
    for change in moves {
        match carry_out::change_membership(host, &catalog, &change).await {
            Ok(()) => info!("{change}"),
            Err(why) => debug!("{change}: put off: {why}"),
        }
    }
    progressed
}

/// Takes the steps of rollovers, and each that follows from one as soon as it can be taken: from a
/// seal on writers wait, and those of one bucket do not wait for another.
async fn roll_over(host: &Inner, mut seen: Observations) -> bool {
    let mut begun = HashSet::new();
    let mut under_way = FuturesUnordered::new();
    let mut progressed = false;
    loop {
        let catalog = host.catalog();
        for step in rollover::plan(&catalog, &seen, host.now()) {
            // One that failed is tried again after the next look, which sees what is the case.
            if begun.insert((discriminant(&step), step.shard())) {
                let catalog = Arc::clone(&catalog);
                under_way.push(async move { (carry_out::step(host, &catalog, &step).await, step) });
            }
        }
        match under_way.next().await {
            Some((Ok(()), step)) => {
                info!("rollover: {step}");
                seen.note(&step);
                progressed = true;
            }
            Some((Err(why), step)) => debug!("rollover: {step}: put off: {why}"),
            None => return progressed,
        }
    }
}
