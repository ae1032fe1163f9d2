//! The shards on this node: starting their groups, closing them, writing them out.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures::{StreamExt, stream};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tracing::{debug, error, info, warn};
use varve_shard::Origin;
use varve_types::{GroupId, NodeId, ReplicaId, ShardId};

use super::flush::Flusher;
use super::{Inner, lock};
use crate::catalog::{Closed, ShardEntry, ShardState};
use crate::errors::ShardError;
use crate::group::Group;
use crate::log_store::LogStore;
use crate::machine::{Machine, ShardHome, ShardMachine};

/// So many groups are started at the same time.
const STARTS_AT_ONCE: usize = 16;

/// How long the first replica is given to found a group before the others do.
const FOUNDER_GRACE: Duration = Duration::from_secs(5);

/// A shard on this node.
#[derive(Clone)]
pub(super) enum Local {
    /// Its group runs.
    Running(Arc<Replica>),
    /// It is immutable, and all of it is here.
    Closed(Arc<ShardHome>),
    /// It is not served here.
    Refused(Arc<ShardError>),
}

/// A running replica of a shard.
pub(crate) struct Replica {
    pub(crate) group: Group,
    pub(crate) home: Arc<ShardHome>,
    flusher: JoinHandle<()>,
    started: Instant,
    /// Whether a change of the group's members is under way.
    seating: AtomicBool,
    /// Held while a snapshot is installed: what one leaves unused is removed after it, and that may
    /// be what another is made of.
    pub(super) installing: tokio::sync::Mutex<()>,
    /// What is wrong with its files, once that was found.
    damage: OnceLock<ShardError>,
}

impl Local {
    pub(super) fn running(&self) -> Option<Arc<Replica>> {
        match self {
            Self::Running(replica) => Some(Arc::clone(replica)),
            Self::Closed(_) | Self::Refused(_) => None,
        }
    }
}

impl Replica {
    /// Has the group's members become those of the catalog, in the background: one change at a
    /// time, and none while the shard rolls over.
    fn follow_members(self: &Arc<Self>, entry: &ShardEntry) {
        if entry.state != ShardState::Open || self.seating.swap(true, Ordering::AcqRel) {
            return;
        }
        let (replica, wanted) = (Arc::clone(self), entry.staying().collect::<Vec<_>>());
        tokio::spawn(async move {
            if let Err(why) = replica.group.seat(&wanted).await {
                debug!(group = %replica.group.id, why, "its members do not change yet");
            }
            replica.seating.store(false, Ordering::Release);
        });
    }

    /// What is wrong with its files: another replica is to take its place.
    pub(super) fn damage(&self) -> Option<&ShardError> {
        self.damage.get()
    }

    pub(super) fn set_damage(&self, error: ShardError) {
        // What was found first says enough.
        let _ = self.damage.set(error);
    }

    pub(super) async fn stop(&self) {
        // The shard stays in use when it is closed: a flush that ended halfway would keep it from
        // being merged.
        let between_flushes = self.home.between_flushes().await;
        self.flusher.abort();
        drop(between_flushes);
        self.group.shutdown().await;
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        self.flusher.abort();
    }
}

impl Inner {
    pub(crate) fn replica(&self, shard: ShardId) -> Option<Arc<Replica>> {
        lock(&self.shards).get(&shard).and_then(Local::running)
    }

    /// Why a shard is not served here, when it should be.
    pub(super) fn refusal(&self, shard: ShardId) -> Option<String> {
        match self.local(shard) {
            Some(Local::Refused(error)) => Some(error.to_string()),
            _ => None,
        }
    }

    pub(super) fn local(&self, shard: ShardId) -> Option<Local> {
        lock(&self.shards).get(&shard).cloned()
    }

    pub(super) fn keep(&self, shard: ShardId, local: Local) {
        lock(&self.shards).insert(shard, local);
        self.arrived.notify_waiters();
    }

    pub(super) fn root(&self, shard: ShardId) -> PathBuf {
        self.dir.join("shards").join(shard.to_string())
    }

    /// Makes this node's groups what the catalog says.
    pub(super) async fn reconcile(&self) {
        let catalog = self.catalog();
        self.leave_shards(&catalog).await;
        let mut to_start = Vec::new();
        for (&id, entry) in &catalog.shards {
            let Some(replica) = entry.replica_on(self.node) else { continue };
            match (&entry.state, self.local(id)) {
                (ShardState::Closed(closed), None) => self.open_closed(id, closed).await,
                (ShardState::Closed(closed), Some(Local::Running(replica))) => {
                    self.close(id, &replica, closed).await;
                }
                (_, None) => to_start.push((id, replica, entry)),
                (_, Some(Local::Running(replica))) => self.watch_over(id, &replica, entry).await,
                (_, Some(Local::Closed(_) | Local::Refused(_))) => {}
            }
        }
        // The disk syncs what several of them wrote at once.
        let starting = stream::iter(to_start);
        let start = async |(id, replica, entry)| self.start_or_refuse(id, replica, entry).await;
        starting.for_each_concurrent(STARTS_AT_ONCE, start).await;
    }

    async fn start_or_refuse(&self, id: ShardId, replica: ReplicaId, entry: &ShardEntry) {
        match self.belongs_to(id, replica).await {
            Ok(true) => match self.start_replica(id, replica, entry).await {
                Ok(replica) => self.keep(id, Local::Running(Arc::new(replica))),
                Err(error) => self.refuse(id, error),
            },
            // The catalog here is older than what lies on the disk: it will tell.
            Ok(false) => {}
            Err(error) => self.refuse(id, error),
        }
    }

    pub(super) fn refuse(&self, id: ShardId, error: ShardError) {
        match error {
            // It is on its way.
            ShardError::Behind(_) => info!(shard = id.get(), "{error}"),
            _ => error!(shard = id.get(), "{error}"),
        }
        self.keep(id, Local::Refused(Arc::new(error)));
        self.upkeep.repairs.ask();
    }

    async fn start_replica(
        &self,
        id: ShardId,
        replica: ReplicaId,
        entry: &ShardEntry,
    ) -> Result<Replica, ShardError> {
        let group_id = GroupId::shard(id);
        let stopped = |why: String| ShardError::Raft { shard: id, why };
        let log = self.wal.group(group_id);
        log.check().map_err(|error| ShardError::Quarantined(error.to_string()))?;
        if self.log_is_lost(group_id) {
            return Err(ShardError::LogLost(id));
        }
        let origin = if entry.predecessors.is_empty() { Origin::First } else { Origin::Successor };
        let home = self.open_home(id, origin).await?;
        if let Some((purged, _)) = log.state().purged {
            home.shard().require_applied(purged)?;
        }
        let machine = ShardMachine::new(Arc::clone(&home));
        let machine = machine.map_err(|error| stopped(error.to_string()))?;
        let machine = Machine::Shard(Box::new(machine));
        let links = self.links(group_id, replica);
        let clock = self.env.clock.clone();
        let group = Group::start(group_id, links, LogStore::new(log), machine, clock)
            .await
            .map_err(stopped)?;
        let is_first = entry.replicas.first_key_value().is_some_and(|(id, _)| *id == replica);
        if is_first && may_be_unfounded(entry) {
            group.initialize(members(entry)).await.map_err(stopped)?;
        }
        group.elect_if_alone().await.map_err(stopped)?;
        home.wake_flush_if_due();
        self.upkeep.merges.offer(id);
        let flusher = Flusher {
            shard: id,
            home: Arc::clone(&home),
            raft: group.raft.clone(),
            node: self.node,
            blocking: self.env.blocking.clone(),
            transport: Arc::clone(&self.transport),
            pace: Arc::clone(&self.upkeep.copying),
        };
        let flusher = tokio::spawn(flusher.run());
        let (started, seating) = (Instant::now(), AtomicBool::new(false));
        let (installing, damage) = (tokio::sync::Mutex::default(), OnceLock::new());
        Ok(Replica { group, home, flusher, started, seating, installing, damage })
    }

    /// Whether a group that had a log may have lost it: one that never began has none either,
    /// but after damage to the log nobody can tell the two apart.
    fn log_is_lost(&self, group: GroupId) -> bool {
        self.groups_may_be_missing && !self.wal.groups().contains(&group)
    }

    pub(super) async fn open_home(
        &self,
        id: ShardId,
        origin: Origin,
    ) -> Result<Arc<ShardHome>, ShardError> {
        let (env, root) = (self.env.clone(), self.root(id));
        let bits = self.catalog().shards.get(&id).map_or(0, |entry| entry.range.bits());
        let options = self.settings.shard.clone().for_part(bits);
        let upkeep = Arc::clone(&self.upkeep);
        let open = move || ShardHome::open(&env, root, id, options, origin, upkeep);
        Ok(Arc::new(self.env.blocking.run(open).await?))
    }

    /// Looks after a running replica: a group whose founder is gone is founded by another, and
    /// one that stopped is taken out.
    async fn watch_over(&self, id: ShardId, replica: &Arc<Replica>, entry: &ShardEntry) {
        if let Some(why) = replica.group.stopped() {
            replica.stop().await;
            self.refuse(id, ShardError::Raft { shard: id, why });
        } else if replica.group.leads() {
            replica.follow_members(entry);
        } else if replica.started.elapsed() > FOUNDER_GRACE
            && entry.state == ShardState::Preparing
            && replica.group.raft.voter_ids().next().is_none()
            && let Err(why) = replica.group.initialize(members(entry)).await
        {
            warn!(shard = id.get(), "the group could not be founded: {why}");
        }
    }

    /// Ends the group of a shard that the catalog has closed, once all of it is durable here.
    async fn close(&self, id: ShardId, replica: &Arc<Replica>, closed: &Closed) {
        if !closed.holders.contains(&self.node) || !holds(&replica.home, closed) {
            // Peers may still bring what is missing. What differs is never served as closed.
            return;
        }
        // First the files serve, then the group ends.
        self.keep(id, Local::Closed(Arc::clone(&replica.home)));
        replica.stop().await;
        self.forget_log(id).await;
        self.forget_incoming(&replica.home).await;
        self.upkeep.merges.offer(id);
        info!(shard = id.get(), rows = closed.rows, "closed");
        if replica.damage().is_some() {
            self.upkeep.repairs.suspect([id]);
        }
    }

    /// Opens a shard that was closed before this start.
    async fn open_closed(&self, id: ShardId, closed: &Closed) {
        match self.open_home(id, Origin::Successor).await {
            Ok(home) if holds(&home, closed) && is_as_recorded(&home, closed, self.node) => {
                let is_final = closed
                    .finished
                    .as_ref()
                    .is_none_or(|known| home.files_digest() == Some(known.files));
                if is_final {
                    self.forget_incoming(&home).await;
                }
                self.keep(id, Local::Closed(home));
                self.forget_log(id).await;
                self.upkeep.merges.offer(id);
            }
            Ok(_) => self.refuse(id, ShardError::Behind(id)),
            Err(error) => self.refuse(id, error),
        }
    }

    /// Serves a closed shard that was not what an older catalog said of it, if it is what the
    /// catalog says now.
    pub(super) async fn reopen(&self, id: ShardId, closed: &Closed) -> bool {
        let is_behind = match self.local(id) {
            Some(Local::Refused(error)) => matches!(*error, ShardError::Behind(_)),
            _ => false,
        };
        if is_behind && closed.holders.contains(&self.node) {
            self.open_closed(id, closed).await;
        }
        matches!(self.local(id), Some(Local::Closed(_))) && is_behind
    }

    /// Files of which some came, and which are of no use any more.
    async fn forget_incoming(&self, home: &ShardHome) {
        let incoming = home.copies().incoming();
        // What cannot be removed now costs room until the next start and nothing else.
        let _ = self.env.blocking.run(move || incoming.clear()).await;
    }

    /// Everything that the log of a closed shard holds is in its files.
    pub(super) async fn forget_log(&self, id: ShardId) {
        let group = GroupId::shard(id);
        if !self.wal.groups().contains(&group) {
            return;
        }
        // One that cannot be removed now costs room until the next start and nothing else.
        if let Err(error) = self.wal.group(group).remove().await {
            warn!(shard = id.get(), "the log of a closed shard stays: {error}");
        }
    }
}

/// Whether nobody may have founded a shard's group yet. One that is open was founded by its first
/// replicas, and those that come later must learn from them: but for the very first shards, which
/// are open from the start.
fn may_be_unfounded(entry: &ShardEntry) -> bool {
    let is_first = entry.predecessors.is_empty() && entry.replicas.len() == 1;
    entry.state == ShardState::Preparing || entry.state == ShardState::Open && is_first
}

fn members(entry: &ShardEntry) -> Vec<(ReplicaId, NodeId)> {
    entry.replicas.iter().map(|(replica, node)| (*replica, *node)).collect()
}

/// Whether all of a closed shard is durable here, and is what the quorum agreed on.
pub(super) fn holds(home: &ShardHome, closed: &Closed) -> bool {
    let here = home.shard().closed();
    here.is_some_and(|here| here.rows == closed.rows && here.digest == closed.digest)
}

/// Whether a copy that was closed before is what the catalog says of this node: one that it was
/// told to be damaged, or an older one that came back, is not.
fn is_as_recorded(home: &ShardHome, closed: &Closed, node: NodeId) -> bool {
    let final_files = closed.finished.as_ref().filter(|known| known.holders.contains(&node));
    closed.holders.contains(&node)
        && final_files.is_none_or(|known| home.files_digest() == Some(known.files))
}
