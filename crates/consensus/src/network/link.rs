//! openraft's network over a [`PeerTransport`].

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::Stream;
use openraft::base::{BoxFuture, BoxStream};
use openraft::errors::{
    NetworkError, RPCError, ReplicationClosed, StreamingError, Timeout, Unreachable,
};
use openraft::network::{RPCOption, RPCTypes, RaftNetworkFactory, RaftNetworkV2};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, StreamAppendResult,
    TransferLeaderRequest, TransferLeaderResponse, VoteRequest, VoteResponse,
};
use varve_types::{GroupId, NodeId, ReplicaId};

use super::pipeline::pipelined;
use super::send_snapshot::send_snapshot;
use super::{MessageKind, PeerError, PeerMessage, PeerTransport};
use crate::codec::{
    self, CodecError, decode_append_reply, decode_transfer_reply, decode_vote_reply,
};
use crate::machine::SnapshotContent;
use crate::raft_types::{CommittedLeader, Place, Types, Vote};
use crate::upkeep::Pace;

type AppendAnswers<'s> = BoxStream<'s, Result<StreamAppendResult<Types>, RPCError<Types>>>;
type Snapshot = openraft::Snapshot<CommittedLeader, u64, Place, SnapshotContent>;

/// Makes the links of one replica to its peers.
#[derive(Clone)]
pub(crate) struct Links {
    pub(crate) group: GroupId,
    pub(crate) from: ReplicaId,
    pub(crate) transport: Arc<dyn PeerTransport>,
    /// How fast files may be sent.
    pub(crate) pace: Arc<Pace>,
}

/// The way to one peer.
#[derive(Clone)]
pub(crate) struct Link {
    links: Links,
    to: ReplicaId,
    node: NodeId,
}

impl RaftNetworkFactory<Types> for Links {
    type Network = Link;

    async fn new_client(&mut self, target: u64, node: &Place) -> Link {
        Link::new(self.clone(), ReplicaId(target), node.0)
    }
}

impl Link {
    pub(super) const fn new(links: Links, to: ReplicaId, node: NodeId) -> Self {
        Self { links, to, node }
    }

    /// Sends a message, and waits for as long as the reply takes.
    pub(super) async fn exchange(
        &self,
        kind: MessageKind,
        body: Bytes,
    ) -> Result<Bytes, RPCError<Types>> {
        let message = PeerMessage { group: self.links.group, to: self.to, kind, body };
        // openraft waits before it tries an unreachable peer again.
        let failed = |error: PeerError| RPCError::Unreachable(Unreachable::new(&error));
        self.links.transport.send(self.node, message).await.map_err(failed)
    }

    pub(super) async fn call<T>(
        &self,
        kind: MessageKind,
        body: Bytes,
        limit: Duration,
        decode: impl FnOnce(Bytes) -> Result<T, CodecError>,
    ) -> Result<T, RPCError<Types>> {
        let sent = tokio::time::timeout(limit, self.exchange(kind, body)).await;
        let reply = sent.map_err(|_| self.timeout(rpc_of(kind), limit))??;
        decode(reply).map_err(|error| RPCError::Network(NetworkError::new(&error)))
    }

    pub(super) fn append_timeout(&self, limit: Duration) -> RPCError<Types> {
        self.timeout(RPCTypes::AppendEntries, limit)
    }

    const fn timeout(&self, action: RPCTypes, timeout: Duration) -> RPCError<Types> {
        let (id, target) = (self.links.from.get(), self.to.get());
        RPCError::Timeout(Timeout { action, id, target, timeout })
    }
}

const fn rpc_of(kind: MessageKind) -> RPCTypes {
    match kind {
        MessageKind::Vote | MessageKind::PreVote => RPCTypes::Vote,
        MessageKind::Transfer => RPCTypes::TransferLeader,
        MessageKind::SnapshotOffer | MessageKind::SnapshotPiece | MessageKind::SnapshotInstall => {
            RPCTypes::InstallSnapshot
        }
        _ => RPCTypes::AppendEntries,
    }
}

impl RaftNetworkV2<Types> for Link {
    type SnapshotData = SnapshotContent;

    async fn append_entries(
        &mut self,
        rpc: AppendEntriesRequest<Types>,
        option: RPCOption,
    ) -> Result<AppendEntriesResponse<Types>, RPCError<Types>> {
        let body = codec::encode_append(&rpc);
        self.call(MessageKind::Append, body, option.hard_ttl(), decode_append_reply).await
    }

    fn stream_append<'s, S>(
        &'s mut self,
        input: S,
        _option: RPCOption,
    ) -> BoxFuture<'s, Result<AppendAnswers<'s>, RPCError<Types>>>
    where
        S: Stream<Item = AppendEntriesRequest<Types>> + Send + Unpin + 'static,
    {
        let answers: AppendAnswers<'s> = Box::pin(pipelined(self.clone(), input));
        Box::pin(std::future::ready(Ok(answers)))
    }

    async fn vote(
        &mut self,
        rpc: VoteRequest<Types>,
        option: RPCOption,
    ) -> Result<VoteResponse<Types>, RPCError<Types>> {
        let body = codec::encode_vote_request(&rpc);
        self.call(MessageKind::Vote, body, option.hard_ttl(), decode_vote_reply).await
    }

    async fn pre_vote(
        &mut self,
        rpc: VoteRequest<Types>,
        option: RPCOption,
    ) -> Result<VoteResponse<Types>, RPCError<Types>> {
        let body = codec::encode_vote_request(&rpc);
        self.call(MessageKind::PreVote, body, option.hard_ttl(), decode_vote_reply).await
    }

    async fn full_snapshot(
        &mut self,
        vote: Vote,
        snapshot: Snapshot,
        cancel: impl Future<Output = ReplicationClosed> + Send + 'static,
        option: RPCOption,
    ) -> Result<SnapshotResponse<Types>, StreamingError<Types>> {
        tokio::select! {
            biased;
            closed = cancel => Err(StreamingError::Closed(closed)),
            sent = send_snapshot(self, &self.links.pace, vote, &snapshot, option.hard_ttl()) => sent,
        }
    }

    async fn transfer_leader(
        &mut self,
        req: TransferLeaderRequest<Types>,
        option: RPCOption,
    ) -> Result<TransferLeaderResponse<Types>, RPCError<Types>> {
        let body = codec::encode_transfer(&req);
        self.call(MessageKind::Transfer, body, option.hard_ttl(), decode_transfer_reply).await
    }
}
