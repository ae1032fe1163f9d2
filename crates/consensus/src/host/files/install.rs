//! Receiving a snapshot: saying what is here already, storing what is sent, and installing it.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use varve_env::{Blocking, Disk};
use varve_types::GroupId;

use crate::codec;
use crate::group::Raft;
use crate::host::{Inner, ReceiveError};
use crate::machine::{FileCard, Incoming, SnapshotContent, SnapshotFile};
use crate::network::{SnapshotHeld, SnapshotInstall, SnapshotOffer, SnapshotPiece};
use crate::raft_types::SnapshotMeta;

impl Inner {
    fn incoming(&self, group: GroupId) -> Result<Incoming, ReceiveError> {
        match group.as_shard() {
            None => Ok(Incoming::new(Arc::clone(&self.env.disk), &self.catalog_dir())),
            Some(shard) => {
                let replica = self.replica(shard).ok_or(ReceiveError::NotHere(group))?;
                Ok(replica.home.copies().incoming())
            }
        }
    }

    fn catalog_dir(&self) -> PathBuf {
        self.dir.join("catalog")
    }

    /// The folder whose files may be the ones that are offered.
    fn has_already(&self, group: GroupId) -> Option<(PathBuf, Vec<FileCard>)> {
        let home = self.replica(group.as_shard()?)?;
        let shard = home.home.shard();
        let cards = shard.manifest().map(|manifest| crate::machine::cards(manifest));
        Some((shard.dir().to_owned(), cards?))
    }

    /// Answers how much of the files is here. What the replica has already is not sent again.
    pub(in crate::host) async fn consider(
        &self,
        group: GroupId,
        offer: SnapshotOffer,
    ) -> Result<SnapshotHeld, ReceiveError> {
        let incoming = self.incoming(group)?;
        let already = self.has_already(group);
        let look = move || {
            let held = |file: &FileCard| {
                if let Some((dir, cards)) = &already
                    && cards.contains(file)
                    && incoming.held(file)? < file.bytes
                {
                    incoming.copy_from(dir, file)?;
                }
                incoming.held(file)
            };
            offer.files.iter().map(held).collect::<io::Result<Vec<u64>>>()
        };
        let bytes = self.env.blocking.run(look).await;
        Ok(SnapshotHeld { bytes: bytes.map_err(|error| failed(group, &error))? })
    }

    pub(in crate::host) async fn store_piece(
        &self,
        group: GroupId,
        piece: SnapshotPiece,
    ) -> Result<(), ReceiveError> {
        let incoming = self.incoming(group)?;
        let store = move || incoming.write(&piece.file, piece.offset, &piece.bytes);
        let stored = self.env.blocking.run(store).await;
        stored.map_err(|error| failed(group, &error))
    }

    pub(in crate::host) async fn install(
        &self,
        group: GroupId,
        raft: &Raft,
        install: SnapshotInstall,
    ) -> Result<Bytes, ReceiveError> {
        let incoming = self.incoming(group)?;
        let replica = group.as_shard().and_then(|shard| self.replica(shard));
        let _alone = match &replica {
            Some(replica) => Some(replica.installing.lock().await),
            None => None,
        };
        let (disk, blocking) = (Arc::clone(&self.env.disk), self.env.blocking.clone());
        let (files, come) = (install.files, incoming.clone());
        let verify = move || verified(&*disk, &blocking, &come, files);
        let content = self.env.blocking.run(verify).await;
        let content = content.map_err(|error| failed(group, &error))?;
        let meta = SnapshotMeta {
            last_log_id: install.position.last,
            last_membership: install.position.membership,
        };
        let snapshot = openraft::Snapshot { meta, snapshot: content };
        let reply = raft.install_full_snapshot(install.vote, snapshot).await;
        let reply = reply.map_err(|error| ReceiveError::Group(error.to_string()))?;
        // What cannot be removed now is at the next start.
        let _ = self.env.blocking.run(move || incoming.clear()).await;
        Ok(codec::encode_vote(&reply.vote))
    }
}

fn failed(group: GroupId, error: &io::Error) -> ReceiveError {
    ReceiveError::Snapshot { group, why: error.to_string() }
}

/// The received files, when they are whole; durable then. Blocks.
fn verified(
    disk: &dyn Disk,
    blocking: &Blocking,
    incoming: &Incoming,
    files: Vec<FileCard>,
) -> io::Result<SnapshotContent> {
    let verified = |card: FileCard| {
        incoming.verify(&card)?;
        SnapshotFile::on_disk(disk, blocking, &incoming.path(&card), card)
    };
    let content = files.into_iter().map(verified).collect::<io::Result<_>>()?;
    Ok(SnapshotContent::of_peer(content))
}
