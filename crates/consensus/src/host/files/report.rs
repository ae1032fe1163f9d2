//! What this node has to say of closed shards: only what the catalog does not know yet.

use varve_shard::OpenError;
use varve_types::{NodeId, ReplicaId, ShardId};

use crate::catalog::{Catalog, Closed, ShardEntry, ShardState};
use crate::driver::{ClosedReport, HeldFiles};
use crate::errors::ShardError;
use crate::host::Inner;
use crate::host::local::{Local, holds};
use crate::machine::ShardHome;

impl Inner {
    /// Closed shards that this node is to hold and that are not here what the catalog says.
    pub(crate) fn closed_reports(&self) -> Vec<ClosedReport> {
        let catalog = self.catalog();
        let report = |(shard, entry): (&ShardId, &ShardEntry)| {
            let ShardState::Closed(closed) = &entry.state else { return None };
            entry.replica_on(self.node)?;
            self.closed_report(&catalog, *shard, closed)
        };
        catalog.shards.iter().filter_map(report).collect()
    }

    fn closed_report(
        &self,
        catalog: &Catalog,
        shard: ShardId,
        closed: &Closed,
    ) -> Option<ClosedReport> {
        let is_holder = closed.holders.contains(&self.node);
        let (home, is_closed) = match self.local(shard)? {
            Local::Closed(home) => (home, true),
            Local::Running(replica) if holds(&replica.home, closed) && !is_holder => {
                (std::sync::Arc::clone(&replica.home), false)
            }
            Local::Running(_) => return None,
            Local::Refused(error) => {
                // The last copy is kept, whatever is wrong with it.
                let is_bad = error.is_damage() && is_holder && closed.holders.len() > 1;
                let problem = is_bad.then(|| error.to_string())?;
                return Some(ClosedReport { shard, held: None, problem: Some(problem) });
            }
        };
        let is_news = match &closed.finished {
            _ if !is_holder => true,
            None => is_closed && self.builds(catalog, closed) && is_merged_for_good(&home),
            Some(known) => {
                !known.holders.contains(&self.node) && home.files_digest() == Some(known.files)
            }
        };
        let held = is_news.then(|| {
            let files = home.files_digest()?;
            let (rows, digest) = (closed.rows, closed.digest);
            let finished = is_closed && is_merged_for_good(&home);
            Some(HeldFiles { rows, digest, files, finished })
        })??;
        Some(ClosedReport { shard, held: Some(held), problem: None })
    }

    /// Replicas of shards that are not closed whose files or log are of no use any more: those that
    /// are here, and those that a majority contradicts of shards that are led here.
    pub(crate) fn broken_replicas(&self) -> Vec<(ShardId, ReplicaId)> {
        let catalog = self.catalog();
        let broken = |(shard, entry): (&ShardId, &ShardEntry)| {
            let is_open = !matches!(entry.state, ShardState::Closed(_));
            let replica = entry.replica_on(self.node).filter(|_| is_open)?;
            match self.local(*shard)? {
                Local::Refused(error) => error.is_damage().then_some((*shard, replica)),
                Local::Running(running) => running.damage().map(|_| (*shard, replica)),
                Local::Closed(_) => None,
            }
        };
        let here = catalog.shards.iter().filter_map(broken);
        here.chain(self.upkeep.comparisons.odd()).collect()
    }

    /// Whether the final merges of a closed shard fall to this node: they are made once, so that
    /// all holders come to have the same bytes.
    pub(super) fn builds(&self, catalog: &Catalog, closed: &Closed) -> bool {
        builder(catalog, closed) == Some(self.node)
    }

    /// The same, of a shard as the catalog has it now.
    pub(in crate::host) fn builds_final_files(&self, shard: ShardId) -> bool {
        let catalog = self.catalog();
        match catalog.shards.get(&shard).map(|entry| &entry.state) {
            Some(ShardState::Closed(closed)) => {
                closed.finished.is_none() && self.builds(&catalog, closed)
            }
            _ => false,
        }
    }

    pub(super) fn offer_final_merge(&self, shard: ShardId) {
        if let Some(Local::Closed(home)) = self.local(shard)
            && !is_merged_for_good(&home)
        {
            self.upkeep.merges.offer(shard);
        }
    }
}

/// The first holder that is to stay; where none is, the first that is there.
fn builder(catalog: &Catalog, closed: &Closed) -> Option<NodeId> {
    let known = |node: &&NodeId| catalog.nodes.get(node).is_some_and(|node| !node.lost);
    let stays = |node: &&NodeId| catalog.nodes.get(node).is_some_and(|node| !node.draining);
    let staying = closed.holders.iter().filter(known).find(stays);
    staying.or_else(|| closed.holders.iter().find(known)).copied()
}

fn is_merged_for_good(home: &ShardHome) -> bool {
    home.shard().merges_waiting(true) == 0
}

impl ShardError {
    /// Whether the copy is of no use, whatever the node does.
    pub(in crate::host) const fn is_damage(&self) -> bool {
        match self {
            Self::Open(OpenError::Damaged { .. } | OpenError::Behind { .. })
            | Self::Quarantined(_)
            | Self::LogLost(_)
            | Self::Nameless { .. }
            | Self::Damaged { .. }
            | Self::Behind(_) => true,
            Self::Open(OpenError::Disk { .. } | OpenError::Replace(_)) | Self::Raft { .. } => false,
        }
    }
}
