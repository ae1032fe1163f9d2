//! One node's groups: the catalog's and those of the shards it holds, and what the rest of the
//! node asks of them.

mod cluster;
mod files;
mod flush;
mod forward;
mod identity;
mod incarnation;
mod introduce;
mod leave;
mod local;
mod merge;
mod metadata;
mod nodes;
pub(crate) mod proposal;
pub(crate) mod read;
mod receive;
mod start;
mod stats;
mod status;
mod supervise;
mod text_file;
mod write;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::JoinHandle;
use varve_env::Env;
use varve_shard::ShardOptions;
use varve_types::{GroupId, NodeId, ReplicaId, ShardId};
use varve_wal::Wal;

pub use files::VerifyRow;
pub use identity::{draw_disk, has_identity};
pub use metadata::{Admission, JoinError, JoinRequest};
pub(crate) use metadata::{MetadataReply, MetadataRequest};
pub use nodes::{NodeState, NodeStatus, Role};
pub use read::{ReadAt, ReadPoint, ReadPoints, ShardRead};
pub use receive::ReceiveError;
pub(crate) use receive::took_effect;
pub use stats::HostStats;
pub use status::{ReplicaStatus, ShardStatus};
pub use write::BlockCommit;

use crate::catalog::{Catalog, CatalogFeed, ClusterId, NodeCard, Starts};
use crate::driver::{Clocks, Liveness};
use crate::network::{Links, PeerTransport};
use crate::upkeep::Upkeep;
use local::{Local, Replica};
use read::Loads;

/// What a host is started with.
pub struct HostOptions {
    /// The node's world.
    pub env: Env,
    /// The data folder; the host makes `node`, `catalog/` and `shards/` in it.
    pub dir: PathBuf,
    /// The write-ahead log, opened.
    pub wal: Wal,
    /// Whether damage to the log may have taken groups with it
    /// (`RecoveryReport::groups_may_be_missing`): a shard without a log is then refused.
    pub groups_may_be_missing: bool,
    /// Where peers reach this node, as `host:port`: what a founded cluster notes of it.
    pub address: String,
    /// What fails together with this node; empty when nobody said.
    pub zone: String,
    /// Which software this is, as `cluster nodes` shows it.
    pub version: String,
    /// Whether the log was empty (`RecoveryReport::files` is 0): a disk that has an identity is
    /// then not whole.
    pub log_is_new: bool,
    /// What becomes of a new disk.
    pub new_disk: NewDisk,
    /// The way to peers.
    pub transport: Arc<dyn PeerTransport>,
    /// Limits and sizes.
    pub settings: HostSettings,
    /// Told, with the reason, when the node cannot go on: the catalog's group has stopped.
    pub on_fatal: Arc<dyn Fn(&str) + Send + Sync>,
}

/// What becomes of a disk that has no identity yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NewDisk {
    /// It founds a cluster of its own.
    Found,
    /// It joins the cluster that takes it in ([`Host::admit`]).
    Join(Admission),
}

/// Limits and sizes of one host.
#[derive(Clone, Debug)]
pub struct HostSettings {
    /// How shards are kept.
    pub shard: ShardOptions,
    /// How long a proposal may take.
    pub propose_limit: Duration,
    /// How long a linearizable read may take.
    pub read_limit: Duration,
    /// How long [`Host::roll`] waits.
    pub roll_limit: Duration,
    /// Encoded bytes of blocks that all shards of the node may have in memory together, before
    /// proposals wait, and are refused when that takes long.
    pub tail_bytes: u64,
    /// Room that is kept free on the disk, in bytes: with less, no block is taken, so that
    /// votes, seals and what is in memory can still be written.
    pub free_bytes_min: u64,
    /// How many bytes the write-ahead log may hold for a group that lags, before that group is
    /// made to write out what it has.
    pub log_bytes: u64,
    /// How many bytes of segments merges may write each second.
    pub merge_bytes_per_s: u64,
    /// How many bytes of files may be copied each second: from here as snapshots, and to here of
    /// closed shards.
    pub repair_bytes_per_s: u64,
    /// How many bytes of shards are read again each second, to find damage.
    pub scrub_bytes_per_s: u64,
    /// How long a shard that was read again rests before it is the next time.
    pub scrub_every: Duration,
    /// How often the node looks at its groups when nothing happens.
    pub tick: Duration,
}

impl Default for HostSettings {
    fn default() -> Self {
        Self {
            shard: ShardOptions::default(),
            propose_limit: Duration::from_secs(10),
            read_limit: Duration::from_secs(10),
            roll_limit: Duration::from_secs(30),
            tail_bytes: 64 << 20,
            free_bytes_min: 256 << 20,
            log_bytes: 256 << 20,
            merge_bytes_per_s: 64 << 20,
            repair_bytes_per_s: 64 << 20,
            scrub_bytes_per_s: 4 << 20,
            scrub_every: Duration::from_secs(24 * 3600),
            tick: Duration::from_secs(1),
        }
    }
}

/// The groups of one node. Cloning shares them; they run until [`Host::shutdown`], or until the
/// last clone is gone.
#[derive(Clone)]
pub struct Host(Arc<Handle>);

struct Handle {
    inner: Arc<Inner>,
    supervisor: Mutex<Option<JoinHandle<()>>>,
    watcher: Mutex<Option<JoinHandle<()>>>,
    merger: Mutex<Option<JoinHandle<()>>>,
    fetcher: Mutex<Option<JoinHandle<()>>>,
    scrubber: Mutex<Option<JoinHandle<()>>>,
    comparer: Mutex<Option<JoinHandle<()>>>,
}

/// What all parts of a host share.
pub(crate) struct Inner {
    env: Env,
    dir: PathBuf,
    wal: Wal,
    groups_may_be_missing: bool,
    node: NodeId,
    cluster: ClusterId,
    settings: HostSettings,
    transport: Arc<dyn PeerTransport>,
    on_fatal: Arc<dyn Fn(&str) + Send + Sync>,
    feed: Arc<CatalogFeed>,
    seat: metadata::Seat,
    card: NodeCard,
    starts: Starts,
    liveness: Liveness,
    clocks: Clocks,
    /// Whether the catalog was confirmed since the start.
    catalog_is_fresh: AtomicBool,
    /// Whether the disk was looked through for what is not to be held here.
    is_swept: AtomicBool,
    /// Whether the node is about to stop: it is then not to lead anything.
    is_stopping: AtomicBool,
    shards: Mutex<BTreeMap<ShardId, Local>>,
    requested: Mutex<BTreeSet<ShardId>>,
    disk_is_low: AtomicBool,
    upkeep: Arc<Upkeep>,
    /// What other nodes are asked for.
    loads: Loads,
    wake: Notify,
    /// Told of each shard that begins to be served here, or is refused.
    arrived: Notify,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Inner {
    pub(crate) fn catalog(&self) -> Arc<Catalog> {
        self.feed.latest()
    }

    pub(crate) const fn node(&self) -> NodeId {
        self.node
    }

    pub(crate) const fn liveness(&self) -> &Liveness {
        &self.liveness
    }

    pub(crate) const fn clocks(&self) -> &Clocks {
        &self.clocks
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.is_stopping.load(Ordering::Relaxed)
    }

    /// The running replicas on this node.
    pub(crate) fn running(&self) -> Vec<(ShardId, Arc<Replica>)> {
        let shards = lock(&self.shards);
        shards.iter().filter_map(|(id, local)| Some((*id, local.running()?))).collect()
    }

    pub(crate) fn transport(&self) -> &dyn PeerTransport {
        &*self.transport
    }

    pub(crate) fn now(&self) -> varve_types::TimestampNs {
        self.env.clock.now()
    }

    pub(crate) fn requested(&self) -> MutexGuard<'_, BTreeSet<ShardId>> {
        lock(&self.requested)
    }

    /// Lets the supervisor look at once.
    pub(crate) fn wake(&self) {
        self.wake.notify_one();
    }

    fn links(&self, group: GroupId, from: ReplicaId) -> Links {
        let transport = Arc::clone(&self.transport);
        Links { group, from, transport, pace: Arc::clone(&self.upkeep.copying) }
    }
}

impl Host {
    /// This node.
    #[must_use]
    pub fn node(&self) -> NodeId {
        self.0.inner.node
    }

    /// Which of its starts this is.
    #[must_use]
    pub fn starts(&self) -> Starts {
        self.0.inner.starts
    }

    /// The cluster it belongs to.
    #[must_use]
    pub fn cluster(&self) -> ClusterId {
        self.0.inner.cluster
    }

    fn inner(&self) -> &Inner {
        &self.0.inner
    }

    /// Stops all groups. Everything acknowledged is in the log; nothing is written out for it.
    pub async fn shutdown(&self) {
        let Handle { supervisor, watcher, fetcher, scrubber, comparer, .. } = &*self.0;
        let watchers = [supervisor, watcher, fetcher, scrubber, comparer];
        let watchers = watchers.map(|task| lock(task).take());
        for watcher in watchers.into_iter().flatten() {
            watcher.abort();
            // An abort answers an error, and that is what was asked for.
            let _ = watcher.await;
        }
        // A merge ends at its next pause, so that nothing is written after this returns.
        self.0.inner.upkeep.merges.stop();
        let merger = lock(&self.0.merger).take();
        if let Some(merger) = merger {
            let _ = merger.await;
        }
        let running: Vec<_> =
            lock(&self.0.inner.shards).values().filter_map(Local::running).collect();
        for replica in running {
            replica.stop().await;
        }
        if let Some(group) = self.0.inner.catalog_group() {
            group.shutdown().await;
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        let Self { supervisor, watcher, merger, fetcher, scrubber, comparer, .. } = self;
        let tasks = [supervisor, watcher, merger, fetcher, scrubber, comparer];
        let tasks = tasks.map(|task| lock(task).take());
        tasks.into_iter().flatten().for_each(|task| task.abort());
    }
}
