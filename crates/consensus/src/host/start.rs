//! Starting a node's groups, and founding a cluster on a new disk.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep};
use varve_env::Env;
use varve_types::{GroupId, NodeId, ReplicaId};
use varve_wal::Wal;

use super::identity::{self, Identity};
use super::incarnation;
use super::introduce::introduce;
use super::metadata::{self, Admission, SeatFile};
use super::read::Loads;
use super::{Handle, Host, HostOptions, Inner, NewDisk, files, merge, supervise};
use crate::catalog::{Catalog, CatalogCommand, CatalogFeed, ClusterId, NodeCard, Starts};
use crate::driver::{Clocks, Liveness};
use crate::errors::StartError;
use crate::group::Group;
use crate::log_store::LogStore;
use crate::machine::{CatalogMachine, Machine};
use crate::network::Links;
use crate::upkeep::Upkeep;

/// How long founding a cluster, or finding out that a sole voter leads, may take.
const ALONE_LIMIT: Duration = Duration::from_secs(10);
/// The ids that founding a cluster allots first.
const FIRST_NODE: NodeId = NodeId(1);
const FIRST_REPLICA: ReplicaId = ReplicaId(1);
const POLL: Duration = Duration::from_millis(1);

impl Host {
    /// Opens the groups of all shards that the catalog gives this node, and the catalog's own if
    /// the node has a seat in it. A new disk founds a cluster of one, or joins the one that took
    /// it in.
    ///
    /// A node that is alone serves when this returns. One with peers serves each shard once a
    /// quorum of it is there.
    ///
    /// # Errors
    ///
    /// Names the file or group and the remedy. A shard that does not open is no error here: it is
    /// refused on its own, and [`Host::status`] says why.
    pub async fn start(options: HostOptions) -> Result<Self, StartError> {
        let Beginning { identity, seat, founds, catalog } = begin(&options).await?;
        let starts = incarnation::begin(&options.env, &options.dir, identity.node).await?;
        let feed = Arc::new(CatalogFeed::new(catalog));
        let settings = &options.settings;
        let upkeep = Arc::new(Upkeep::new(settings.tail_bytes, settings.repair_bytes_per_s));
        let group = match seat {
            None => None,
            Some(replica) => {
                let HostOptions { env, dir, wal, transport, .. } = &options;
                let (group, transport) = (GroupId::CATALOG, Arc::clone(transport));
                let links =
                    Links { group, from: replica, transport, pace: Arc::clone(&upkeep.copying) };
                require_log(&options, replica).await?;
                Some(start_catalog(env, dir, wal, links, Arc::clone(&feed)).await?)
            }
        };
        if let Some(group) = &group
            && (founds || may_be_unfounded(&options, &feed))
        {
            found(&options, identity, group).await?;
        }
        let alone = match &group {
            Some(group) => become_leader_if_alone(group).await?,
            None => false,
        };
        let inner = Arc::new(assemble(options, (identity, starts), feed, group, upkeep));
        inner.reconcile().await;
        if alone {
            inner.wait_until_leading().await;
        }
        let supervisor = tokio::spawn(supervise::supervise(Arc::clone(&inner)));
        let (watching, introducing) = (Arc::clone(&inner), Arc::clone(&inner));
        let watcher = tokio::spawn(async move {
            tokio::join!(metadata::watch_catalog(watching), introduce(introducing));
        });
        let merger = tokio::spawn(merge::merge_whenever_due(Arc::clone(&inner)));
        let fetcher = tokio::spawn(files::fetch_whenever_due(Arc::clone(&inner)));
        let scrubber = tokio::spawn(files::scrub_always(Arc::clone(&inner)));
        let comparer = tokio::spawn(files::compare_always(Arc::clone(&inner)));
        let [supervisor, watcher, merger, fetcher, scrubber, comparer] =
            [supervisor, watcher, merger, fetcher, scrubber, comparer]
                .map(|task| Mutex::new(Some(task)));
        let handle = Handle { inner, supervisor, watcher, merger, fetcher, scrubber, comparer };
        Ok(Self(Arc::new(handle)))
    }
}

fn assemble(
    options: HostOptions,
    (identity, starts): (Identity, Starts),
    feed: Arc<CatalogFeed>,
    group: Option<Group>,
    upkeep: Arc<Upkeep>,
) -> Inner {
    let card = card(&options, identity);
    let HostOptions { env, dir, wal, groups_may_be_missing, transport, settings, on_fatal, .. } =
        options;
    Inner {
        env,
        dir,
        wal,
        groups_may_be_missing,
        node: identity.node,
        cluster: identity.cluster,
        settings,
        transport,
        on_fatal,
        feed,
        seat: metadata::Seat::new(group.map(Arc::new)),
        card,
        starts,
        liveness: Liveness::default(),
        clocks: Clocks::default(),
        catalog_is_fresh: AtomicBool::new(false),
        is_swept: AtomicBool::new(false),
        is_stopping: AtomicBool::new(false),
        shards: Mutex::new(BTreeMap::new()),
        requested: Mutex::new(BTreeSet::new()),
        disk_is_low: AtomicBool::new(false),
        upkeep,
        loads: Loads::default(),
        wake: Notify::new(),
        arrived: Notify::new(),
    }
}

/// What this node says of itself.
fn card(options: &HostOptions, identity: Identity) -> NodeCard {
    NodeCard {
        disk: identity.disk,
        address: options.address.clone(),
        zone: options.zone.clone(),
        version: options.version.clone(),
    }
}

/// What a disk is when the node starts on it.
struct Beginning {
    identity: Identity,
    /// Its replica of the metadata group.
    seat: Option<ReplicaId>,
    /// Whether it founds a cluster now.
    founds: bool,
    /// The catalog as it was known last, beside what the metadata group's own files say.
    catalog: Catalog,
}

async fn begin(options: &HostOptions) -> Result<Beginning, StartError> {
    let (env, dir) = (&options.env, &options.dir);
    if let Some(identity) = identity::read(env, dir).await? {
        if options.log_is_new {
            return Err(StartError::LogLost { path: dir.clone() });
        }
        if let NewDisk::Join(admission) = &options.new_disk
            && (admission.cluster, admission.node) != (identity.cluster, identity.node)
        {
            let Identity { cluster, node, .. } = identity;
            return Err(StartError::OtherNode { cluster, node });
        }
        let seat = SeatFile::read(env, dir).await?.unwrap_or(identity.first_replica);
        let catalog = metadata::read_watched(env, dir).await?.unwrap_or_default();
        return Ok(Beginning { identity, seat, founds: false, catalog });
    }
    if !options.wal.groups().is_empty() {
        return Err(StartError::IdentityLost { path: identity::path(dir) });
    }
    let beginning = match &options.new_disk {
        NewDisk::Join(admission) => {
            let Admission { cluster, node, disk, .. } = *admission;
            let catalog = admission.catalog()?;
            metadata::write_watched(env, dir, &catalog).await?;
            let identity = Identity { cluster, node, disk, first_replica: None };
            Beginning { identity, seat: None, founds: false, catalog }
        }
        NewDisk::Found => {
            let seat = Some(FIRST_REPLICA);
            SeatFile::write(env, dir, seat).await?;
            let identity = first_identity(env);
            Beginning { identity, seat, founds: true, catalog: Catalog::default() }
        }
    };
    // Last, because from here on the disk is a node.
    identity::write(env, dir, beginning.identity).await?;
    Ok(beginning)
}

/// The identity of the node that founds a cluster: the catalog allots the same ids to it.
fn first_identity(env: &Env) -> Identity {
    let cluster = ClusterId(identity::draw(env).0);
    Identity { cluster, node: FIRST_NODE, disk: identity::draw(env), first_replica: None }
}

/// A node that was to found a cluster may have stopped before it had. The one that founds is told
/// so at every start, and is the first node.
fn may_be_unfounded(options: &HostOptions, feed: &CatalogFeed) -> bool {
    options.new_disk == NewDisk::Found && feed.latest().cluster.is_none()
}

/// Refuses to start without the log that the catalog and the shards here belong to: an empty log
/// would look like that of a new node, and everything would be forgotten in silence. A seat that
/// was taken later may have heard of nobody yet, and have no log, while there are shards; that of
/// the founder has one before there are.
async fn require_log(options: &HostOptions, seat: ReplicaId) -> Result<(), StartError> {
    if options.wal.groups().contains(&GroupId::CATALOG) {
        return Ok(());
    }
    let is_damaged = options.groups_may_be_missing;
    let disk = Arc::clone(&options.env.disk);
    let (shards, saved) = (options.dir.join("shards"), options.dir.join("catalog").join("catalog"));
    let is_lost = move || {
        let has_shards = || disk.list(&shards).is_ok_and(|found| !found.is_empty());
        disk.exists(&saved) || (is_damaged || seat == FIRST_REPLICA) && has_shards()
    };
    if options.env.blocking.run(is_lost).await {
        return Err(StartError::LogLost { path: options.dir.clone() });
    }
    Ok(())
}

/// Starts the replica of the metadata group that `links` come from.
pub(super) async fn start_catalog(
    env: &Env,
    dir: &Path,
    wal: &Wal,
    links: Links,
    feed: Arc<CatalogFeed>,
) -> Result<Group, StartError> {
    let group = GroupId::CATALOG;
    let machine = CatalogMachine::open(env, dir.join("catalog"), feed).await;
    let machine = machine.map_err(|source| StartError::Disk {
        action: "opening the catalog in",
        path: dir.join("catalog"),
        source,
    })?;
    let log = wal.group(group);
    log.check().map_err(|error| StartError::Quarantined(error.to_string()))?;
    let (log, machine) = (LogStore::new(log), Machine::Catalog(Box::new(machine)));
    let started = Group::start(group, links, log, machine, env.clock.clone()).await;
    started.map_err(|why| StartError::Raft { group, why })
}

/// Founds the cluster. Done twice, it is founded once.
async fn found(options: &HostOptions, identity: Identity, group: &Group) -> Result<(), StartError> {
    let raft = |why| StartError::Raft { group: GroupId::CATALOG, why };
    if identity.node != FIRST_NODE {
        return Ok(());
    }
    group.initialize(vec![(FIRST_REPLICA, FIRST_NODE)]).await.map_err(raft)?;
    if !become_leader_if_alone(group).await? {
        // It has peers by now, so it was founded.
        return Ok(());
    }
    let command = CatalogCommand::Found {
        cluster: identity.cluster,
        node: card(options, identity),
        // One node, one bucket.
        bits: 0,
    };
    let proposed = group.propose(command.encode(), ALONE_LIMIT).await;
    proposed.map(drop).map_err(|error| raft(error.to_string()))
}

/// Makes a sole voter lead, and waits until it has applied all that it had committed. Answers
/// whether it is a sole voter.
async fn become_leader_if_alone(group: &Group) -> Result<bool, StartError> {
    let raft = |why| StartError::Raft { group: group.id, why };
    if !group.is_sole_voter().await.map_err(raft)? {
        return Ok(false);
    }
    group.elect_if_alone().await.map_err(raft)?;
    let recovered = group.raft.wait_for_recovery(Some(ALONE_LIMIT)).await;
    recovered.map_err(|_| StartError::NotFounded(ALONE_LIMIT))?;
    Ok(true)
}

impl Inner {
    /// Waits until every shard whose sole voter is here is led, at most for a while: one that is
    /// not says so when it is asked.
    async fn wait_until_leading(&self) {
        let deadline = Instant::now() + ALONE_LIMIT;
        for id in self.catalog().shards.keys() {
            let Some(replica) = self.replica(*id) else { continue };
            let alone = replica.group.is_sole_voter().await.unwrap_or(false);
            while alone && !replica.group.leads() && Instant::now() < deadline {
                sleep(POLL).await;
            }
        }
    }
}
