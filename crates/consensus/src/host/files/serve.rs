//! Answering other nodes about the files of a shard that is here.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use varve_env::OpenMode;
use varve_types::ShardId;

use crate::host::Inner;
use crate::host::local::Local;
use crate::machine::{MANIFEST, ShardHome, cards, files_digest, framed};
use crate::network::{FilesRefusal, FilesReply, FilesRequest, Listing};

impl Inner {
    /// Answers a question about a shard's files.
    pub(in crate::host) async fn answer_files(
        &self,
        shard: ShardId,
        request: FilesRequest,
    ) -> FilesReply {
        let answered = match request {
            FilesRequest::Listing => self.list_files(shard).await.map(FilesReply::Listing),
            FilesRequest::Piece { name, offset, bytes } => {
                self.read_piece(shard, name, offset, bytes).await.map(FilesReply::Piece)
            }
            FilesRequest::Recent => {
                self.served(shard).map(|home| FilesReply::Recent(home.recent()))
            }
            FilesRequest::ReadAgain => self.read_again(shard).await.map(FilesReply::ReadAgain),
        };
        answered.unwrap_or_else(FilesReply::Refused)
    }

    /// The home of a shard that is served here.
    pub(super) fn served(&self, shard: ShardId) -> Result<Arc<ShardHome>, FilesRefusal> {
        match self.local(shard) {
            Some(Local::Running(replica)) => Ok(Arc::clone(&replica.home)),
            Some(Local::Closed(home)) => Ok(home),
            Some(Local::Refused(error)) => Err(FilesRefusal::NotHere(error.to_string())),
            None => Err(FilesRefusal::NotHere("it holds nothing of the shard".to_owned())),
        }
    }

    async fn list_files(&self, shard: ShardId) -> Result<Listing, FilesRefusal> {
        let home = self.served(shard)?;
        // The manifest's file and the manifest in memory are one between two flushes.
        let _between_flushes = home.between_flushes().await;
        let (dir, manifest) = {
            let shard = home.shard();
            (shard.dir().to_owned(), shard.manifest().cloned())
        };
        let nothing = || FilesRefusal::NotHere("nothing of it is written out yet".to_owned());
        let manifest = manifest.ok_or_else(nothing)?;
        let disk = Arc::clone(&self.env.disk);
        let read = self.env.blocking.run(move || framed::read(&*disk, &dir.join(MANIFEST))).await;
        let bytes = read.map_err(|error| refused(&error))?.ok_or_else(nothing)?;
        Ok(Listing {
            rows: manifest.rows,
            digest: manifest.digest,
            files: files_digest(&manifest),
            manifest: bytes,
            cards: cards(&manifest),
        })
    }

    async fn read_piece(
        &self,
        shard: ShardId,
        name: String,
        offset: u64,
        bytes: u32,
    ) -> Result<Bytes, FilesRefusal> {
        let home = self.served(shard)?;
        let (dir, card) = {
            let shard = home.shard();
            let manifest = shard.manifest().ok_or(FilesRefusal::Gone)?;
            let card = cards(manifest).into_iter().find(|card| card.name == name);
            (shard.dir().to_owned(), card.ok_or(FilesRefusal::Gone)?)
        };
        let end = offset.checked_add(u64::from(bytes));
        if end.is_none_or(|end| end > card.bytes) {
            return Err(FilesRefusal::Disk(format!("{name} ends before byte {end:?}")));
        }
        let disk = Arc::clone(&self.env.disk);
        let read = move || {
            let mut piece = vec![0; bytes as usize];
            let file = disk.open(&dir.join(name), OpenMode::Read)?;
            file.read_exact_at(&mut piece, offset)?;
            Ok(Bytes::from(piece))
        };
        self.env.blocking.run(read).await.map_err(|error| refused(&error))
    }
}

fn refused(error: &io::Error) -> FilesRefusal {
    match error.kind() {
        io::ErrorKind::NotFound => FilesRefusal::Gone,
        _ => FilesRefusal::Disk(error.to_string()),
    }
}
