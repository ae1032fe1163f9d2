//! Consensus: the groups of one node, their logs, state machines and snapshots, and rollover.
//!
//! The only crate that knows openraft, and nothing of openraft shows outside. What the rest of
//! the node sees is [`Host`]: propose a block to a shard, read shards linearizably, follow the
//! [`Catalog`], roll shards over.
//!
//! | module | owns |
//! |---|---|
//! | `host` | the node's groups: starting, proposing, reading, answering peers |
//! | `catalog` | the metadata group's state and commands |
//! | `driver` | looking at the cluster and carrying out plans, where the catalog is led |
//! | `rollover` | the plan of a rollover |
//! | `membership` | the plan of who holds and who leads what |
//! | `machine` | what logs are applied to, and snapshots |
//! | `log_store` | a group's log in the shared write-ahead log |
//! | `upkeep` | what shards share: memory of tails, the queue of merges, counts |
//! | `group` | one running Raft |
//! | `network` | Raft's messages over a transport |
//! | `codec` | bytes |
//! | `runtime`, `raft_types` | what openraft is given |

mod catalog;
mod codec;
mod driver;
mod errors;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod group;
mod host;
mod log_store;
mod machine;
mod membership;
mod network;
mod raft_types;
mod rollover;
mod runtime;
mod upkeep;

pub use catalog::{
    Catalog, Closed, ClusterId, DiskId, FilesDigest, Finished, Incarnation, Node, Settings,
    ShardEntry, ShardState, Starts, Window,
};
pub use codec::CodecError;
pub use errors::{CatalogError, ProposeError, ReadError, RollError, ShardError, StartError};
pub use host::{
    Admission, BlockCommit, Host, HostOptions, HostSettings, HostStats, JoinError, JoinRequest,
    NewDisk, NodeState, NodeStatus, ReadAt, ReadPoint, ReadPoints, ReceiveError, ReplicaStatus,
    Role, ShardRead, ShardStatus, VerifyRow, draw_disk, has_identity,
};
pub use network::{Lane, MessageKind, NoPeers, PeerError, PeerMessage, PeerTransport};
pub use runtime::{seed_this_thread, tick_together};
pub use upkeep::{ComparisonStats, FlushStats, MergeStats, RepairStats};
