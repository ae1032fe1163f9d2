//! Copying one closed shard from one node that holds it.
//!
//! Only files that are missing come: those of a copy that lies here already, and what came before
//! a connection broke, stay. Nothing counts before every file has its checksum, the shard opens,
//! and it is what the catalog says.

use std::io;
use std::sync::Arc;

use varve_shard::{Origin, Shard};
use varve_types::{ContentDigest, NodeId, ShardId};

use super::lender::{CopyError, Lender};
use crate::catalog::FilesDigest;
use crate::errors::ShardError;
use crate::host::Inner;
use crate::host::local::Local;
use crate::machine::{Copies, FileCard, MANIFEST, files_digest};
use crate::network::Listing;

/// What a copy has to be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted {
    pub(super) rows: u64,
    pub(super) digest: ContentDigest,
    /// The very files, where it matters which.
    pub(super) files: Option<FilesDigest>,
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
        let lender = self.lender(shard, from);
        let Listing { rows, digest, files, manifest, cards } = lender.listing().await?;
        wanted.require(rows, digest, files).map_err(CopyError::Differs)?;
        let copies = Copies::new(Arc::clone(&self.env.disk), self.root(shard));
        let incoming = copies.incoming();
        let missing = self.reuse(&copies, cards.clone()).await?;
        self.upkeep.repairs.expect(missing.iter().map(|(card, held)| card.bytes - held).sum());
        self.require_room_for(&cards).await?;
        for (card, held) in missing {
            let count = |bytes| self.upkeep.repairs.count_bytes(bytes);
            lender.fetch(&incoming, &card, held, count).await?;
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

    /// A node that is asked for files of a shard.
    pub(super) fn lender(&self, shard: ShardId, node: NodeId) -> Lender<'_> {
        Lender {
            transport: &*self.transport,
            blocking: &self.env.blocking,
            pace: &self.upkeep.copying,
            shard,
            node,
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
