//! Answering what peers send.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::timeout;
use varve_shard::{Command, Outcome};
use varve_types::{GroupId, NodeId, ShardId};

use super::local::{Local, Replica};
use super::{Host, Inner};
use crate::catalog::{ShardEntry, ShardState};
use crate::codec::{self, CodecError};
use crate::group::Group;
use crate::network::{
    FilesRequest, MessageKind, PeerMessage, SnapshotInstall, SnapshotOffer, SnapshotPiece,
};
use crate::raft_types::Reply;
use crate::rollover::{ControlReply, ControlRequest};

/// How long a vote waits for the replica that it is asked of: half of what the candidate does.
const START_LIMIT: Duration = Duration::from_millis(500);

/// Why a peer's message gets no reply. The transport carries the text back.
#[derive(Debug, thiserror::Error)]
pub enum ReceiveError {
    /// It is no message of a version known here.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// There is no such replica here, or no longer.
    #[error("{0} has no replica of that number here")]
    NotHere(GroupId),
    /// It is for another part of the node than its groups.
    #[error("the groups of a node do not answer messages of kind {0:?}")]
    NotForGroups(MessageKind),
    /// The disk is full.
    #[error("the disk of the write-ahead log is full")]
    DiskFull,
    /// More is in memory than may be: it is being written out.
    #[error("more is in memory here than may be; it is being written out")]
    TailsFull,
    /// A snapshot could not be stored.
    #[error("storing a snapshot of {group} failed: {why}")]
    Snapshot {
        /// Which group.
        group: GroupId,
        /// What went wrong.
        why: String,
    },
    /// The group did not answer.
    #[error("{0}")]
    Group(String),
}

fn stopped(error: impl std::fmt::Display) -> ReceiveError {
    ReceiveError::Group(format!("{error}"))
}

impl Host {
    /// Answers a message of a peer. What `from` says must have been checked: it is who sent it.
    ///
    /// # Errors
    ///
    /// Says why there is no reply; a transport hands the text to the sender.
    pub async fn receive(&self, from: NodeId, message: PeerMessage) -> Result<Bytes, ReceiveError> {
        self.inner().receive(from, message).await
    }
}

impl Inner {
    async fn receive(&self, _from: NodeId, message: PeerMessage) -> Result<Bytes, ReceiveError> {
        if message.kind == MessageKind::ReadIndex {
            return self.answer_read_index(message.body).await;
        }
        if message.kind == MessageKind::Catalog {
            return self.answer_metadata(message.body).await;
        }
        if let (MessageKind::Propose, Some(shard)) = (message.kind, message.group.as_shard()) {
            return Ok(self.answer_proposal(shard, message.body).await);
        }
        if let (MessageKind::Files, Some(shard)) = (message.kind, message.group.as_shard()) {
            let request = FilesRequest::decode(message.body)?;
            return Ok(self.answer_files(shard, request).await.encode());
        }
        let Some(shard) = message.group.as_shard() else {
            let group = self.catalog_group().ok_or(ReceiveError::NotHere(message.group))?;
            return self.receive_for(&group, message).await;
        };
        let replica = match message.kind {
            MessageKind::Vote | MessageKind::PreVote => self.awaited_replica(shard).await,
            _ => self.replica(shard),
        };
        match replica {
            Some(replica) => self.receive_for(&replica.group, message).await,
            None => Err(ReceiveError::NotHere(message.group)),
        }
    }

    /// The replica of a shard, after a while if it is still to be started: who founds a group asks
    /// for votes at once, and in vain asks for them again an election's timeout later.
    async fn awaited_replica(&self, shard: ShardId) -> Option<Arc<Replica>> {
        let arrival = async {
            loop {
                let mut arrived = pin!(self.arrived.notified());
                arrived.as_mut().enable();
                match self.local(shard) {
                    None if self.is_to_start(shard) => arrived.await,
                    local => return local.as_ref().and_then(Local::running),
                }
            }
        };
        timeout(START_LIMIT, arrival).await.ok().flatten()
    }

    /// Whether a shard is to have a replica here, or is not known here yet.
    fn is_to_start(&self, shard: ShardId) -> bool {
        let catalog = self.catalog();
        match catalog.shards.get(&shard) {
            Some(ShardEntry { state: ShardState::Closed(_), .. }) => false,
            Some(entry) => entry.replica_on(self.node).is_some(),
            None => catalog.next.shard < shard.get(),
        }
    }

    async fn receive_for(
        &self,
        group: &Group,
        message: PeerMessage,
    ) -> Result<Bytes, ReceiveError> {
        if message.to != PeerMessage::NODE && message.to != group.replica {
            return Err(ReceiveError::NotHere(message.group));
        }
        let raft = &group.raft;
        match message.kind {
            MessageKind::Append => {
                let request = codec::decode_append(message.body)?;
                if !request.entries.is_empty() && self.wal.is_full() {
                    return Err(ReceiveError::DiskFull);
                }
                if !request.entries.is_empty() && self.upkeep.tails.is_full() {
                    self.relieve_tails();
                    return Err(ReceiveError::TailsFull);
                }
                if !request.entries.is_empty() {
                    self.upkeep.activity.note();
                }
                let reply = raft.append_entries(request).await.map_err(stopped)?;
                Ok(codec::encode_append_reply(&reply))
            }
            MessageKind::Vote => {
                let request = codec::decode_vote_request(message.body)?;
                let reply = raft.vote(request).await.map_err(stopped)?;
                Ok(codec::encode_vote_reply(&reply))
            }
            MessageKind::PreVote => {
                let request = codec::decode_vote_request(message.body)?;
                let reply = raft.pre_vote(request).await.map_err(stopped)?;
                Ok(codec::encode_vote_reply(&reply))
            }
            MessageKind::Transfer => {
                let request = codec::decode_transfer(message.body)?;
                let reply = raft.handle_transfer_leader(request).await.map_err(stopped)?;
                Ok(codec::encode_transfer_reply(&reply))
            }
            MessageKind::SnapshotOffer => {
                let offer = SnapshotOffer::decode(message.body)?;
                Ok(self.consider(group.id, offer).await?.encode())
            }
            MessageKind::SnapshotPiece => {
                let piece = SnapshotPiece::decode(message.body)?;
                self.store_piece(group.id, piece).await?;
                Ok(Bytes::new())
            }
            MessageKind::SnapshotInstall => {
                let install = SnapshotInstall::decode(message.body)?;
                self.install(group.id, raft, install).await
            }
            MessageKind::Control => {
                let request = ControlRequest::decode(message.body)?;
                Ok(self.control(group, request).await?.encode())
            }
            MessageKind::Propose
            | MessageKind::ReadIndex
            | MessageKind::Catalog
            | MessageKind::Files
            | MessageKind::Query => Err(ReceiveError::NotForGroups(message.kind)),
        }
    }

    /// Answers the driver of rollovers, wherever it runs.
    pub(crate) async fn control(
        &self,
        group: &Group,
        request: ControlRequest,
    ) -> Result<ControlReply, ReceiveError> {
        match request {
            ControlRequest::Propose(command) => {
                Command::decode(&command).map_err(stopped)?;
                let proposed = group.propose(command, self.settings.propose_limit).await;
                match proposed.map_err(stopped)? {
                    (_, Reply::Shard(outcome)) => Ok(ControlReply::Proposed(outcome)),
                    (_, reply) => Err(stopped(format!("{} answered {reply:?}", group.id))),
                }
            }
            ControlRequest::ExportDedup => {
                let replica = group.id.as_shard().and_then(|shard| self.replica(shard));
                let replica = replica.ok_or(ReceiveError::NotHere(group.id))?;
                let shard = replica.home.shard();
                match shard.phase() {
                    varve_shard::Phase::Sealed { .. } => {
                        Ok(ControlReply::Dedup(shard.export_dedup()))
                    }
                    phase => Err(stopped(format!("{} is not sealed but {phase:?}", group.id))),
                }
            }
            ControlRequest::HandOver(to) => {
                group.hand_over(to).await.map_err(stopped)?;
                Ok(ControlReply::Done)
            }
        }
    }
}

/// Whether an outcome says that a command of the driver took effect, now or before.
pub(crate) const fn took_effect(outcome: &Outcome) -> bool {
    matches!(
        outcome,
        Outcome::Sealed
            | Outcome::Inherited
            | Outcome::Rejected(varve_shard::Rejection::Sealed { .. })
    )
}
