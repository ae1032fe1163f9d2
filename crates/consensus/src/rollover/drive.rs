//! The one place that carries out the plan. It runs where the catalog is led.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::future::join_all;
use tracing::{debug, info};
use varve_shard::{Command, Phase};
use varve_types::{GroupId, NodeId, ShardId};

use super::{
    ControlReply, ControlRequest, Observations, ReplicaReport, SeenPhase, Step, Written, plan,
};
use crate::catalog::{Catalog, CatalogCommand, CatalogReply, ShardState, replica_on};
use crate::host::{Inner, took_effect};
use crate::network::{MessageKind, PeerMessage};

/// How long a peer may take to report: one that does not is left out of this look.
const REPORT_LIMIT: Duration = Duration::from_millis(800);

/// Looks once and takes the steps that are to be taken. Answers whether any was.
pub(crate) async fn drive(host: &Inner) -> bool {
    let catalog = host.catalog();
    seat_catalog_members(host, &catalog).await;
    let seen =
        Observations { reports: gather(host, &catalog).await, requested: host.requested().clone() };
    let steps = plan(&catalog, &seen, host.now());
    drop_finished_requests(host, &catalog, &seen);
    let mut progressed = false;
    for step in steps {
        match take(host, &catalog, &step).await {
            Ok(()) => {
                info!(?step, "rollover");
                progressed = true;
            }
            // The next look sees what is the case and tries again.
            Err(why) => debug!(?step, why, "rollover step put off"),
        }
    }
    progressed
}

/// A request is over when its shard is no longer open, or is empty.
fn drop_finished_requests(host: &Inner, catalog: &Catalog, seen: &Observations) {
    let mut requested = host.requested();
    requested.retain(|id| {
        let Some(shard) = catalog.shards.get(id) else { return false };
        let empty = shard.replicas.values().any(|node| {
            seen.reports.get(&(*id, *node)).is_some_and(|report| report.leads && report.rows == 0)
        });
        shard.state == ShardState::Open && shard.successors.is_empty() && !empty
            || shard.state == ShardState::Preparing
    });
}

async fn gather(host: &Inner, catalog: &Catalog) -> BTreeMap<(ShardId, NodeId), ReplicaReport> {
    let asked = catalog.nodes.keys().map(|&node| async move {
        if node == host.node() {
            return (node, host.reports());
        }
        let request = ControlRequest::Reports;
        let asked = ask(host, catalog, GroupId::CATALOG, node, &request);
        match tokio::time::timeout(REPORT_LIMIT, asked).await {
            Ok(Ok(ControlReply::Reports(reports))) => (node, reports),
            _ => (node, Vec::new()),
        }
    });
    let answers = join_all(asked).await;
    let flat = answers.into_iter().flat_map(|(node, reports)| {
        reports.into_iter().map(move |(shard, report)| ((shard, node), report))
    });
    flat.collect()
}

/// Asks a node's replica of a group.
async fn ask(
    host: &Inner,
    catalog: &Catalog,
    group: GroupId,
    node: NodeId,
    request: &ControlRequest,
) -> Result<ControlReply, String> {
    let to = match group.as_shard() {
        None => replica_on(&catalog.replicas, node),
        Some(shard) => catalog.shards.get(&shard).and_then(|entry| entry.replica_on(node)),
    };
    let to = to.ok_or_else(|| format!("{group} has no replica on node {node}"))?;
    let message = PeerMessage { group, to, kind: MessageKind::Control, body: request.encode() };
    let reply = host.transport().send(node, message).await.map_err(|error| error.to_string())?;
    ControlReply::decode(reply).map_err(|error| error.to_string())
}

/// Asks a shard's replica, here or elsewhere.
async fn ask_shard(
    host: &Inner,
    catalog: &Catalog,
    shard: ShardId,
    node: NodeId,
    request: ControlRequest,
) -> Result<ControlReply, String> {
    if node != host.node() {
        return ask(host, catalog, GroupId::shard(shard), node, &request).await;
    }
    let replica = host.replica(shard).ok_or_else(|| format!("shard {shard} is not here"))?;
    host.control(&replica.group, request).await.map_err(|error| error.to_string())
}

async fn take(host: &Inner, catalog: &Catalog, step: &Step) -> Result<(), String> {
    match step {
        Step::Prepare { predecessors, successors } => {
            let (predecessors, successors) =
                (predecessors.clone(), successors.iter().map(Into::into).collect());
            change(host, CatalogCommand::Prepare { predecessors, successors }).await
        }
        Step::Seal { shard, leader, successors } => {
            let command = Command::Seal { successors: successors.clone() };
            propose(host, catalog, *shard, *leader, &command).await
        }
        Step::Inherit { shard, leader, from } => {
            let mut tables = Vec::with_capacity(from.len());
            for (before, node) in from {
                let request = ControlRequest::ExportDedup;
                match ask_shard(host, catalog, *before, *node, request).await? {
                    ControlReply::Dedup(table) => tables.push(table),
                    reply => return Err(format!("shard {before} answered {reply:?}")),
                }
            }
            propose(host, catalog, *shard, *leader, &Command::Inherit { tables }).await
        }
        Step::RecordSealed(shard) => change(host, CatalogCommand::Sealed { shard: *shard }).await,
        Step::RecordOpened(shard) => change(host, CatalogCommand::Opened { shard: *shard }).await,
        Step::RecordClosed { shard, closed } => {
            change(host, CatalogCommand::Closed { shard: *shard, closed: closed.clone() }).await
        }
    }
}

async fn change(host: &Inner, command: CatalogCommand) -> Result<(), String> {
    match host.change(&command).await {
        Ok(CatalogReply::Done) => Ok(()),
        Ok(reply) => Err(format!("{reply:?}")),
        Err(error) => Err(error.to_string()),
    }
}

async fn propose(
    host: &Inner,
    catalog: &Catalog,
    shard: ShardId,
    leader: NodeId,
    command: &Command,
) -> Result<(), String> {
    let request = ControlRequest::Propose(command.encode());
    match ask_shard(host, catalog, shard, leader, request).await? {
        ControlReply::Proposed(outcome) if took_effect(&outcome) => Ok(()),
        reply => Err(format!("shard {shard} answered {reply:?}")),
    }
}

/// Makes the metadata group's members what the catalog names: an odd number of the first nodes
/// votes, at most five, and the others follow as learners.
async fn seat_catalog_members(host: &Inner, catalog: &Catalog) {
    let nodes = catalog.replicas.len();
    let voters = if nodes >= 5 {
        5
    } else if nodes >= 3 {
        3
    } else {
        1
    };
    let members: Vec<_> =
        catalog.replicas.iter().map(|(replica, node)| (*replica, *node)).collect();
    if let Err(why) = host.catalog_group().seat(&members, voters).await {
        debug!(why, "seating the catalog's members is put off");
    }
}

impl Inner {
    /// What this node's running replicas have to report.
    pub(crate) fn reports(&self) -> Vec<(ShardId, ReplicaReport)> {
        let catalog = self.catalog();
        let running = catalog.shards.keys().filter_map(|id| Some((*id, self.replica(*id)?)));
        running
            .map(|(id, replica)| {
                let leads = replica.group.leads();
                let shard = replica.home.shard();
                let summary = shard.summary();
                let report = ReplicaReport {
                    leads,
                    phase: match summary.phase {
                        Phase::AwaitingInherit => SeenPhase::AwaitingInherit,
                        Phase::Open => SeenPhase::Open,
                        Phase::Sealed { .. } => SeenPhase::Sealed,
                    },
                    rows: summary.rows,
                    bytes: summary.segment_bytes + summary.tail_bytes,
                    written: shard.closed().map(|closed| Written {
                        rows: closed.rows,
                        digest: closed.digest,
                        events: closed.hours,
                    }),
                };
                (id, report)
            })
            .collect()
    }
}
