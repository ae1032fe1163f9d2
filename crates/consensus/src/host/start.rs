//! Starting a node's groups, and founding a cluster on a new disk.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep};
use varve_env::Env;
use varve_placement::bucket_bits;
use varve_types::{GroupId, NodeId, ReplicaId};

use super::identity::{self, Identity};
use super::{Handle, Host, HostOptions, Inner, NewDisk, merge, supervise};
use crate::catalog::{Catalog, CatalogCommand, ClusterId, DiskId, NodeCard};
use crate::errors::StartError;
use crate::group::Group;
use crate::log_store::LogStore;
use crate::machine::{CatalogMachine, Machine};
use crate::network::Links;
use crate::upkeep::Upkeep;

/// How long founding a cluster, or finding out that a sole voter leads, may take.
const ALONE_LIMIT: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(1);

impl Host {
    /// Opens the catalog's group and those of all shards that the catalog gives this node. A new
    /// disk founds a cluster of one, or joins the one that invited it.
    ///
    /// A node that is alone serves when this returns. One with peers serves each shard once a
    /// quorum of it is there.
    ///
    /// # Errors
    ///
    /// Names the file or group and the remedy. A shard that does not open is no error here: it is
    /// refused on its own, and [`Host::status`] says why.
    pub async fn start(options: HostOptions) -> Result<Self, StartError> {
        let (identity, founds) = identify(&options).await?;
        let env = &options.env;
        let machine = CatalogMachine::open(env, options.dir.join("catalog")).await;
        let machine = machine.map_err(|source| StartError::Disk {
            action: "opening the catalog in",
            path: options.dir.join("catalog"),
            source,
        })?;
        let catalog = machine.watch();
        require_log(&options, &catalog.borrow().clone()).await?;
        let group = start_catalog(&options, identity, machine).await?;
        if founds || may_be_unfounded(&options, &catalog) {
            found(&options, identity, &group).await?;
        }
        let alone = become_leader_if_alone(&group).await?;
        let HostOptions {
            env, dir, wal, groups_may_be_missing, transport, settings, on_fatal, ..
        } = options;
        let upkeep = Arc::new(Upkeep::new(settings.tail_bytes));
        let inner = Arc::new(Inner {
            env,
            dir,
            wal,
            groups_may_be_missing,
            node: identity.node,
            cluster: identity.cluster,
            settings,
            transport,
            on_fatal,
            catalog,
            catalog_group: group,
            shards: Mutex::new(BTreeMap::new()),
            requested: Mutex::new(BTreeSet::new()),
            disk_is_low: AtomicBool::new(false),
            upkeep,
            wake: Notify::new(),
        });
        inner.reconcile().await;
        if alone {
            inner.wait_until_leading().await;
        }
        let supervisor = tokio::spawn(supervise::supervise(Arc::clone(&inner)));
        let merger = tokio::spawn(merge::merge_whenever_due(Arc::clone(&inner)));
        let (supervisor, merger) = (Mutex::new(Some(supervisor)), Mutex::new(Some(merger)));
        Ok(Self(Arc::new(Handle { inner, supervisor, merger })))
    }
}

/// Which node this disk is, and whether it founds a cluster now.
async fn identify(options: &HostOptions) -> Result<(Identity, bool), StartError> {
    let (env, dir) = (&options.env, &options.dir);
    if let Some(identity) = identity::read(env, dir).await? {
        if let NewDisk::Join(invitation) = options.new_disk
            && (invitation.cluster, invitation.node) != (identity.cluster, identity.node)
        {
            let Identity { cluster, node, .. } = identity;
            return Err(StartError::OtherNode { cluster, node });
        }
        return Ok((identity, false));
    }
    if !options.wal.groups().is_empty() {
        return Err(StartError::IdentityLost { path: identity::path(dir) });
    }
    let (identity, founds) = match options.new_disk {
        NewDisk::Join(invitation) => {
            let super::Invitation { cluster, node, replica } = invitation;
            (Identity { cluster, node, replica }, false)
        }
        NewDisk::Found => (first_identity(env), true),
    };
    identity::write(env, dir, identity).await?;
    Ok((identity, founds))
}

/// The identity of the node that founds a cluster: the catalog allots the same ids to it.
fn first_identity(env: &Env) -> Identity {
    let (high, low) = (env.random.next_u64(), env.random.next_u64());
    let cluster = ClusterId(u128::from(high) << 64 | u128::from(low));
    Identity { cluster, node: NodeId(1), replica: ReplicaId(1) }
}

/// A node that was to found a cluster may have stopped before it had. The one that founds is told
/// so at every start, and is the first node.
fn may_be_unfounded(options: &HostOptions, catalog: &watch::Receiver<Arc<Catalog>>) -> bool {
    options.new_disk == NewDisk::Found && catalog.borrow().cluster.is_none()
}

/// Refuses to start without the log that the catalog and the shards here belong to: an empty log
/// would look like that of a new node, and everything would be forgotten in silence.
async fn require_log(options: &HostOptions, catalog: &Catalog) -> Result<(), StartError> {
    if options.wal.groups().contains(&GroupId::CATALOG) {
        return Ok(());
    }
    let (disk, shards) = (Arc::clone(&options.env.disk), options.dir.join("shards"));
    let any = move || disk.list(&shards).is_ok_and(|found| !found.is_empty());
    if catalog.cluster.is_some() || options.env.blocking.run(any).await {
        return Err(StartError::LogLost { path: options.dir.clone() });
    }
    Ok(())
}

async fn start_catalog(
    options: &HostOptions,
    identity: Identity,
    machine: CatalogMachine,
) -> Result<Group, StartError> {
    let group = GroupId::CATALOG;
    let log = options.wal.group(group);
    log.check().map_err(|error| StartError::Quarantined(error.to_string()))?;
    let links = Links {
        group,
        from: identity.replica,
        transport: Arc::clone(&options.transport),
        random: options.env.random.clone(),
    };
    let (log, machine) = (LogStore::new(log), Machine::Catalog(Box::new(machine)));
    let started = Group::start(group, links, log, machine, options.env.clock.clone()).await;
    started.map_err(|why| StartError::Raft { group, why })
}

/// Founds the cluster. Done twice, it is founded once.
async fn found(options: &HostOptions, identity: Identity, group: &Group) -> Result<(), StartError> {
    let raft = |why| StartError::Raft { group: GroupId::CATALOG, why };
    if identity.node != NodeId(1) {
        return Ok(());
    }
    group.initialize(vec![(identity.replica, identity.node)]).await.map_err(raft)?;
    if !become_leader_if_alone(group).await? {
        // It has peers by now, so it was founded.
        return Ok(());
    }
    let command = CatalogCommand::Found {
        cluster: identity.cluster,
        node: NodeCard {
            disk: DiskId(u128::from(options.env.random.next_u64())),
            address: options.address.clone(),
            zone: options.zone.clone(),
            version: String::new(),
        },
        bits: bucket_bits(1),
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

/// Where the host keeps what.
impl Inner {
    pub(super) fn catalog_incoming(&self, transfer: u64) -> PathBuf {
        self.dir.join("catalog").join(format!("incoming-{transfer:016x}"))
    }
}
