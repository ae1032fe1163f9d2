//! Finding out from which index on shards must be read: their leaders say it.
//!
//! Asking goes in rounds. Each asks every shard's most promising node, all shards of one node in
//! one message; shards whose node does not lead, or does not answer, are in the next round. A
//! shard that turns out to be sealed brings its successors in.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use tokio::time::{Instant, sleep, timeout};
use varve_mutants::Mutant;
use varve_types::{NodeId, ShardId};

use super::super::{Inner, Local};
use super::message::IndexAnswer;
use super::{ReadAt, ReadPoint, ReadPoints};
use crate::catalog::{Catalog, Closed, ShardState};
use crate::errors::ReadError;

/// How long one node is waited for before another is asked.
pub(super) const ASK_LIMIT: Duration = Duration::from_secs(2);

/// How long to wait after all nodes were asked in vain: an election takes longer than that.
const ROUND_PAUSE: Duration = Duration::from_millis(50);

/// How long the catalog's group is waited for when its word might help.
const CATALOG_LIMIT: Duration = Duration::from_secs(1);

/// A shard that nobody confirmed yet.
#[derive(Debug, Default)]
struct Pending {
    /// Who leads, as the last one asked said.
    hint: Option<NodeId>,
    /// Who was asked in vain since the last pause.
    asked: BTreeSet<NodeId>,
    /// What each said last.
    said: BTreeMap<NodeId, String>,
    /// Whether somebody's answer may change soon: an election, a connection.
    may_change: bool,
    /// How often all were asked in vain, and none of the answers may change.
    refused: u32,
}

/// The shards that are being asked about.
struct Asking {
    pending: BTreeMap<ShardId, Pending>,
    seen: BTreeSet<ShardId>,
    found: ReadPoints,
    loads: BTreeMap<NodeId, usize>,
}

impl Inner {
    /// From where on one shard, or all, must be read.
    pub(super) async fn read_points(&self, only: Option<ShardId>, limit: Duration) -> ReadPoints {
        let deadline = Instant::now() + limit;
        let mut asking = Asking {
            pending: BTreeMap::new(),
            seen: BTreeSet::new(),
            found: ReadPoints { points: Vec::new(), unread: Vec::new() },
            loads: self.loads.now(),
        };
        let catalog = self.catalog();
        match only {
            Some(shard) => asking.add([shard]),
            // A shard that is being prepared has acknowledged nothing while its predecessors are
            // open; once they are not, they name it.
            None => asking.add(
                (catalog.shards.iter())
                    .filter(|(_, entry)| entry.state != ShardState::Preparing)
                    .map(|(id, _)| *id),
            ),
        }
        loop {
            self.take_closed(&self.catalog(), &mut asking, only.is_none());
            if asking.pending.is_empty() {
                break;
            }
            let by_node = self.whom_to_ask(&mut asking);
            if by_node.is_empty() {
                let is_late = Instant::now() + ROUND_PAUSE >= deadline;
                asking.give_up(is_late);
                if !asking.pending.is_empty() {
                    self.before_another_round(&mut asking).await;
                }
                continue;
            }
            self.ask(by_node, &mut asking, deadline, only.is_none()).await;
        }
        asking.found.points.sort_by_key(|point| point.shard);
        asking.found
    }

    /// What the catalog calls closed needs nobody's word.
    fn take_closed(&self, catalog: &Arc<Catalog>, asking: &mut Asking, follow: bool) {
        let mut successors: Vec<ShardId> = Vec::new();
        let Asking { pending, found, loads, .. } = asking;
        pending.retain(|shard, _| {
            let Some(entry) = catalog.shards.get(shard) else { return true };
            let ShardState::Closed(_) = &entry.state else { return true };
            successors.extend(&entry.successors);
            found.points.push(self.point(catalog, loads, *shard, ReadAt::Whole, None));
            false
        });
        if follow && !successors.is_empty() {
            asking.add(successors);
            self.take_closed(catalog, asking, follow);
        }
    }

    /// The node to ask about each shard; none for those that all were asked about.
    fn whom_to_ask(&self, asking: &mut Asking) -> BTreeMap<NodeId, Vec<ShardId>> {
        let catalog = self.catalog();
        let mut by_node: BTreeMap<NodeId, Vec<ShardId>> = BTreeMap::new();
        for (shard, pending) in &mut asking.pending {
            let local = self.local(*shard);
            let leader = match &local {
                Some(Local::Running(replica)) => replica.group.leader(),
                Some(Local::Closed(_)) => Some(self.node),
                Some(Local::Refused(_)) | None => None,
            };
            let entry = catalog.shards.get(shard);
            let replicas = entry.into_iter().flat_map(|entry| entry.replicas.values().copied());
            let mut replicas: Vec<NodeId> = replicas.collect();
            replicas.sort_by_key(|node| !is_usable(&catalog, *node));
            let hint = pending.hint.take();
            let mut nodes = hint.into_iter().chain(leader).chain(replicas);
            if let Some(node) = nodes.find(|node| !pending.asked.contains(node)) {
                pending.asked.insert(node);
                by_node.entry(node).or_default().push(*shard);
            }
        }
        by_node
    }

    async fn ask(
        &self,
        by_node: BTreeMap<NodeId, Vec<ShardId>>,
        asking: &mut Asking,
        deadline: Instant,
        follow: bool,
    ) {
        let left = deadline.saturating_duration_since(Instant::now());
        let limit = ASK_LIMIT.min(left.max(ROUND_PAUSE));
        let asked = by_node.into_iter().map(async |(node, shards)| {
            let answers = self.read_indexes(node, shards.clone(), limit).await;
            (node, shards, answers)
        });
        let catalog = self.catalog();
        for (node, shards, answers) in join_all(asked).await {
            match answers {
                Ok(mut answers) => {
                    for shard in shards {
                        let answer = answers.remove(&shard);
                        self.take(&catalog, asking, (node, shard), answer, follow);
                    }
                }
                Err(why) => {
                    for shard in shards {
                        let pending = asking.pending.entry(shard).or_default();
                        pending.may_change = true;
                        pending.said.insert(node, why.clone());
                    }
                }
            }
        }
    }

    fn take(
        &self,
        catalog: &Arc<Catalog>,
        asking: &mut Asking,
        (node, shard): (NodeId, ShardId),
        answer: Option<IndexAnswer>,
        follow: bool,
    ) {
        let Some(pending) = asking.pending.get_mut(&shard) else { return };
        let (at, successors) = match answer {
            Some(IndexAnswer::Index { index, successors }) => {
                (index.map_or(ReadAt::Whatever, ReadAt::Applied), successors)
            }
            Some(IndexAnswer::Whole { successors }) => (ReadAt::Whole, successors),
            Some(IndexAnswer::NotLeader(leader)) => {
                pending.may_change = true;
                pending.hint = leader;
                pending.said.insert(node, "it does not lead the shard".to_owned());
                return;
            }
            Some(IndexAnswer::Failed(why)) => {
                pending.said.insert(node, why);
                return;
            }
            None => {
                pending.said.insert(node, "it says nothing of the shard".to_owned());
                return;
            }
        };
        asking.pending.remove(&shard);
        let point = self.point(catalog, &mut asking.loads, shard, at, Some(node));
        asking.found.points.push(point);
        if follow && !Mutant::SuccessorsNotFollowed.is_planted() {
            asking.add(successors);
        }
    }

    /// Waits a little. Perhaps the catalog here is old: its group is asked when nobody knows a
    /// shard.
    async fn before_another_round(&self, asking: &mut Asking) {
        if asking.pending.values().any(|pending| pending.refused == 1) {
            // Without its word, those that said no are asked once more all the same.
            let _ = timeout(CATALOG_LIMIT, self.catalog_now()).await;
        }
        sleep(ROUND_PAUSE).await;
    }

    /// Where a shard may be read: here if it is here, else where it is led, and where nodes are
    /// neither being emptied nor lost before those that are; of several the one of which least is
    /// asked. `loads` counts this one in.
    fn point(
        &self,
        catalog: &Catalog,
        loads: &mut BTreeMap<NodeId, usize>,
        shard: ShardId,
        at: ReadAt,
        answered: Option<NodeId>,
    ) -> ReadPoint {
        let entry = catalog.shards.get(&shard);
        let mut nodes: Vec<NodeId> = match entry.map(|entry| &entry.state) {
            Some(ShardState::Closed(Closed { holders, .. })) => holders.iter().copied().collect(),
            _ => entry.iter().flat_map(|entry| entry.replicas.values().copied()).collect(),
        };
        // Where all else is equal each shard begins with another of its nodes.
        let turn = usize::try_from(shard.get()).unwrap_or(0) % nodes.len().max(1);
        nodes.rotate_left(turn);
        let is_here = match self.local(shard) {
            Some(Local::Closed(_)) => true,
            Some(Local::Running(replica)) => replica.group.votes(),
            Some(Local::Refused(_)) | None => false,
        };
        for node in answered.into_iter().chain(is_here.then_some(self.node)) {
            if !nodes.contains(&node) {
                nodes.push(node);
            }
        }
        nodes.sort_by_key(|node| {
            let is_self = is_here && *node == self.node;
            let load = loads.get(node).copied().unwrap_or(0);
            (!is_self, !is_usable(catalog, *node), answered != Some(*node), load)
        });
        if let Some(first) = nodes.first() {
            *loads.entry(*first).or_default() += 1;
        }
        ReadPoint { shard, at, nodes }
    }

    pub(super) fn stale_points(&self) -> Vec<ReadPoint> {
        let catalog = self.catalog();
        let mut loads = self.loads.now();
        let shards = catalog.shards.iter();
        let is_read = shards.filter(|(_, entry)| entry.state != ShardState::Preparing);
        let point =
            |(id, _): (&ShardId, _)| self.point(&catalog, &mut loads, *id, ReadAt::Whatever, None);
        is_read.map(point).collect()
    }
}

impl Asking {
    fn add(&mut self, shards: impl IntoIterator<Item = ShardId>) {
        for shard in shards {
            if self.seen.insert(shard) {
                self.pending.insert(shard, Pending::default());
            }
        }
    }

    /// Ends what is hopeless: when the time is over, or all nodes said no twice and meant it.
    fn give_up(&mut self, is_late: bool) {
        let unread = &mut self.found.unread;
        self.pending.retain(|shard, pending| {
            if !pending.may_change {
                pending.refused += 1;
            }
            pending.may_change = false;
            pending.asked.clear();
            let is_hopeless = is_late || pending.refused > 1;
            if is_hopeless && !Mutant::UnreadShardLeftOut.is_planted() {
                let said = pending.said.iter().map(|(node, why)| format!("node {node}: {why}"));
                let said: Vec<String> = said.collect();
                unread.push(ReadError::Unconfirmed { shard: *shard, why: said.join("; ") });
            }
            !is_hopeless
        });
    }
}

/// Whether a node is to be asked before those that are being emptied or lost.
fn is_usable(catalog: &Catalog, node: NodeId) -> bool {
    catalog.nodes.get(&node).is_some_and(crate::catalog::Node::is_usable)
}
