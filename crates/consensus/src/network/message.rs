//! The envelope of everything that goes between two nodes.
//!
//! ```text
//! message = version u8, kind u8, group u64, replica u64, body to the end
//! ```

use bytes::Bytes;
use varve_types::{GroupId, ReplicaId};

use crate::codec::{CodecError, Reader, Writer};

const VERSION: u8 = 1;

/// One message to a replica.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerMessage {
    /// The group it is about.
    pub group: GroupId,
    /// The replica it is for: a wiped disk that came back under another does not answer.
    pub to: ReplicaId,
    /// What it is.
    pub kind: MessageKind,
    /// Its bytes, at most a few MiB.
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
}

impl MessageKind {
    const ALL: [Self; 7] = [
        Self::Append,
        Self::Vote,
        Self::PreVote,
        Self::Transfer,
        Self::SnapshotPiece,
        Self::SnapshotInstall,
        Self::Control,
    ];
}

impl PeerMessage {
    /// The message as bytes, for a transport.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        let mut writer = Writer::with_capacity(VERSION, self.body.len() + 20);
        writer.u8(self.kind as u8);
        writer.u64(self.group.get());
        writer.u64(self.to.get());
        writer.raw(&self.body);
        writer.finish()
    }

    /// The message in these bytes; its body shares them.
    ///
    /// # Errors
    ///
    /// [`CodecError`] when they are no message that this version knows.
    pub fn decode(bytes: Bytes) -> Result<Self, CodecError> {
        let mut reader = Reader::new("peer message", VERSION, bytes)?;
        let number = reader.u8()?;
        let kind = MessageKind::ALL.into_iter().find(|kind| *kind as u8 == number);
        Ok(Self {
            kind: kind.ok_or_else(|| reader.impossible("kind"))?,
            group: GroupId::from_number(reader.u64()?),
            to: ReplicaId(reader.u64()?),
            body: reader.rest(),
        })
    }
}
