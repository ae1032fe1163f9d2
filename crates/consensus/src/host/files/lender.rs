//! A node that has files of a shard, as one that asks for them sees it.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use tokio::time::timeout;
use varve_env::Blocking;
use varve_types::{GroupId, NodeId, ShardId};

use crate::errors::ShardError;
use crate::machine::{FileCard, Incoming};
use crate::network::{
    FilesRefusal, FilesReply, FilesRequest, Listing, MessageKind, PeerError, PeerMessage,
    PeerTransport,
};
use crate::upkeep::Pace;

/// How long a node may take to answer one question about files.
const ANSWER_LIMIT: Duration = Duration::from_secs(30);
/// So many pieces are on their way at once.
const PIECES_IN_FLIGHT: usize = 4;

/// Why a copy did not come to be. What came of it is kept.
#[derive(Debug, thiserror::Error)]
pub(in crate::host) enum CopyError {
    #[error(transparent)]
    Peer(#[from] PeerError),
    #[error("it did not answer within {0:?}")]
    Silent(Duration),
    #[error(transparent)]
    Refused(#[from] FilesRefusal),
    #[error("it answered {0}")]
    Nonsense(String),
    #[error("what it holds is not what the catalog says: {0}")]
    Differs(String),
    #[error("its segments are cut, or were merged, otherwise")]
    OtherCuts,
    #[error("{free} bytes are free on this disk, {keep} are kept and {needed} are needed")]
    NoRoom { free: u64, keep: u64, needed: u64 },
    #[error("this disk refused: {0}")]
    Disk(#[from] io::Error),
    #[error("the copy does not open: {0}")]
    Open(#[from] ShardError),
}

/// Who is asked, for what, and how fast it may come.
pub(in crate::host) struct Lender<'a> {
    pub(in crate::host) transport: &'a dyn PeerTransport,
    pub(in crate::host) blocking: &'a Blocking,
    pub(in crate::host) pace: &'a Pace,
    pub(in crate::host) shard: ShardId,
    pub(in crate::host) node: NodeId,
}

impl Lender<'_> {
    async fn ask(&self, request: FilesRequest) -> Result<FilesReply, CopyError> {
        let (kind, group) = (MessageKind::Files, GroupId::shard(self.shard));
        let message = PeerMessage::to_node(kind, group, request.encode());
        let sent = timeout(ANSWER_LIMIT, self.transport.send(self.node, message)).await;
        let reply = sent.map_err(|_| CopyError::Silent(ANSWER_LIMIT))??;
        let reply = FilesReply::decode(reply);
        match reply.map_err(|error| CopyError::Nonsense(error.to_string()))? {
            FilesReply::Refused(refusal) => Err(refusal.into()),
            reply => Ok(reply),
        }
    }

    /// Which files there are.
    pub(in crate::host) async fn listing(&self) -> Result<Listing, CopyError> {
        match self.ask(FilesRequest::Listing).await? {
            FilesReply::Listing(listing) => Ok(listing),
            reply => Err(CopyError::Nonsense(format!("{reply:?}"))),
        }
    }

    /// Brings one file, of which so many bytes are here; whole and durable on return. `came` is
    /// told of each piece.
    pub(in crate::host) async fn fetch(
        &self,
        incoming: &Incoming,
        card: &FileCard,
        held: u64,
        came: impl Fn(u64),
    ) -> Result<(), CopyError> {
        let step = u64::from(FilesRequest::PIECE_BYTES_MAX);
        let offsets = std::iter::successors(Some(held), |at| Some(at + step));
        let offsets = offsets.take_while(|at| *at < card.bytes);
        let pieces = futures::stream::iter(offsets).map(|offset| {
            let bytes = u32::try_from(step.min(card.bytes - offset)).unwrap_or(0);
            let request = FilesRequest::Piece { name: card.name.clone(), offset, bytes };
            async move {
                self.pace.take(u64::from(bytes)).await;
                match self.ask(request).await? {
                    FilesReply::Piece(piece) if piece.len() == bytes as usize => {
                        Ok((offset, piece))
                    }
                    reply => Err(CopyError::Nonsense(format!("{reply:?}"))),
                }
            }
        });
        let came = &came;
        pieces
            .buffered(PIECES_IN_FLIGHT)
            .try_for_each(|(offset, piece): (u64, Bytes)| async move {
                let (incoming, card, bytes) = (incoming.clone(), card.clone(), piece.len() as u64);
                let written = move || incoming.write(&card, offset, &piece);
                self.blocking.run(written).await?;
                came(bytes);
                Ok::<_, CopyError>(())
            })
            .await?;
        let (incoming, card) = (incoming.clone(), card.clone());
        Ok(self.blocking.run(move || incoming.verify(&card)).await?)
    }
}
