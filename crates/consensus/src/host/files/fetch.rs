//! The one task of a node that brings closed shards here: those that the catalog gives it and that
//! it does not hold, and final files that another node made.
//!
//! What is missing comes before what is only to be replaced. A node that fails is not the only
//! one that is asked; when all of them fail, that shard waits, twice as long each time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};
use tracing::{info, warn};
use varve_types::{NodeId, ShardId};

use super::copy::Wanted;
use super::lender::CopyError;
use crate::catalog::{Catalog, Closed, ShardState};
use crate::host::Inner;
use crate::host::local::{Local, holds};

/// A replica that runs still is given so long to write its shard out by itself.
const OWN_EFFORT: Duration = Duration::from_secs(5);
/// How long a shard waits that could not be copied.
const RETRY: Duration = Duration::from_secs(1);
const RETRY_MAX: Duration = Duration::from_secs(60);
/// How often to look although the catalog stays the same.
const LOOK: Duration = Duration::from_secs(5);

/// What is to come here.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Errand {
    shard: ShardId,
    need: Need,
    /// Who has it, in the order in which they are asked.
    from: Vec<NodeId>,
}

/// The more urgent first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Need {
    /// Nothing of it is served here.
    Copy,
    /// What is here is as good as what is to come, but is not the same bytes.
    FinalFiles,
}

/// What is waited with.
#[derive(Default)]
struct Patience {
    failed: BTreeMap<ShardId, Setback>,
    /// Since when replicas of closed shards have been running on.
    running_on: BTreeMap<ShardId, Instant>,
}

/// A shard that could not be copied.
struct Setback {
    /// How often, one time after the other.
    times: u32,
    /// Until when it waits.
    until: Instant,
    /// Of what the last attempt failed.
    why: String,
}

/// Brings what is to come, until the node stops.
pub(in crate::host) async fn fetch_whenever_due(inner: Arc<Inner>) {
    let mut catalog = inner.feed.watch();
    let mut patience = Patience::default();
    loop {
        let now = Arc::clone(&catalog.borrow_and_update());
        let errands = inner.errands(&now, &mut patience);
        inner.upkeep.repairs.set_waiting(errands.len());
        let ready = errands.into_iter().find(|errand| patience.is_over_for(errand.shard));
        if let Some(errand) = ready {
            inner.run_errand(&now, &errand, &mut patience).await;
            continue;
        }
        let until = patience.next_end().min(Instant::now() + LOOK);
        tokio::select! {
            changed = catalog.changed() => {
                if changed.is_err() {
                    return;
                }
            }
            () = inner.upkeep.repairs.asked() => {}
            () = sleep_until(until) => {}
        }
    }
}

impl Inner {
    /// All that is to come here, the most urgent first. On the way, shards whose final merges fall
    /// to this node are offered to the merger.
    fn errands(&self, catalog: &Catalog, patience: &mut Patience) -> Vec<Errand> {
        let mut errands = Vec::new();
        for (&shard, entry) in &catalog.shards {
            let ShardState::Closed(closed) = &entry.state else { continue };
            let replica = entry.replica_on(self.node);
            if replica.is_none_or(|replica| entry.leaving.contains(&replica)) {
                continue;
            }
            if closed.finished.is_none() && self.builds(catalog, closed) {
                self.offer_final_merge(shard);
            }
            let Some(need) = self.need_of(shard, closed, patience) else { continue };
            let from = self.sources(catalog, shard, closed, need);
            if !from.is_empty() {
                errands.push(Errand { shard, need, from });
            }
        }
        errands.sort_by_key(|errand| (errand.need, errand.shard));
        errands
    }

    fn need_of(&self, shard: ShardId, closed: &Closed, patience: &mut Patience) -> Option<Need> {
        match self.local(shard) {
            Some(Local::Closed(home)) => {
                let finished = closed.finished.as_ref()?;
                let is_holder = finished.holders.contains(&self.node);
                let is_other = !is_holder && home.files_digest() != Some(finished.files);
                is_other.then_some(Need::FinalFiles)
            }
            Some(Local::Running(replica)) => {
                if holds(&replica.home, closed) {
                    return None;
                }
                let since = patience.running_on.entry(shard).or_insert_with(Instant::now);
                (since.elapsed() >= OWN_EFFORT).then_some(Need::Copy)
            }
            Some(Local::Refused(_)) => Some(Need::Copy),
            // It is about to be opened.
            None => None,
        }
    }

    /// Who may be asked: who has the final files before others, and who seems to be there before
    /// who does not. Nodes that need the same shards do not all begin with the same holder.
    fn sources(
        &self,
        catalog: &Catalog,
        shard: ShardId,
        closed: &Closed,
        need: Need,
    ) -> Vec<NodeId> {
        let finished = closed.finished.as_ref().map(|finished| &finished.holders);
        let others = match need {
            Need::Copy => Some(&closed.holders),
            Need::FinalFiles => None,
        };
        let all = finished.into_iter().chain(others).flatten().copied();
        let mut from: Vec<NodeId> = all.filter(|node| *node != self.node).collect();
        let is_lost = |node: &NodeId| catalog.nodes.get(node).is_none_or(|node| node.lost);
        let is_final = |node: &NodeId| finished.is_some_and(|holders| holders.contains(node));
        let turn = |node: &NodeId| (node.get() ^ shard.get() ^ self.node.get()) % 8;
        from.sort_by_key(|node| (is_lost(node), !is_final(node), turn(node), *node));
        from.dedup();
        from
    }

    async fn run_errand(&self, catalog: &Catalog, errand: &Errand, patience: &mut Patience) {
        let Errand { shard, need, from } = errand;
        let Some(ShardState::Closed(closed)) = catalog.shards.get(shard).map(|entry| &entry.state)
        else {
            return;
        };
        let files = match need {
            Need::Copy => None,
            Need::FinalFiles => closed.finished.as_ref().map(|finished| finished.files),
        };
        if self.reopen(*shard, closed).await {
            patience.forget(*shard);
            return;
        }
        let wanted = Wanted { rows: closed.rows, digest: closed.digest, files };
        self.upkeep.repairs.begin(*shard);
        let mut failures = Vec::new();
        for node in from {
            match self.copy_shard(*shard, *node, wanted).await {
                Ok(()) => {
                    self.upkeep.repairs.end(true);
                    patience.forget(*shard);
                    info!(shard = shard.get(), from = node.get(), rows = closed.rows, "copied");
                    self.wake();
                    return;
                }
                // Another node would not help.
                Err(error @ (CopyError::NoRoom { .. } | CopyError::Disk(_))) => {
                    failures.push(error.to_string());
                    break;
                }
                Err(error) => failures.push(format!("node {node}: {error}")),
            }
        }
        self.upkeep.repairs.end(false);
        let why = failures.join("; ");
        let is_news = patience.set_back(*shard, &why);
        if is_news {
            warn!(shard = shard.get(), "it could not be copied, and is tried again: {why}");
        }
    }
}

impl Patience {
    fn is_over_for(&self, shard: ShardId) -> bool {
        self.failed.get(&shard).is_none_or(|setback| setback.until <= Instant::now())
    }

    /// Answers whether this is news: the last attempt did not fail of the same.
    fn set_back(&mut self, shard: ShardId, why: &str) -> bool {
        let before = self.failed.remove(&shard);
        let times = before.as_ref().map_or(0, |setback| setback.times);
        let wait = RETRY.saturating_mul(1u32.checked_shl(times).unwrap_or(u32::MAX));
        let until = Instant::now() + wait.min(RETRY_MAX);
        self.failed.insert(shard, Setback { times: times + 1, until, why: why.to_owned() });
        before.is_none_or(|setback| setback.why != why)
    }

    fn forget(&mut self, shard: ShardId) {
        self.failed.remove(&shard);
        self.running_on.remove(&shard);
    }

    /// When the first wait is over.
    fn next_end(&self) -> Instant {
        let own = self.running_on.values().map(|since| *since + OWN_EFFORT);
        let ends = self.failed.values().map(|setback| setback.until).chain(own);
        let now = Instant::now();
        ends.filter(|end| *end > now).min().unwrap_or(now + LOOK)
    }
}
