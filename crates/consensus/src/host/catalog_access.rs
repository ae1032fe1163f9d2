//! The catalog, as the rest of the node sees and changes it.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep};
use varve_types::{GroupId, NodeId, ReplicaId, ShardId};

use super::{Host, Inner};
use crate::catalog::{
    Catalog, CatalogCommand, CatalogReply, ClusterId, DiskId, NodeCard, Settings, ShardState,
    replica_on,
};
use crate::errors::{CatalogError, ReadError, RollError};
use crate::group::GroupError;
use crate::network::{MessageKind, PeerMessage};
use crate::raft_types::Reply;
use crate::rollover::ControlRequest;

/// How often to look whether a rollover is through.
const ROLL_POLL: Duration = Duration::from_millis(5);

/// What a new node needs to join.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Invitation {
    /// The cluster that invites.
    pub cluster: ClusterId,
    /// The id allotted to the node.
    pub node: NodeId,
    /// Its replica of the metadata group.
    pub replica: ReplicaId,
}

impl Host {
    /// The catalog as this node has applied it. It may lag behind the cluster's.
    #[must_use]
    pub fn catalog(&self) -> Arc<Catalog> {
        self.inner().catalog()
    }

    /// Follows the catalog as this node applies it.
    #[must_use]
    pub fn watch_catalog(&self) -> watch::Receiver<Arc<Catalog>> {
        self.inner().catalog.clone()
    }

    /// The catalog, showing all changes that were made before this call.
    ///
    /// # Errors
    ///
    /// [`ReadError::Catalog`] when another node leads its group, or no quorum confirms.
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

    /// Says whether a node is to be emptied: a draining node is given no new shards.
    ///
    /// # Errors
    ///
    /// [`CatalogError::Refused`] when there is no such node; the others as they say.
    pub async fn set_draining(&self, node: NodeId, draining: bool) -> Result<(), CatalogError> {
        self.inner().change(&CatalogCommand::SetDraining { node, draining }).await.map(drop)
    }

    /// Takes a node into the cluster and answers what it needs to start. The same address again
    /// gets the same answer.
    ///
    /// # Errors
    ///
    /// [`CatalogError`]; making the change again is safe.
    pub async fn invite(&self, address: &str, zone: &str) -> Result<Invitation, CatalogError> {
        let inner = self.inner();
        let disk = DiskId(u128::from(inner.env.random.next_u64()));
        let card = NodeCard {
            disk,
            address: address.to_owned(),
            zone: zone.to_owned(),
            version: String::new(),
        };
        let adding = CatalogCommand::AddNode { node: card, instead_of: None };
        let reply = inner.change(&adding).await?;
        let CatalogReply::Node(node) = reply else {
            unreachable!("BUG: adding a node answered {reply:?}")
        };
        let seating = CatalogCommand::AddReplica { group: GroupId::CATALOG, node };
        inner.change(&seating).await?;
        let catalog = inner.catalog();
        let replica = replica_on(&catalog.replicas, node);
        let replica = replica.expect("BUG: a node was added without a replica of the catalog");
        inner.wake();
        Ok(Invitation { cluster: inner.cluster, node, replica })
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
    /// Proposes a change of the catalog.
    pub(crate) async fn change(
        &self,
        command: &CatalogCommand,
    ) -> Result<CatalogReply, CatalogError> {
        let limit = self.settings.propose_limit;
        let proposed = self.catalog_group.propose(command.encode(), limit).await;
        let (_, reply) = proposed.map_err(|error| match error {
            GroupError::NotLeader(leader) => CatalogError::NotLeader(leader),
            GroupError::Timeout(limit) => CatalogError::Timeout(limit),
            GroupError::Stopped(why) => CatalogError::Stopped(why),
        })?;
        match reply {
            Reply::Catalog(CatalogReply::Refused(why)) => Err(CatalogError::Refused(why)),
            Reply::Catalog(reply) => Ok(reply),
            Reply::Unreadable(why) => Err(CatalogError::Refused(why)),
            Reply::Nothing | Reply::Shard(_) => {
                unreachable!("BUG: the catalog answered {reply:?}")
            }
        }
    }

    pub(super) async fn roll(&self, shard: ShardId) -> Result<(), RollError> {
        if !self.catalog_group.leads() {
            return self.roll_at_leader(shard).await;
        }
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

    async fn roll_at_leader(&self, shard: ShardId) -> Result<(), RollError> {
        let unknown = || RollError::Driver("nobody leads it now".to_owned());
        let leader = self.catalog_group.leader().ok_or_else(unknown)?;
        let to = replica_on(&self.catalog().replicas, leader).ok_or_else(unknown)?;
        let body = ControlRequest::Roll(shard).encode();
        let (group, kind) = (GroupId::CATALOG, MessageKind::Control);
        let sent = self.transport.send(leader, PeerMessage { group, to, kind, body });
        let limit = self.settings.roll_limit;
        match tokio::time::timeout(limit, sent).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(RollError::Driver(error.to_string())),
            Err(_) => Err(RollError::Driver(format!("no answer within {limit:?}"))),
        }
    }
}
