//! What the rest of the node, and those who run the cluster, ask of it: the catalog, settings,
//! rollovers.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep};
use varve_types::ShardId;

use super::{Host, Inner, MetadataReply, MetadataRequest};
use crate::catalog::{Catalog, CatalogCommand, Settings, ShardState};
use crate::errors::{CatalogError, ReadError, RollError};

/// How often to look whether a rollover is through.
const ROLL_POLL: Duration = Duration::from_millis(5);

impl Host {
    /// The catalog as this node has applied it. It may lag behind the cluster's.
    #[must_use]
    pub fn catalog(&self) -> Arc<Catalog> {
        self.inner().catalog()
    }

    /// Follows the catalog as this node applies it.
    #[must_use]
    pub fn watch_catalog(&self) -> watch::Receiver<Arc<Catalog>> {
        self.inner().feed.watch()
    }

    /// The catalog, showing all changes that were made before this call.
    ///
    /// # Errors
    ///
    /// [`ReadError::Catalog`] when no quorum of its group confirms.
    pub async fn catalog_now(&self) -> Result<Arc<Catalog>, ReadError> {
        let now = self.inner().catalog_now().await;
        now.map_err(|error| ReadError::Catalog(error.to_string()))
    }

    /// Replaces the cluster's settings.
    ///
    /// # Errors
    ///
    /// [`CatalogError::Refused`] when a setting is out of bounds; the others as they say.
    pub async fn change_settings(&self, settings: Settings) -> Result<(), CatalogError> {
        self.inner().change(&CatalogCommand::Set(settings)).await.map(drop)
    }

    /// Rolls a shard over: seals it, writes it out, and lets successors take its writes. Returns
    /// when it is closed. An empty shard stays as it is.
    ///
    /// # Errors
    ///
    /// [`RollError::Timeout`] when it takes longer; it goes on nevertheless.
    pub async fn roll(&self, shard: ShardId) -> Result<(), RollError> {
        self.inner().roll(shard).await
    }

    /// Rolls all open shards over, so that everything acknowledged before is in immutable files.
    ///
    /// # Errors
    ///
    /// As [`Host::roll`].
    pub async fn seal_all(&self) -> Result<(), RollError> {
        let catalog = self.catalog();
        let rolls = catalog.open_shards().map(|(shard, _)| self.roll(shard));
        futures::future::try_join_all(rolls).await.map(drop)
    }
}

impl Inner {
    /// Rolls a shard over, here or at the node that drives.
    async fn roll(&self, shard: ShardId) -> Result<(), RollError> {
        let request = MetadataRequest::Roll(shard);
        match self.ask_catalog_leader(request, self.settings.roll_limit).await {
            Ok(MetadataReply::Done) => Ok(()),
            Ok(reply) => Err(RollError::Driver(format!("it answered {reply:?}"))),
            Err(error) => Err(RollError::Driver(error.to_string())),
        }
    }

    pub(super) async fn roll_here(&self, shard: ShardId) -> Result<(), RollError> {
        let limit = self.settings.roll_limit;
        let deadline = Instant::now() + limit;
        self.requested().insert(shard);
        self.wake();
        loop {
            let catalog = self.catalog();
            let entry = catalog.shards.get(&shard).ok_or(RollError::Unknown(shard))?;
            let untouched = entry.state == ShardState::Open && entry.successors.is_empty();
            if matches!(entry.state, ShardState::Closed(_))
                || untouched && !self.requested().contains(&shard)
            {
                return Ok(());
            }
            if Instant::now() >= deadline {
                let state = entry.state.to_string();
                return Err(RollError::Timeout { shard, state, limit });
            }
            sleep(ROLL_POLL).await;
        }
    }
}
