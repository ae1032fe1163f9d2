//! The envelope of everything that goes between two nodes.
//!
//! ```text
//! head = version u8, kind u8, group u64, replica u64
//! ```
//!
//! The body goes beside it, so that a large one is never copied for its head's sake.

use bytes::Bytes;
use varve_types::{GroupId, ReplicaId};

use crate::codec::{CodecError, Reader, Writer};

const VERSION: u8 = 1;

/// One message to a replica, or to a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerMessage {
    /// The group it is about.
    pub group: GroupId,
    /// The replica it is for: a wiped disk that came back under another does not answer. 0, which
    /// no replica has, is the node itself, whatever replica of the group it has.
    pub to: ReplicaId,
    /// What it is.
    pub kind: MessageKind,
    /// Its bytes.
    pub body: Bytes,
}

/// What a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum MessageKind {
    /// Entries of the log, or a heartbeat.
    Append = 1,
    /// A candidate asks for a vote.
    Vote = 2,
    /// A candidate asks whether it would get one.
    PreVote = 3,
    /// A leader hands over.
    Transfer = 4,
    /// A piece of one file of a snapshot.
    SnapshotPiece = 5,
    /// All files of a snapshot are there: install it.
    SnapshotInstall = 6,
    /// A request of the rollover driver.
    Control = 7,
    /// A block, to the node that leads its shard.
    Propose = 8,
    /// Which read indexes shards have that the node leads.
    ReadIndex = 9,
    /// The catalog: what it is, changes of it, reports about it.
    Catalog = 10,
    /// Files of shards: which there are, and pieces of them.
    Files = 11,
    /// Which files a snapshot has: the answer says what is there already.
    SnapshotOffer = 12,
    /// A question for the node's reader. A host does not answer it.
    Query = 32,
}

/// Which way a message goes. What is slow on one does not hold up the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lane {
    /// Elections and the log, in order.
    Raft,
    /// Requests, each by itself.
    Requests,
    /// Pieces of files: much, and never urgent.
    Files,
}

impl Lane {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Raft, Self::Requests, Self::Files];

    /// Its name in logs and metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Raft => "raft",
            Self::Requests => "requests",
            Self::Files => "files",
        }
    }
}

impl MessageKind {
    const ALL: [Self; 13] = [
        Self::Append,
        Self::Vote,
        Self::PreVote,
        Self::Transfer,
        Self::SnapshotPiece,
        Self::SnapshotInstall,
        Self::Control,
        Self::Propose,
        Self::ReadIndex,
        Self::Catalog,
        Self::Files,
        Self::SnapshotOffer,
        Self::Query,
    ];

    /// The lane that messages of this kind go by.
    #[must_use]
    pub const fn lane(self) -> Lane {
        match self {
            Self::Append | Self::Vote | Self::PreVote | Self::Transfer => Lane::Raft,
            Self::SnapshotOffer | Self::SnapshotPiece | Self::SnapshotInstall | Self::Files => {
                Lane::Files
            }
            Self::Control | Self::Propose | Self::ReadIndex | Self::Catalog | Self::Query => {
                Lane::Requests
            }
        }
    }
}

impl PeerMessage {
    /// What `to` is in a message to a node.
    pub const NODE: ReplicaId = ReplicaId(0);

    /// A message about a group to a node, whatever replica of the group it has.
    #[must_use]
    pub const fn to_node(kind: MessageKind, group: GroupId, body: Bytes) -> Self {
        Self { group, to: Self::NODE, kind, body }
    }

    /// All but the body, as bytes.
    #[must_use]
    pub fn head(&self) -> Bytes {
        let mut writer = Writer::with_capacity(VERSION, 20);
        writer.u8(self.kind as u8);
        writer.u64(self.group.get());
        writer.u64(self.to.get());
        writer.finish()
    }

    /// The message of this head and body.
    ///
    /// # Errors
    ///
    /// [`CodecError`] when the head is none that this version knows.
    pub fn from_parts(head: Bytes, body: Bytes) -> Result<Self, CodecError> {
        let mut reader = Reader::new("peer message", VERSION, head)?;
        let number = reader.u8()?;
        let kind = MessageKind::ALL.into_iter().find(|kind| *kind as u8 == number);
        let kind = kind.ok_or_else(|| reader.impossible("kind"))?;
        let (group, to) = (GroupId::from_number(reader.u64()?), ReplicaId(reader.u64()?));
        reader.end()?;
        Ok(Self { group, to, kind, body })
    }
}
