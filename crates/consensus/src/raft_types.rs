//! The types that openraft is given: one configuration for the catalog's group and every shard's.
//!
//! Raft's own node ids are replica ids, so that a wiped disk never comes back under an id that
//! has voted. A node in a membership says on which machine the replica lives.

use std::fmt;

use bytes::Bytes;
use openraft::RaftTypeConfig;
use openraft::vote::leader_id_std;
use varve_types::{NodeId, TimestampNs};

use crate::catalog::CatalogReply;
use crate::runtime::Runtime;

/// What one entry carries.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Payload {
    /// The leader's wall clock when it proposed; applying never reads a clock.
    pub(crate) stamp: TimestampNs,
    /// An encoded command of the group's state machine.
    pub(crate) command: Bytes,
}

/// What applying one entry answered.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    /// The entry was not a command: a leader's blank or a membership.
    Nothing,
    /// A shard's answer.
    Shard(varve_shard::Outcome),
    /// The catalog's answer.
    Catalog(CatalogReply),
    /// No version of the command is known here, or its bytes are damaged. Every replica says so
    /// alike, and the entry changes nothing.
    Unreadable(String),
}

/// Where a replica lives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Place(pub(crate) NodeId);

openraft::declare_raft_types!(
    /// The one configuration of all groups.
    pub(crate) Types:
        D = Payload,
        R = Reply,
        NodeId = u64,
        Node = Place,
        Term = u64,
        LeaderId = leader_id_std::LeaderId<u64, u64>,
        Vote = openraft::Vote<leader_id_std::LeaderId<u64, u64>>,
        AsyncRuntime = Runtime,
);

pub(crate) type Vote = <Types as RaftTypeConfig>::Vote;
pub(crate) type Entry = <Types as RaftTypeConfig>::Entry;
pub(crate) type CommittedLeader = leader_id_std::CommittedLeaderId<u64>;
pub(crate) type LogId = openraft::LogId<CommittedLeader>;
pub(crate) type Membership = openraft::Membership<u64, Place>;
pub(crate) type StoredMembership = openraft::StoredMembership<CommittedLeader, u64, Place>;
pub(crate) type SnapshotMeta = openraft::SnapshotMeta<CommittedLeader, u64, Place>;

/// The log id of an index in a term.
pub(crate) fn log_id(term: u64, index: u64) -> LogId {
    LogId::new(CommittedLeader::new(term), index)
}

impl fmt::Display for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes at {}", self.command.len(), self.stamp.0)
    }
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
