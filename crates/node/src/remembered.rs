//! What this node remembers of its shards' sizes, in the catalogue cache.
//!
//! A shard whose files do not open has nothing to say of itself; the cache still knows what it
//! held, and `varve cluster status` shows it. The truth is in the manifests: the cache follows
//! them, and is rebuilt from them when it is gone or damaged.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};
use varve_consensus::Host;
use varve_env::Env;
use varve_shard::{Catalogue, CatalogueError, ShardRecord};
use varve_types::ShardId;

/// How often the cache is brought up to date with the manifests.
const FOLLOW_EVERY: Duration = Duration::from_secs(1);

/// Where the cache is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CataloguePlace {
    /// In the data directory, under `catalogue`.
    DataDir,
    /// In memory: for a simulated disk, which the cache's library cannot write to.
    Memory,
}

/// The cache, following the manifests.
#[derive(Clone)]
pub(crate) struct RememberedShards {
    catalogue: Arc<Catalogue>,
}

impl RememberedShards {
    /// Opens the cache, says so when it has to be rebuilt, and follows the manifests for as long
    /// as the runtime lives.
    ///
    /// # Errors
    ///
    /// When neither the cache there is nor a new one can be opened.
    pub(crate) async fn open(
        env: &Env,
        place: CataloguePlace,
        data_dir: &Path,
        host: Host,
    ) -> Result<Self, CatalogueError> {
        let path = data_dir.join("catalogue");
        let catalogue = match place {
            CataloguePlace::Memory => Catalogue::in_memory(),
            CataloguePlace::DataDir => env.blocking.run(move || Catalogue::open(&path)).await?.0,
        };
        let remembered = Self { catalogue: Arc::new(catalogue) };
        let was_empty = remembered.catalogue.shards()?.is_empty();
        let changed = remembered.follow(env, &host).await?;
        if was_empty && changed > 0 && place == CataloguePlace::DataDir {
            tracing::warn!(shards = changed, "the catalogue was empty: rebuilt from manifests");
        }
        remembered.clone().keep_following(env.clone(), host);
        Ok(remembered)
    }

    /// What each shard held when it was last open here.
    pub(crate) fn records(&self) -> BTreeMap<ShardId, ShardRecord> {
        match self.catalogue.shards() {
            Ok(records) => records.into_iter().collect(),
            Err(error) => {
                tracing::warn!(%error, "the catalogue does not answer");
                BTreeMap::new()
            }
        }
    }

    fn keep_following(self, env: Env, host: Host) {
        tokio::spawn(async move {
            let mut ticks = interval(FOLLOW_EVERY);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                ticks.tick().await;
                if let Err(error) = self.follow(&env, &host).await {
                    tracing::warn!(%error, "the catalogue is not up to date");
                }
            }
        });
    }

    /// Makes the records those of the manifests. Shards that do not open keep theirs: that is
    /// what the cache is for. Answers how many changed.
    pub(crate) async fn follow(&self, env: &Env, host: &Host) -> Result<usize, CatalogueError> {
        let (known, manifests) = (host.catalog(), host.manifests());
        let catalogue = Arc::clone(&self.catalogue);
        env.blocking
            .run(move || {
                let mut records = catalogue.shards()?.into_iter().collect::<BTreeMap<_, _>>();
                records.retain(|shard, _| known.shards.contains_key(shard));
                let now = manifests.iter().map(|(shard, said)| (*shard, ShardRecord::of(said)));
                records.extend(now);
                let changed = catalogue.rebuild(records)?;
                if changed > 0 {
                    catalogue.flush()?;
                }
                Ok(changed)
            })
            .await
    }
}
