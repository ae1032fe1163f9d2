//! What the log is applied to: the catalog, or a shard.
//!
//! Applying is deterministic: it reads the entry and the state, never a clock. One type serves
//! both kinds of group, so that the rest of the crate has one kind of Raft handle.

mod card;
pub(crate) mod catalog;
mod content;
mod copies;
pub(crate) mod framed;
mod incoming;
mod recent;
mod shard;

use std::io;

use futures::{Stream, TryStreamExt};
use openraft::storage::{EntryResponder, RaftStateMachine};
use openraft::{OptionalSend, RaftSnapshotBuilder};

pub(crate) use card::{FileCard, cards, files_digest};
pub(crate) use catalog::CatalogMachine;
pub(crate) use content::{SnapshotContent, SnapshotFile};
pub(crate) use copies::Copies;
pub(crate) use incoming::Incoming;
pub(crate) use recent::Applied;
pub(crate) use shard::{Loan, MANIFEST, ShardHome, ShardMachine};

use crate::codec::Position;
use crate::raft_types::{
    CommittedLeader, Entry, LogId, Place, Reply, SnapshotMeta, StoredMembership, Types,
};

type Snapshot = openraft::Snapshot<CommittedLeader, u64, Place, SnapshotContent>;

/// A group's state.
pub(crate) enum Machine {
    /// The metadata group's.
    Catalog(Box<CatalogMachine>),
    /// A shard's.
    Shard(Box<ShardMachine>),
}

/// Builds a snapshot beside the machine that goes on applying.
pub(crate) enum Builder {
    Catalog(catalog::Snapshooter),
    Shard(std::sync::Arc<ShardHome>),
}

impl Machine {
    fn take(&mut self, entry: Entry) -> Reply {
        match self {
            Self::Catalog(machine) => machine.take(entry),
            Self::Shard(machine) => machine.take(entry),
        }
    }
}

fn snapshot_of(position: Position, content: SnapshotContent) -> Snapshot {
    let meta = SnapshotMeta { last_log_id: position.last, last_membership: position.membership };
    Snapshot { meta, snapshot: content }
}

impl RaftSnapshotBuilder<Types> for Builder {
    type SnapshotData = SnapshotContent;

    async fn build_snapshot(&mut self) -> io::Result<Snapshot> {
        let (position, content) = match self {
            Self::Catalog(snapshooter) => snapshooter.save().await?,
            // What the manifest holds is the snapshot: only a flush makes a newer one.
            Self::Shard(home) => home.snapshot().await?.unwrap_or_default(),
        };
        Ok(snapshot_of(position, content))
    }
}

impl RaftStateMachine<Types> for Machine {
    type SnapshotData = SnapshotContent;
    type SnapshotBuilder = Builder;

    async fn applied_state(&mut self) -> io::Result<(Option<LogId>, StoredMembership)> {
        let position = match self {
            Self::Catalog(machine) => machine.position(),
            Self::Shard(machine) => machine.position(),
        };
        Ok((position.last, position.membership.clone()))
    }

    async fn apply<Strm>(&mut self, mut entries: Strm) -> io::Result<()>
    where
        Strm: Stream<Item = Result<EntryResponder<Types>, io::Error>> + Unpin + OptionalSend,
    {
        while let Some((entry, responder)) = entries.try_next().await? {
            let reply = self.take(entry);
            if let Some(responder) = responder {
                responder.send(reply);
            }
        }
        if let Self::Shard(machine) = self {
            machine.home().wake_flush_if_due();
        }
        Ok(())
    }

    async fn get_snapshot_builder(&mut self) -> Builder {
        match self {
            Self::Catalog(machine) => Builder::Catalog(machine.snapshooter()),
            Self::Shard(machine) => Builder::Shard(std::sync::Arc::clone(machine.home())),
        }
    }

    async fn install_snapshot(
        &mut self,
        meta: &SnapshotMeta,
        snapshot: SnapshotContent,
    ) -> io::Result<()> {
        let position =
            Position { last: meta.last_log_id, membership: meta.last_membership.clone() };
        match self {
            Self::Catalog(machine) => machine.install(position, &snapshot).await,
            Self::Shard(machine) => machine.install(position, &snapshot).await,
        }
    }

    async fn get_current_snapshot(&mut self) -> io::Result<Option<Snapshot>> {
        let current = match self {
            Self::Catalog(machine) => machine.saved(),
            Self::Shard(machine) => machine.home().snapshot().await?,
        };
        Ok(current.map(|(position, content)| snapshot_of(position, content)))
    }
}
