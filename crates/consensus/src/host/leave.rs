//! Shards that this node is no longer to hold, and whose replica lies on its disk.
//!
//! ```text
//! shards/7/replica       varve replica 2
//!                        shard 7
//!                        replica 12
//!                        crc32c 5f2e90aa
//! ```
//!
//! A replica that has voted must not come back under another id: what lies there of an older one
//! is removed before a newer one begins. Where the file ([`text_file`]) cannot be believed, nobody
//! knows whose votes are there: that replica is given up, and another takes its place. Version 1
//! had the replica's number alone.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tracing::{info, warn};
use varve_types::{ReplicaId, ShardId};

use super::identity::{read_file, write_file};
use super::local::Local;
use super::{Inner, lock, text_file};
use crate::catalog::Catalog;
use crate::errors::{ShardError, StartError};

/// The newest version of the file that says which replica lies somewhere.
const VERSION: u32 = 2;

impl Inner {
    /// Gives up what the catalog no longer gives this node.
    pub(super) async fn leave_shards(&self, catalog: &Catalog) {
        let stays = |id: &ShardId, local: &Local| {
            let entry = catalog.shards.get(id);
            let Some(replica) = entry.and_then(|entry| entry.replica_on(self.node)) else {
                return false;
            };
            local.running().is_none_or(|running| running.group.replica == replica)
        };
        let leaving: Vec<(ShardId, Local)> = {
            let shards = lock(&self.shards);
            let leaving = shards.iter().filter(|(id, local)| !stays(id, local));
            leaving.map(|(id, local)| (*id, local.clone())).collect()
        };
        for (id, local) in leaving {
            lock(&self.shards).remove(&id);
            if let Local::Running(replica) = local {
                replica.stop().await;
            }
            self.remove_replica(id).await;
        }
        if self.catalog_is_fresh.load(Ordering::Relaxed)
            && !self.is_swept.swap(true, Ordering::Relaxed)
        {
            self.sweep(catalog).await;
        }
    }

    /// Removes what lies on the disk of shards that this node does not hold. The catalog must be
    /// known to be new: an old one may not know yet what the node was given last.
    async fn sweep(&self, catalog: &Catalog) {
        let (disk, shards) = (Arc::clone(&self.env.disk), self.dir.join("shards"));
        let listed = self.env.blocking.run(move || disk.list(&shards)).await.unwrap_or_default();
        for path in listed {
            let name = path.file_name().and_then(|name| name.to_str());
            let Some(id) = name.and_then(|name| name.parse().ok()).map(ShardId) else { continue };
            let entry = catalog.shards.get(&id);
            if entry.is_none_or(|entry| entry.replica_on(self.node).is_none()) {
                self.remove_replica(id).await;
            }
        }
    }

    /// Removes a replica's log and files.
    async fn remove_replica(&self, id: ShardId) {
        self.forget_log(id).await;
        let (disk, root) = (Arc::clone(&self.env.disk), self.root(id));
        let remove = move || if disk.exists(&root) { disk.remove_dir_all(&root) } else { Ok(()) };
        match self.env.blocking.run(remove).await {
            Ok(()) => info!(shard = id.get(), "no longer held here; its files are removed"),
            Err(error) => warn!(shard = id.get(), "its files cannot be removed: {error}"),
        }
    }

    /// Whether what lies here of a shard is this replica's, or nothing. What an older one left is
    /// removed; `false` when it is a newer one's, so that the catalog here is old.
    pub(super) async fn belongs_to(
        &self,
        id: ShardId,
        replica: ReplicaId,
    ) -> Result<bool, ShardError> {
        let path = self.root(id).join("replica");
        let fail = |error: StartError| ShardError::Nameless { shard: id, why: error.to_string() };
        if let Some(bytes) = read_file(&self.env, path.clone()).await.map_err(fail)? {
            let found = parse(&bytes, id).map_err(|what| ShardError::Nameless {
                shard: id,
                why: format!("{} does not say which replica lies there: {what}", path.display()),
            })?;
            if found == replica {
                return Ok(true);
            }
            if found > replica {
                return Ok(false);
            }
            self.remove_replica(id).await;
        }
        write_file(&self.env, path, print(id, replica)).await.map_err(fail)?;
        Ok(true)
    }
}

fn print(shard: ShardId, replica: ReplicaId) -> String {
    text_file::print("replica", VERSION, &[("shard", &shard), ("replica", &replica)])
}

fn parse(bytes: &[u8], shard: ShardId) -> Result<ReplicaId, String> {
    let mut lines = text_file::read(bytes, "replica", VERSION)?;
    if lines.version == 1 {
        return text_file::as_number(lines.bare("number")?).map(ReplicaId);
    }
    let said = ShardId(lines.number("shard")?);
    if said != shard {
        return Err(format!("it is that of shard {said}"));
    }
    lines.number("replica").map(ReplicaId)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_another_shard_is_not_believed() {
        let (shard, replica) = (ShardId(7), ReplicaId(12));
        let text = print(shard, replica);
        assert_eq!(parse(text.as_bytes(), shard), Ok(replica));
        assert_eq!(parse(text.as_bytes(), ShardId(8)), Err("it is that of shard 7".to_owned()));
        assert_eq!(parse(b"varve replica 1\n12\n", shard), Ok(replica));
    }
}
