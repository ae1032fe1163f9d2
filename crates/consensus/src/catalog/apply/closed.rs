//! Who holds a closed shard, and its final files.

use std::collections::BTreeSet;

use varve_types::{NodeId, ShardId};

use super::{Applied, CatalogReply};
use crate::catalog::{Catalog, Closed, FilesDigest, Finished, ShardState};

impl Catalog {
    pub(super) fn held(
        &mut self,
        shard: ShardId,
        node: NodeId,
        files: Option<FilesDigest>,
    ) -> Applied {
        let entry = self.shards.get(&shard).ok_or_else(|| format!("there is no shard {shard}"))?;
        if entry.replica_on(node).is_none() {
            return Err(format!("node {node} is not to hold shard {shard}"));
        }
        let closed = self.closed_mut(shard)?;
        closed.holders.insert(node);
        if let Some(finished) = &mut closed.finished
            && files == Some(finished.files)
        {
            finished.holders.insert(node);
        }
        Ok(CatalogReply::Done)
    }

    pub(super) fn dropped(&mut self, shard: ShardId, node: NodeId) -> Applied {
        self.closed_mut(shard)?.drop_holder(node, shard)?;
        Ok(CatalogReply::Done)
    }

    pub(super) fn finished(&mut self, shard: ShardId, node: NodeId, files: FilesDigest) -> Applied {
        let closed = self.closed_mut(shard)?;
        if !closed.holders.contains(&node) {
            return Err(format!("node {node} does not hold shard {shard}"));
        }
        match &mut closed.finished {
            Some(known) if known.files == files => {
                known.holders.insert(node);
            }
            Some(known) => {
                return Err(format!("the final files of shard {shard} are {}", known.files));
            }
            unfinished => {
                *unfinished = Some(Finished { files, holders: BTreeSet::from([node]) });
            }
        }
        Ok(CatalogReply::Done)
    }

    pub(super) fn closed_mut(&mut self, shard: ShardId) -> Result<&mut Closed, String> {
        match self.shards.get_mut(&shard).map(|entry| &mut entry.state) {
            None => Err(format!("there is no shard {shard}")),
            Some(ShardState::Closed(closed)) => Ok(closed),
            Some(state) => Err(format!("shard {shard} is {state}")),
        }
    }
}

impl Closed {
    /// A node holds nothing of it any more. Final files that nobody is left to have are made anew.
    pub(super) fn drop_holder(&mut self, node: NodeId, shard: ShardId) -> Result<(), String> {
        if self.holders.iter().all(|holder| *holder == node) {
            return Err(format!("node {node} has the last good copy of shard {shard}"));
        }
        self.holders.remove(&node);
        if let Some(finished) = &mut self.finished {
            finished.holders.remove(&node);
        }
        self.finished.take_if(|finished| finished.holders.is_empty());
        Ok(())
    }
}
