//! Shards that this node is no longer to hold, and whose replica lies on its disk.
//!
//! ```text
//! shards/7/replica       varve replica 1
//!                        12
//! ```
//!
//! A replica that has voted must not come back under another id: what lies there of an older one
//! is removed before a newer one begins.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tracing::{info, warn};
use varve_types::{ReplicaId, ShardId};

use super::identity::{read_file, write_file};
use super::local::Local;
use super::{Inner, lock};
use crate::catalog::Catalog;
use crate::errors::StartError;

const HEAD: &str = "varve replica 1";

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
    ) -> Result<bool, StartError> {
        let path = self.root(id).join("replica");
        if let Some(text) = read_file(&self.env, path.clone()).await? {
            let text = std::str::from_utf8(&text).ok();
            let number = text.and_then(|text| {
                let rest = text.strip_prefix(HEAD)?.strip_prefix('\n')?;
                rest.trim_end().parse().ok().map(ReplicaId)
            });
            let what = "it does not name a replica".to_owned();
            let found = number.ok_or(StartError::Identity { path: path.clone(), what })?;
            if found == replica {
                return Ok(true);
            }
            if found > replica {
                return Ok(false);
            }
            self.remove_replica(id).await;
        }
        write_file(&self.env, path, format!("{HEAD}\n{replica}\n")).await?;
        Ok(true)
    }
}
