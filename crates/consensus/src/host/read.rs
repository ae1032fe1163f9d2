//! Linearizable reads of shards.
//!
//! A read index that an open shard confirms proves that no successor acknowledged anything before
//! the question; a sealed one names the successors to follow. So a catalog that is a little old
//! misleads nobody.

use std::collections::BTreeSet;

use futures::future::try_join_all;
use varve_shard::{Phase, ShardView};
use varve_types::{LogIndex, ShardId};

use super::local::Local;
use super::{Host, Inner};
use crate::catalog::{Catalog, ShardState};
use crate::errors::ReadError;
use crate::group::GroupError;

/// A shard as a read may see it.
#[derive(Clone, Debug)]
pub struct ShardRead {
    /// Which shard.
    pub shard: ShardId,
    /// The last entry that the view holds; `None` for a shard without entries.
    pub index: Option<LogIndex>,
    /// What it holds. It shows all that was acknowledged before the read began.
    pub view: ShardView,
}

impl Host {
    /// One shard, showing all that was acknowledged before this call.
    ///
    /// # Errors
    ///
    /// [`ReadError`] when this node does not lead it, or a quorum does not confirm.
    pub async fn read(&self, shard: ShardId) -> Result<ShardRead, ReadError> {
        self.inner().read(shard).await
    }

    /// All shards, open, sealed and closed, showing all that was acknowledged before this call.
    ///
    /// # Errors
    ///
    /// As [`Host::read`]: a read covers the whole hash range or fails.
    pub async fn read_all(&self) -> Result<Vec<ShardRead>, ReadError> {
        match self.inner().read_all(&self.catalog()).await {
            // Perhaps the catalog here is old: ask its group once.
            Err(ReadError::NotHere { .. }) => {
                self.inner().read_all(&*self.catalog_now().await?).await
            }
            result => result,
        }
    }
}

impl Inner {
    async fn read_all(&self, catalog: &Catalog) -> Result<Vec<ShardRead>, ReadError> {
        // A shard that is being prepared has acknowledged nothing while its predecessors are
        // open; once they are not, they name it.
        let mut wave: BTreeSet<ShardId> = catalog
            .shards
            .iter()
            .filter(|(_, entry)| entry.state != ShardState::Preparing)
            .map(|(id, _)| *id)
            .collect();
        let mut asked: BTreeSet<ShardId> = BTreeSet::new();
        let mut reads = Vec::new();
        while !wave.is_empty() {
            asked.extend(&wave);
            let answers = try_join_all(wave.iter().map(|shard| self.read(*shard))).await?;
            wave = answers.iter().flat_map(successors).filter(|id| !asked.contains(id)).collect();
            reads.extend(answers);
        }
        reads.sort_by_key(|read| read.shard);
        Ok(reads)
    }

    async fn read(&self, shard: ShardId) -> Result<ShardRead, ReadError> {
        self.upkeep.activity.note();
        let replica = match self.local(shard) {
            Some(Local::Running(replica)) => replica,
            Some(Local::Closed(home)) => return Ok(ShardRead::of(home.view())),
            Some(Local::Refused(error)) => {
                return Err(ReadError::NotHere { shard, why: error.to_string() });
            }
            None => {
                let why = "this node holds no replica of it".to_owned();
                return Err(ReadError::NotHere { shard, why });
            }
        };
        let limit = self.settings.read_limit;
        match replica.group.read_index(limit).await {
            Ok(_) => Ok(ShardRead::of(replica.home.view())),
            Err(GroupError::NotLeader(leader)) => Err(ReadError::NotLeader { shard, leader }),
            Err(GroupError::Timeout(limit)) => Err(ReadError::Timeout { shard, limit }),
            // It may have been closed meanwhile: then all of it is here.
            Err(GroupError::Stopped(why)) => match self.local(shard) {
                Some(Local::Closed(home)) => Ok(ShardRead::of(home.view())),
                _ => Err(ReadError::Stopped { shard, why }),
            },
        }
    }
}

impl ShardRead {
    const fn of(view: ShardView) -> Self {
        Self { shard: view.shard, index: view.applied, view }
    }
}

fn successors(read: &ShardRead) -> Vec<ShardId> {
    match &read.view.phase {
        Phase::Sealed { successors } => successors.iter().map(|after| after.shard).collect(),
        Phase::AwaitingInherit | Phase::Open => Vec::new(),
    }
}
