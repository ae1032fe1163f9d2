//! One look: every node is asked for its report, all at once.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures::future::join_all;
use tokio::time::timeout;
use varve_shard::Phase;
use varve_types::NodeId;

use super::{MoreReport, NodeReport, Observations, ReplicaReport, SeenPhase, Written};
use crate::catalog::{Catalog, ShardState};
use crate::host::Inner;

/// How long a peer may take to report: one that does not is left out of this look.
const REPORT_LIMIT: Duration = Duration::from_millis(800);

pub(super) async fn look(host: &Inner, catalog: &Catalog) -> Observations {
    let reports = gather(host, catalog).await;
    let mut seen = Observations { requested: host.requested().clone(), ..Observations::default() };
    for node in catalog.nodes.keys() {
        seen.silent_ns.insert(*node, host.liveness().silent_ns(*node));
    }
    for (node, report) in reports {
        let bytes = report.replicas.iter().map(|(_, replica)| replica.bytes).sum();
        seen.stored_bytes.insert(node, bytes);
        if report.stopping {
            seen.stopping.insert(node);
        }
        seen.reports
            .extend(report.replicas.into_iter().map(|(shard, replica)| ((shard, node), replica)));
        seen.broken.extend(report.broken);
        seen.closed.extend(report.closed.into_iter().map(|closed| (node, closed)));
    }
    if let Some(group) = host.catalog_group() {
        seen.metadata = group.settled_voters();
        seen.metadata_leader = Some(group.replica);
    }
    seen
}

async fn gather(host: &Inner, catalog: &Catalog) -> BTreeMap<NodeId, NodeReport> {
    let liveness = host.liveness();
    let asked = catalog.nodes.keys().map(|&node| async move {
        if node == host.node() {
            liveness.answered(node);
            return Some((node, host.report()));
        }
        if !liveness.may_ask(node) {
            return None;
        }
        match timeout(REPORT_LIMIT, host.ask_report(node)).await {
            Ok(Ok(report)) => {
                liveness.answered(node);
                if let Some(more) = &report.more {
                    host.clocks().seen(node, host.now(), more.clock);
                }
                Some((node, report))
            }
            _ => {
                liveness.did_not_answer(node);
                None
            }
        }
    });
    join_all(asked).await.into_iter().flatten().collect()
}

impl Inner {
    /// A request is over when its shard is no longer open, or is empty.
    pub(super) fn drop_finished_requests(&self, catalog: &Catalog, seen: &Observations) {
        let mut requested = self.requested();
        requested.retain(|id| {
            let Some(shard) = catalog.shards.get(id) else { return false };
            let empty = shard.replicas.values().any(|node| {
                let report = seen.reports.get(&(*id, *node));
                report.is_some_and(|report| report.leads && report.rows == 0)
            });
            shard.state == ShardState::Open && shard.successors.is_empty() && !empty
                || shard.state == ShardState::Preparing
        });
    }

    /// What this node has to report.
    pub(crate) fn report(&self) -> NodeReport {
        let replicas = self.running().into_iter().map(|(id, replica)| {
            let leads = replica.group.leads();
            let members = if leads { replica.group.settled_voters() } else { BTreeSet::new() };
            let shard = replica.home.shard();
            let summary = shard.summary();
            let report = ReplicaReport {
                leads,
                phase: match summary.phase {
                    Phase::AwaitingInherit => SeenPhase::AwaitingInherit,
                    Phase::Open => SeenPhase::Open,
                    Phase::Sealed { .. } => SeenPhase::Sealed,
                },
                applied: summary.applied,
                rows: summary.rows,
                bytes: summary.segment_bytes + summary.tail_bytes,
                members,
                written: shard.closed().map(|closed| Written {
                    rows: closed.rows,
                    digest: closed.digest,
                    events: closed.hours,
                }),
            };
            (id, report)
        });
        let stopping = self.is_stopping();
        NodeReport {
            more: Some(MoreReport { clock: self.now(), differing: self.differing_shards() }),
            stopping,
            replicas: replicas.collect(),
            closed: self.closed_reports(),
            broken: self.broken_replicas(),
            repair: self.repair_stats(),
        }
    }
}
