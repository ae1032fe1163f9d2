//! Why an operation of the host failed, one type per operation.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use varve_shard::{OpenError, Successor};
use varve_types::{GroupId, NodeId, ShardId};
use varve_wal::WalError;

use crate::catalog::ClusterId;

/// Why a node's groups do not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The disk refused.
    #[error("{action} {path} failed: {source}; check the disk", path = path.display())]
    Disk {
        /// What was tried.
        action: &'static str,
        /// With which file or folder.
        path: PathBuf,
        /// What the disk said.
        #[source]
        source: io::Error,
    },
    /// The file that says which node this disk is cannot be believed.
    #[error("{path} is no identity of a node: {what}. Restore it from a backup; never write it by hand, because a node that comes back as another breaks the cluster", path = path.display())]
    Identity {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// The log has groups, but the file that says whose is gone.
    #[error("{path} is missing, but the write-ahead log has groups: restore the file from a backup, or move the whole data folder away to start as a new node", path = path.display())]
    IdentityLost {
        /// The file that should be there.
        path: PathBuf,
    },
    /// There are a catalog or shards, but the log that belongs to them is gone.
    #[error("the write-ahead log of {path} is missing or empty, but there are shards that belong to it: restore it from a backup, or move the whole data folder away to start as a new node", path = path.display())]
    LogLost {
        /// The data folder.
        path: PathBuf,
    },
    /// The disk belongs to another cluster or node than the one that was taken in.
    #[error("this disk is node {node} of cluster {cluster}, and is not the one taken in")]
    OtherNode {
        /// Whose disk it is.
        cluster: ClusterId,
        /// Which node's.
        node: NodeId,
    },
    /// The cluster that takes this node in speaks of itself in a way that is unknown here.
    #[error("the cluster's catalog cannot be read: {0}; run the same version as the other nodes")]
    Admission(String),
    /// The metadata group's log cannot be proven whole.
    #[error("{0}")]
    Quarantined(String),
    /// The log failed.
    #[error(transparent)]
    Log(#[from] WalError),
    /// Raft did not start.
    #[error("{group} does not start: {why}")]
    Raft {
        /// Which group.
        group: GroupId,
        /// What openraft said.
        why: String,
    },
    /// A new cluster did not come up.
    #[error("the cluster was not founded within {0:?}: the disk is too slow, or the log refuses")]
    NotFounded(Duration),
}

/// Why a shard is not served here.
#[derive(Debug, thiserror::Error)]
pub enum ShardError {
    /// Its files do not open.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// Its log cannot be proven whole.
    #[error("{0}")]
    Quarantined(String),
    /// Damage to the log may have taken all that it had of the shard.
    #[error(
        "shard {0} has no log, and the write-ahead log is damaged in such a way that it may have had one: replicate the shard anew from another node, or restore the log from a backup"
    )]
    LogLost(ShardId),
    /// Nobody knows which replica of it lies here, and so how it voted.
    #[error("shard {shard}: {why}; it is replicated anew from the nodes that have it")]
    Nameless {
        /// Which shard.
        shard: ShardId,
        /// Which file, and what is wrong with it.
        why: String,
    },
    /// Raft did not start, or stopped.
    #[error("shard {shard}: {why}; the shard is not served here until the node is restarted")]
    Raft {
        /// Which shard.
        shard: ShardId,
        /// What openraft said.
        why: String,
    },
    /// It is closed, and not all of it is here yet.
    #[error("not all of closed shard {0} is here: it is copied from the nodes that hold it")]
    Behind(ShardId),
    /// A file of it was found damaged after it had been opened.
    #[error("shard {shard} is damaged: {damage}; {remedy}")]
    Damaged {
        /// Which shard.
        shard: ShardId,
        /// Which file, and what is wrong with it.
        damage: String,
        /// What becomes of it.
        remedy: String,
    },
}

/// Why a block was not acknowledged.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ProposeError {
    /// The shard takes no more writes: its successors do. Nothing was stored.
    #[error("shard {shard} is sealed, its successors are {successors:?}")]
    Sealed {
        /// Which shard.
        shard: ShardId,
        /// Who takes the writes.
        successors: Vec<Successor>,
    },
    /// The shard is not open yet. Nothing was stored.
    #[error("shard {0} takes no writes yet: try again")]
    NotOpen(ShardId),
    /// Another node leads. Nothing was stored.
    #[error("shard {shard} is led by another node: {}", leader.map_or("unknown".to_owned(), |node| node.to_string()))]
    NotLeader {
        /// Which shard.
        shard: ShardId,
        /// Who leads, as far as known.
        leader: Option<NodeId>,
    },
    /// This node holds no running replica of the shard. Nothing was stored.
    #[error("shard {0} is not served here")]
    NotHere(ShardId),
    /// Whether it was stored is unknown: send it again under the same key.
    #[error(
        "shard {shard} did not answer within {limit:?}: whether the block was stored is unknown, and sending it again is safe"
    )]
    Timeout {
        /// Which shard.
        shard: ShardId,
        /// How long was waited.
        limit: Duration,
    },
    /// More is waiting to be written out than memory is set aside for. Nothing was stored.
    #[error("shard {0} has more in memory than it can write out in time: send less, or add nodes")]
    Overloaded(ShardId),
    /// The disk is full, or nearly. Nothing was stored.
    #[error("the disk is full or nearly so: free space on it, or add nodes; reads go on")]
    DiskFull,
    /// The block is not what its format says, or too large. Nothing was stored.
    #[error("the block is refused: {0}")]
    Refused(String),
    /// The replica stopped. Whether the block was stored is unknown.
    #[error("shard {shard} stopped: {why}")]
    Stopped {
        /// Which shard.
        shard: ShardId,
        /// What openraft said.
        why: String,
    },
}

impl ProposeError {
    /// Whether the block may be stored all the same: nobody confirmed that it is not.
    #[must_use]
    pub const fn may_be_stored(&self) -> bool {
        matches!(self, Self::Timeout { .. } | Self::Stopped { .. })
    }
}

/// Why a linearizable read failed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ReadError {
    /// This node holds no replica of the shard that it may serve.
    #[error("shard {shard} is not served here: {why}")]
    NotHere {
        /// Which shard.
        shard: ShardId,
        /// Why.
        why: String,
    },
    /// No leader confirmed the read: none could be asked, or no quorum follows it.
    #[error("shard {shard} confirmed no read: {why}")]
    Unconfirmed {
        /// Which shard.
        shard: ShardId,
        /// What each of its nodes said, or what went wrong with it.
        why: String,
    },
    /// The replica here does not have what the read is to show.
    #[error("shard {shard} lags behind here, and did not catch up within {limit:?}")]
    Behind {
        /// Which shard.
        shard: ShardId,
        /// How long was waited.
        limit: Duration,
    },
    /// The replica stopped.
    #[error("shard {shard} stopped: {why}")]
    Stopped {
        /// Which shard.
        shard: ShardId,
        /// What openraft said.
        why: String,
    },
    /// The catalog's own group confirmed no read.
    #[error("the catalog confirmed no read: {0}")]
    Catalog(String),
}

/// Why a change of the catalog failed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum CatalogError {
    /// Another node leads the metadata group and must be asked.
    #[error("the catalog is led by another node: {}", .0.map_or("unknown".to_owned(), |node| node.to_string()))]
    NotLeader(Option<NodeId>),
    /// The catalog is not in the state that the change expects.
    #[error("{0}")]
    Refused(String),
    /// Whether it was made is unknown; making it again is safe.
    #[error("the catalog did not answer within {0:?}")]
    Timeout(Duration),
    /// Nobody who leads the metadata group could be asked.
    #[error(
        "the catalog cannot be changed now: {0}; it can again once a majority of the nodes that keep it is there"
    )]
    Unavailable(String),
    /// The group stopped.
    #[error("the catalog's group stopped: {0}")]
    Stopped(String),
}

/// Why a shard was not rolled over.
#[derive(Clone, Debug, thiserror::Error)]
pub enum RollError {
    /// There is no such shard.
    #[error("there is no shard {0}")]
    Unknown(ShardId),
    /// It takes longer than that; it goes on in the background.
    #[error("shard {shard} is still {state} after {limit:?}; the rollover goes on")]
    Timeout {
        /// Which shard.
        shard: ShardId,
        /// Where it is.
        state: String,
        /// How long was waited.
        limit: Duration,
    },
    /// The node that drives rollovers could not be asked.
    #[error("the node that leads the catalog could not be asked: {0}")]
    Driver(String),
}
