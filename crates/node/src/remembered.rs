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
use varve_consensus::{Catalog, Host};
use varve_env::Env;
use varve_shard::{Catalogue, CatalogueError, Manifest, ShardRecord};
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

/// What the cache was made to say last. At rest it is all still so, and nothing is read or written.
#[derive(Default)]
struct Followed {
    catalog: Arc<Catalog>,
    manifests: Vec<(ShardId, Arc<Manifest>)>,
}

impl Followed {
    fn is_still_so(&self, other: &Self) -> bool {
        let is_same = |((a, before), (b, now)): (&(ShardId, _), &(ShardId, _))| {
            a == b && Arc::ptr_eq(before, now)
        };
        Arc::ptr_eq(&self.catalog, &other.catalog)
            && self.manifests.len() == other.manifests.len()
            && self.manifests.iter().zip(&other.manifests).all(is_same)
    }
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
        let mut followed = Followed::default();
        let changed = remembered.follow(env, &host, &mut followed).await?;
        if was_empty && changed > 0 && place == CataloguePlace::DataDir {
            tracing::warn!(shards = changed, "the catalogue was empty: rebuilt from manifests");
        }
        remembered.clone().keep_following(env.clone(), host, followed);
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

    fn keep_following(self, env: Env, host: Host, mut followed: Followed) {
        tokio::spawn(async move {
            let mut ticks = interval(FOLLOW_EVERY);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                ticks.tick().await;
                if let Err(error) = self.follow(&env, &host, &mut followed).await {
                    tracing::warn!(%error, "the catalogue is not up to date");
                }
            }
        });
    }

    /// Brings the records up to date, before a node stops.
    pub(crate) async fn catch_up(&self, env: &Env, host: &Host) -> Result<(), CatalogueError> {
        self.follow(env, host, &mut Followed::default()).await.map(drop)
    }

    /// Makes the records those of the manifests. Shards that do not open keep theirs: that is
    /// what the cache is for. Answers how many changed.
    async fn follow(
        &self,
        env: &Env,
        host: &Host,
        followed: &mut Followed,
    ) -> Result<usize, CatalogueError> {
        let now = Followed { catalog: host.catalog(), manifests: host.manifests() };
        if followed.is_still_so(&now) {
            return Ok(0);
        }
        let (known, manifests) = (Arc::clone(&now.catalog), now.manifests.clone());
        let catalogue = Arc::clone(&self.catalogue);
        let changed = env
            .blocking
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
            .await?;
        *followed = now;
        Ok(changed)
    }
}
