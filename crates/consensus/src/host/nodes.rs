//! The nodes of the cluster as this one sees them, and what may be done with them.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::future::join_all;
use tokio::time::{Instant, sleep, timeout};
use varve_placement::{metadata_voters, replica_count};
use varve_types::{NodeId, ShardId};

use super::{Host, Inner};
use crate::catalog::{Catalog, CatalogCommand, Node, ShardEntry, ShardState, replica_on};
use crate::driver::{MoreReport, NodeReport, ask_shard, clock_off_ns};
use crate::errors::CatalogError;
use crate::rollover::{ControlReply, ControlRequest};
use crate::upkeep::RepairStats;

/// How long a node may take to say how it is.
const REPORT_LIMIT: Duration = Duration::from_secs(2);
/// How often to look whether a leadership has moved.
const HAND_OVER_POLL: Duration = Duration::from_millis(10);

/// One node of the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeStatus {
    /// Which node.
    pub node: NodeId,
    /// Where its peers reach it; empty once another disk serves there.
    pub address: String,
    /// What fails together with it; empty when nobody said.
    pub zone: String,
    /// Which software it runs.
    pub version: String,
    /// How it is.
    pub state: NodeState,
    /// What it is to the metadata group.
    pub metadata: Role,
    /// Shards that it leads.
    pub leads: usize,
    /// Open shards that it has a replica of.
    pub open_replicas: usize,
    /// Closed shards that it holds, or is to hold.
    pub closed_replicas: usize,
    /// Those of them that it does not hold yet.
    pub copies_missing: usize,
    /// What is copied to it; `None` when it does not answer.
    pub repair: Option<RepairStats>,
    /// How far its clock is ahead of this node's, or behind it, when that is more than it may be.
    pub clock_off_ns: Option<i64>,
    /// Open shards that it leads and whose replicas it found to hold different rows.
    pub differing: Vec<ShardId>,
}

/// How a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeState {
    /// It answers, and takes what it is given.
    Serving,
    /// It is being emptied.
    Draining,
    /// It holds nothing any more and may be removed.
    Drained,
    /// It does not answer.
    Unreachable,
    /// It has been gone for so long that what it held is replaced.
    Lost,
}

/// What a node is to the metadata group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It leads it.
    Leader,
    /// It is a member.
    Member,
    /// It follows what members tell.
    Watcher,
}

impl Host {
    /// All nodes, each asked how it is.
    pub async fn nodes(&self) -> Vec<NodeStatus> {
        let inner = self.inner();
        let catalog = inner.catalog();
        let reports = inner.ask_all(&catalog).await;
        let leader = inner.catalog_leader();
        let status = |(id, node): (&NodeId, &Node)| {
            let report = reports.get(id);
            let held = |state: fn(&ShardState) -> bool| {
                let held = catalog.shards.values().filter(move |shard| state(&shard.state));
                held.filter(|shard| shard.replica_on(*id).is_some())
            };
            let metadata = match replica_on(&catalog.replicas, *id) {
                Some(_) if leader == Some(*id) => Role::Leader,
                Some(_) => Role::Member,
                None => Role::Watcher,
            };
            let closed = || held(|state| matches!(state, ShardState::Closed(_)));
            NodeStatus {
                node: *id,
                address: node.address.clone(),
                zone: node.zone.clone(),
                version: node.version.clone(),
                state: state(&catalog, *id, node, report.is_some()),
                metadata,
                leads: report.map_or(0, NodeReport::leads),
                open_replicas: held(|state| !matches!(state, ShardState::Closed(_))).count(),
                closed_replicas: closed().count(),
                copies_missing: closed().filter(|shard| is_missing(shard, *id)).count(),
                repair: report.map(|report| report.repair),
                clock_off_ns: more(report).and_then(|more| clock_off_ns(inner.now(), more.clock)),
                differing: more(report).map(|more| more.differing.clone()).unwrap_or_default(),
            }
        };
        catalog.nodes.iter().map(status).collect()
    }

    /// Whether a node that connects may be a member of this cluster. One that is not known here yet
    /// may have joined a moment ago.
    ///
    /// # Errors
    ///
    /// Says why not, and what to do, for the other side's log.
    pub fn check_peer(&self, from: NodeId) -> Result<(), String> {
        let catalog = self.inner().catalog();
        let known = catalog.nodes.contains_key(&from);
        if known || catalog.cluster.is_none() || from.get() > catalog.next.node {
            return Ok(());
        }
        Err(format!(
            "node {from} was removed from the cluster; to use its machine again, move its data \
             directory away and start it with --join"
        ))
    }

    /// Begins to empty a node, or stops it. A node that is being emptied is given nothing new, and
    /// what it has is copied to others before it goes.
    ///
    /// # Errors
    ///
    /// [`CatalogError::Refused`] when there is no such node, or too few would be left to hold
    /// everything as often as it is to be held; the others as they say.
    pub async fn set_draining(&self, node: NodeId, draining: bool) -> Result<(), CatalogError> {
        self.inner().change(&CatalogCommand::SetDraining { node, draining }).await.map(drop)
    }

    /// Takes a node that holds nothing any more out of the cluster.
    ///
    /// # Errors
    ///
    /// [`CatalogError::Refused`] while it holds something, with what is to be done first.
    pub async fn remove(&self, node: NodeId) -> Result<(), CatalogError> {
        let inner = self.inner();
        let catalog = inner.catalog_now().await?;
        if !catalog.nodes.contains_key(&node) {
            return Err(CatalogError::Refused(format!("there is no node {node}")));
        }
        if replica_on(&catalog.replicas, node).is_some() || holds_shards(&catalog, node) {
            catalog.require_enough_without(node).map_err(CatalogError::Refused)?;
            if catalog.nodes.get(&node).is_some_and(|node| node.lost) {
                return Err(refused(format!(
                    "node {node} is lost, and others take over what it held: `varve cluster nodes` \
                     shows when it holds nothing any more"
                )));
            }
        }
        inner.change(&CatalogCommand::RemoveNode { node }).await.map(drop)
    }

    /// Has another node lead a shard, and waits until it does.
    ///
    /// # Errors
    ///
    /// [`CatalogError::Refused`] when that node has no replica of it, or it is closed;
    /// [`CatalogError::Unavailable`] when it has not come to lead in time.
    pub async fn transfer_leader(&self, shard: ShardId, to: NodeId) -> Result<(), CatalogError> {
        let inner = self.inner();
        let catalog = inner.catalog_now().await?;
        let entry = catalog.shards.get(&shard);
        let entry = entry.ok_or_else(|| refused(format!("there is no shard {shard}")))?;
        if matches!(entry.state, ShardState::Closed(_)) {
            return Err(refused(format!("shard {shard} is closed: nobody leads it")));
        }
        let holders = || {
            let nodes: Vec<String> = entry.replicas.values().map(ToString::to_string).collect();
            nodes.join(", ")
        };
        let replica = entry.replica_on(to).ok_or_else(|| {
            refused(format!("node {to} has no replica of shard {shard}: it is on {}", holders()))
        })?;
        let deadline = Instant::now() + inner.settings.propose_limit;
        loop {
            let reports = inner.ask_all(&catalog).await;
            let leads = |report: &NodeReport| report.leads_shard(shard);
            let leader = reports.iter().find(|(_, report)| leads(report)).map(|(node, _)| *node);
            match leader {
                Some(leader) if leader == to => return Ok(()),
                Some(leader) => {
                    let request = ControlRequest::HandOver(replica);
                    // The next look tells what came of it.
                    let _: Result<ControlReply, String> =
                        ask_shard(inner, &catalog, shard, leader, request).await;
                }
                None => {}
            }
            if Instant::now() >= deadline {
                let why = format!("node {to} does not come to lead shard {shard}");
                return Err(CatalogError::Unavailable(why));
            }
            sleep(HAND_OVER_POLL * 10).await;
        }
    }

    /// Hands all leaderships of this node to others, and takes none any more: for a node that is
    /// about to stop. It takes at most so long.
    pub async fn hand_over(&self, limit: Duration) {
        let inner = self.inner();
        inner.is_stopping.store(true, std::sync::atomic::Ordering::Relaxed);
        let deadline = Instant::now() + limit;
        while Instant::now() < deadline {
            let led: Vec<_> =
                inner.running().into_iter().filter(|(_, replica)| replica.group.leads()).collect();
            let catalog = inner.catalog_group().filter(|group| group.leads());
            let groups = led.iter().map(|(_, replica)| &replica.group).chain(catalog.as_deref());
            let mut left = 0;
            for group in groups {
                if let Some(to) = group.best_follower() {
                    left += 1;
                    // Tried again until the time is over.
                    let _: Result<(), String> = group.hand_over(to).await;
                }
            }
            if left == 0 {
                return;
            }
            sleep(HAND_OVER_POLL * 5).await;
        }
    }

    /// Whether this node has all that it is to have, and serves it.
    ///
    /// # Errors
    ///
    /// What is missing, as texts for people.
    pub fn readiness(&self) -> Result<(), Vec<String>> {
        let missing = self.inner().missing();
        if missing.is_empty() { Ok(()) } else { Err(missing) }
    }
}

/// What a node that answers says beside what nodes always said.
fn more(report: Option<&NodeReport>) -> Option<&MoreReport> {
    report?.more.as_ref()
}

fn refused(why: String) -> CatalogError {
    CatalogError::Refused(why)
}

fn holds_shards(catalog: &Catalog, node: NodeId) -> bool {
    catalog.shards.values().any(|shard| shard.replica_on(node).is_some())
}

fn state(catalog: &Catalog, id: NodeId, node: &Node, answered: bool) -> NodeState {
    match node {
        Node { lost: true, .. } => NodeState::Lost,
        _ if !answered => NodeState::Unreachable,
        Node { draining: true, .. }
            if !holds_shards(catalog, id) && replica_on(&catalog.replicas, id).is_none() =>
        {
            NodeState::Drained
        }
        Node { draining: true, .. } => NodeState::Draining,
        _ => NodeState::Serving,
    }
}

fn is_missing(shard: &ShardEntry, node: NodeId) -> bool {
    matches!(&shard.state, ShardState::Closed(closed) if !closed.holders.contains(&node))
}

impl Inner {
    /// Shards that this node leads and whose replicas hold different rows.
    pub(crate) fn differing_shards(&self) -> Vec<ShardId> {
        self.upkeep.comparisons.shards()
    }

    /// What is copied to this node.
    pub(crate) fn repair_stats(&self) -> RepairStats {
        self.upkeep.repairs.stats()
    }

    /// Asks every node for its report.
    async fn ask_all(&self, catalog: &Catalog) -> BTreeMap<NodeId, NodeReport> {
        let asked = catalog.nodes.keys().map(|&node| async move {
            if node == self.node {
                return Some((node, self.report()));
            }
            let asked = timeout(REPORT_LIMIT, self.ask_report(node)).await;
            Some((node, asked.ok()?.ok()?))
        });
        join_all(asked).await.into_iter().flatten().collect()
    }

    /// The node that leads the metadata group, as far as this one knows.
    fn catalog_leader(&self) -> Option<NodeId> {
        self.catalog_group()?.leader()
    }

    /// What this node does not have yet, and is to have.
    fn missing(&self) -> Vec<String> {
        let catalog = self.catalog();
        let mut missing = Vec::new();
        if !self.catalog_is_fresh.load(std::sync::atomic::Ordering::Relaxed) {
            missing.push("the catalog has not been confirmed by the metadata group yet".to_owned());
        }
        let usable = catalog.nodes.values().filter(|node| node.is_usable()).count();
        let gives = catalog.nodes.get(&self.node).is_some_and(Node::is_usable);
        let wanted = usize::try_from(catalog.settings.replicas).unwrap_or(usize::MAX);
        let wanted = replica_count(wanted, usable);
        if gives
            && catalog.replicas.len() < metadata_voters(usable)
            && replica_on(&catalog.replicas, self.node).is_none()
        {
            missing.push("this node is to become a member of the metadata group".to_owned());
        }
        for (id, shard) in &catalog.shards {
            if shard.replica_on(self.node).is_some() {
                missing.extend(self.missing_of(*id, shard));
            } else if gives && shard.staying().count() < wanted {
                let state = &shard.state;
                missing.push(format!("shard {id}, which is {state}, has too few replicas"));
            }
        }
        missing
    }

    fn missing_of(&self, id: ShardId, shard: &ShardEntry) -> Option<String> {
        if let Some(error) = self.refusal(id) {
            return Some(format!("shard {id} is not served here: {error}"));
        }
        match &shard.state {
            ShardState::Closed(_) if is_missing(shard, self.node) => {
                Some(format!("shard {id} is being copied"))
            }
            ShardState::Closed(_) => None,
            _ => {
                let led = self.replica(id).is_some_and(|replica| {
                    replica.group.leader().is_some() && replica.group.votes()
                });
                (!led).then(|| format!("shard {id} has no leader here, or this node no vote yet"))
            }
        }
    }
}
