//! Copying one closed shard from one node that holds it.
//!
//! Only files that are missing come: those of a copy that lies here already, and what came before
//! a connection broke, stay. Nothing counts before every file has its checksum, the shard opens,
//! and it is what the catalog says.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use tokio::time::timeout;
use varve_shard::{Origin, Shard};
use varve_types::{ContentDigest, GroupId, NodeId, ShardId};

use crate::catalog::FilesDigest;
use crate::errors::ShardError;
use crate::host::Inner;
use crate::host::local::Local;
use crate::machine::{Copies, FileCard, Incoming, MANIFEST, files_digest};
use crate::network::{
    FilesRefusal, FilesReply, FilesRequest, Listing, MessageKind, PeerError, PeerMessage,
};

/// How long a node may take to answer one question about files.
const ANSWER_LIMIT: Duration = Duration::from_secs(30);
/// So many pieces are on their way at once.
const PIECES_IN_FLIGHT: usize = 4;

/// What a copy has to be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted {
    pub(super) rows: u64,
    pub(super) digest: ContentDigest,
    /// The very files, where it matters which.
    pub(super) files: Option<FilesDigest>,
}

/// Why a copy did not come to be. What came of it is kept.
#[derive(Debug, thiserror::Error)]
pub(super) enum CopyError {
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
    #[error("{free} bytes are free on this disk, {keep} are kept and {needed} are needed")]
    NoRoom { free: u64, keep: u64, needed: u64 },
    #[error("this disk refused: {0}")]
    Disk(#[from] io::Error),
    #[error("the copy does not open: {0}")]
    Open(#[from] ShardError),
}

impl Wanted {
    fn require(&self, rows: u64, digest: ContentDigest, files: FilesDigest) -> Result<(), String> {
        if (rows, digest) != (self.rows, self.digest) {
            let (wanted_rows, wanted) = (self.rows, self.digest);
            return Err(format!("{rows} rows of {digest} instead of {wanted_rows} of {wanted}"));
        }
        match self.files {
            Some(wanted) if wanted != files => Err(format!("files {files} instead of {wanted}")),
            _ => Ok(()),
        }
    }

    fn require_of(&self, shard: &Shard) -> io::Result<()> {
        let sealed = shard.closed().and_then(|closed| {
            let files = files_digest(shard.manifest()?);
            Some(self.require(closed.rows, closed.digest, files))
        });
        let sealed = sealed.unwrap_or_else(|| Err("it is not sealed".to_owned()));
        sealed.map_err(|what| io::Error::new(io::ErrorKind::InvalidData, what))
    }
}

impl Inner {
    /// Copies a shard from a node and serves it from then on.
    pub(super) async fn copy_shard(
        &self,
        shard: ShardId,
        from: NodeId,
        wanted: Wanted,
    ) -> Result<(), CopyError> {
        let listing = match self.ask_files(shard, from, FilesRequest::Listing).await? {
            FilesReply::Listing(listing) => listing,
            reply => return Err(CopyError::Nonsense(format!("{reply:?}"))),
        };
        let Listing { rows, digest, files, manifest, cards } = listing;
        wanted.require(rows, digest, files).map_err(CopyError::Differs)?;
        let copies = Copies::new(Arc::clone(&self.env.disk), self.root(shard));
        let incoming = copies.incoming();
        let missing = self.reuse(&copies, cards.clone()).await?;
        self.upkeep.repairs.expect(missing.iter().map(|(card, held)| card.bytes - held).sum());
        self.require_room_for(&cards).await?;
        for (card, held) in missing {
            self.fetch_file(shard, from, &incoming, card, held).await?;
        }
        let manifest_card = FileCard::of(MANIFEST, &manifest);
        let (come, card) = (incoming.clone(), manifest_card.clone());
        let all = self.env.blocking.run(move || {
            come.write(&card, 0, &manifest)?;
            come.verify(&card)
        });
        all.await?;
        let mut files = cards;
        files.push(manifest_card);
        self.take_over(shard, copies, files, wanted).await
    }

    /// Asks a node about the files of a shard.
    pub(super) async fn ask_files(
        &self,
        shard: ShardId,
        node: NodeId,
        request: FilesRequest,
    ) -> Result<FilesReply, CopyError> {
        let (kind, group) = (MessageKind::Files, GroupId::shard(shard));
        let message = PeerMessage::to_node(kind, group, request.encode());
        let sent = timeout(ANSWER_LIMIT, self.transport.send(node, message)).await;
        let reply = sent.map_err(|_| CopyError::Silent(ANSWER_LIMIT))??;
        let reply = FilesReply::decode(reply);
        match reply.map_err(|error| CopyError::Nonsense(error.to_string()))? {
            FilesReply::Refused(refusal) => Err(refusal.into()),
            reply => Ok(reply),
        }
    }

    /// Takes what is needed of the copy that lies here, and answers the files that are not whole,
    /// with how much of each there is.
    async fn reuse(
        &self,
        copies: &Copies,
        cards: Vec<FileCard>,
    ) -> Result<Vec<(FileCard, u64)>, CopyError> {
        let copies = copies.clone();
        let look = move || {
            let (incoming, current) = (copies.incoming(), copies.current()?);
            let mut missing = Vec::new();
            for card in cards {
                if incoming.held(&card)? < card.bytes {
                    incoming.copy_from(&current, &card)?;
                }
                // One that is whole in length only comes again.
                if incoming.held(&card)? == card.bytes && incoming.verify(&card).is_ok() {
                    continue;
                }
                let held = incoming.held(&card)?;
                missing.push((card, held));
            }
            Ok(missing)
        };
        self.env.blocking.run(look).await.map_err(CopyError::Disk)
    }

    async fn require_room_for(&self, cards: &[FileCard]) -> Result<(), CopyError> {
        let (disk, dir) = (Arc::clone(&self.env.disk), self.dir.clone());
        let free = self.env.blocking.run(move || disk.free_bytes(&dir)).await?;
        let (keep, needed) = (self.settings.free_bytes_min, cards.iter().map(|c| c.bytes).sum());
        if free < keep.saturating_add(needed) {
            return Err(CopyError::NoRoom { free, keep, needed });
        }
        Ok(())
    }

    /// Fetches what is missing of one file.
    async fn fetch_file(
        &self,
        shard: ShardId,
        from: NodeId,
        incoming: &Incoming,
        card: FileCard,
        held: u64,
    ) -> Result<(), CopyError> {
        let step = u64::from(FilesRequest::PIECE_BYTES_MAX);
        let offsets = std::iter::successors(Some(held), |at| Some(at + step));
        let offsets = offsets.take_while(|at| *at < card.bytes);
        let pieces = futures::stream::iter(offsets).map(|offset| {
            let bytes = u32::try_from(step.min(card.bytes - offset)).unwrap_or(0);
            let request = FilesRequest::Piece { name: card.name.clone(), offset, bytes };
            async move {
                self.upkeep.copying.take(u64::from(bytes)).await;
                match self.ask_files(shard, from, request).await? {
                    FilesReply::Piece(piece) if piece.len() == bytes as usize => {
                        Ok((offset, piece))
                    }
                    reply => Err(CopyError::Nonsense(format!("{reply:?}"))),
                }
            }
        });
        let card = &card;
        pieces
            .buffered(PIECES_IN_FLIGHT)
            .try_for_each(|(offset, piece): (u64, Bytes)| async move {
                let (incoming, card, bytes) = (incoming.clone(), card.clone(), piece.len() as u64);
                let written = move || incoming.write(&card, offset, &piece);
                self.env.blocking.run(written).await?;
                self.upkeep.repairs.count_bytes(bytes);
                Ok(())
            })
            .await?;
        let (incoming, card) = (incoming.clone(), card.clone());
        Ok(self.env.blocking.run(move || incoming.verify(&card)).await?)
    }

    /// Makes verified files the shard's copy here, and serves it.
    async fn take_over(
        &self,
        shard: ShardId,
        copies: Copies,
        files: Vec<FileCard>,
        wanted: Wanted,
    ) -> Result<(), CopyError> {
        match self.local(shard) {
            Some(Local::Closed(home)) => {
                Ok(home.adopt(files, move |shard| wanted.require_of(shard)).await?)
            }
            local => {
                if let Some(Local::Running(replica)) = local {
                    replica.stop().await;
                    self.refuse(shard, ShardError::Behind(shard));
                }
                let (disk, options) = (Arc::clone(&self.env.disk), self.settings.shard.clone());
                let replace = move || {
                    let next = copies.next_of(&files)?;
                    let opened = Shard::open(disk, &next.dir(), shard, options, Origin::Successor);
                    wanted.require_of(&opened.map_err(io::Error::other)?)?;
                    next.count()
                };
                self.env.blocking.run(replace).await?;
                let home = self.open_home(shard, Origin::Successor).await?;
                self.keep(shard, Local::Closed(home));
                self.forget_log(shard).await;
                Ok(())
            }
        }
    }
}
