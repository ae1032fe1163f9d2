//! The metadata group's state machine: the catalog in memory, saved whole as a snapshot now and
//! then.
//!
//! What was applied after the last save is applied again from the log when the node starts.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use openraft::EntryPayload;
use tokio::sync::Mutex;
use tracing::warn;
use varve_env::Env;
use varve_types::LogIndex;

use super::{Incoming, SnapshotContent, SnapshotFile, framed};
use crate::catalog::{Catalog, CatalogCommand, CatalogFeed, Change};
use crate::codec::{CodecError, Position, Reader, Writer};
use crate::raft_types::{Entry, Payload, Reply, StoredMembership};

const VERSION: u8 = 1;
pub(crate) const MAGIC: [u8; 8] = *b"VARVECAT";
/// The file's name, in its folder and in snapshots.
const FILE: &str = "catalog";
/// After so long a disk that was full may have room again.
const ROOM_AGAIN: Duration = Duration::from_secs(1);

/// The catalog as applied.
pub(crate) struct CatalogMachine {
    catalog: Catalog,
    position: Position,
    feed: Arc<CatalogFeed>,
    store: Arc<Store>,
}

/// A copy of the catalog at one index, to be saved.
pub(crate) struct Snapshooter {
    position: Position,
    catalog: Bytes,
    store: Arc<Store>,
}

type Saved = (Position, SnapshotContent);

/// Where the catalog is saved.
struct Store {
    env: Env,
    path: PathBuf,
    /// What the file holds; held while it is written.
    writing: Mutex<()>,
    saved: std::sync::Mutex<Option<Saved>>,
}

impl CatalogMachine {
    /// Opens the catalog that is saved in a folder, or an empty one.
    pub(crate) async fn open(env: &Env, dir: PathBuf, feed: Arc<CatalogFeed>) -> io::Result<Self> {
        let path = dir.join(FILE);
        let (disk, shown) = (Arc::clone(&env.disk), path.clone());
        let read = move || {
            disk.create_dir_all(&dir)?;
            // A snapshot that a peer did not send to the end.
            Incoming::new(Arc::clone(&disk), &dir).clear()?;
            framed::read(&*disk, &shown)
        };
        let file = env.blocking.run(read).await?;
        let damaged = |what: &dyn std::fmt::Display| {
            let why = format!(
                "{} is damaged: {what}. Take this disk out and let the node join anew, or restore \
                 the file from a backup when it is the only node",
                path.display()
            );
            io::Error::new(io::ErrorKind::InvalidData, why)
        };
        let (position, catalog, saved) = match file {
            None => (Position::default(), Catalog::default(), None),
            Some(file) => {
                let bytes = framed::unframe(MAGIC, &file).map_err(|what| damaged(&what))?;
                let (position, catalog) = decode(bytes).map_err(|error| damaged(&error))?;
                let content = SnapshotContent::new(vec![SnapshotFile::in_memory(FILE, file)]);
                (position.clone(), catalog, Some((position, content)))
            }
        };
        let (writing, saved) = (Mutex::new(()), std::sync::Mutex::new(saved));
        let store = Arc::new(Store { env: env.clone(), path, writing, saved });
        feed.replace(&catalog);
        Ok(Self { catalog, position, feed, store })
    }

    pub(crate) const fn position(&self) -> &Position {
        &self.position
    }

    pub(crate) fn take(&mut self, entry: Entry) -> Reply {
        let index = LogIndex(entry.log_id.index());
        self.position.last = Some(entry.log_id);
        match entry.payload {
            EntryPayload::Blank => Reply::Nothing,
            EntryPayload::Membership(membership) => {
                self.position.membership = StoredMembership::new(Some(entry.log_id), membership);
                Reply::Nothing
            }
            EntryPayload::Normal(payload) => {
                match CatalogCommand::decode(payload.command.clone()) {
                    Ok(command) => {
                        let reply = self.catalog.apply(index, payload.stamp, &command);
                        let Payload { stamp, command } = payload;
                        self.feed.push(&self.catalog, Change { index, stamp, command });
                        Reply::Catalog(reply)
                    }
                    Err(error) => Reply::Unreadable(error.to_string()),
                }
            }
        }
    }

    pub(crate) fn snapshooter(&self) -> Snapshooter {
        Snapshooter {
            position: self.position.clone(),
            catalog: self.catalog.encode(),
            store: Arc::clone(&self.store),
        }
    }

    pub(crate) fn saved(&self) -> Option<Saved> {
        self.store.saved()
    }

    /// Takes over a peer's catalog.
    pub(crate) async fn install(
        &mut self,
        position: Position,
        content: &SnapshotContent,
    ) -> io::Result<()> {
        let found = content.files().iter().find(|file| file.card().name == FILE);
        let file = found.ok_or_else(|| invalid("a catalog snapshot without its file"))?;
        let bytes = usize::try_from(file.card().bytes).map_err(io::Error::other)?;
        let file = file.read(0, bytes).await?;
        let (held, catalog) = decode(framed::unframe(MAGIC, &file).map_err(invalid)?)?;
        if held != position {
            return Err(invalid("a catalog snapshot of another position than it claims"));
        }
        self.store.write(&position, file).await?;
        (self.position, self.catalog) = (position, catalog);
        self.feed.replace(&self.catalog);
        Ok(())
    }
}

fn invalid(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

pub(crate) fn decode(bytes: Bytes) -> Result<(Position, Catalog), CodecError> {
    let mut reader = Reader::new("saved catalog", VERSION, bytes)?;
    let position = Position::decode(reader.bytes()?)?;
    let catalog = Catalog::decode(reader.bytes()?)?;
    reader.end()?;
    Ok((position, catalog))
}

impl Snapshooter {
    /// Saves the copy, unless a newer one is saved already, and answers what is saved.
    pub(crate) async fn save(&self) -> io::Result<Saved> {
        let mut writer = Writer::with_capacity(VERSION, self.catalog.len() + 256);
        writer.bytes(&self.position.encode());
        writer.bytes(&self.catalog);
        let file = framed::frame(MAGIC, &writer.finish());
        self.store.write(&self.position, file).await
    }
}

impl Store {
    fn saved(&self) -> Option<Saved> {
        self.saved.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    async fn write(&self, position: &Position, file: Bytes) -> io::Result<Saved> {
        let _one_at_a_time = self.writing.lock().await;
        if let Some(saved) = self.saved().filter(|(saved, _)| saved.last >= position.last) {
            return Ok(saved);
        }
        self.replace(&file).await?;
        let content = SnapshotContent::new(vec![SnapshotFile::in_memory(FILE, file)]);
        let saved = (position.clone(), content);
        let mut held = self.saved.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        *held = Some(saved.clone());
        Ok(saved)
    }

    /// Writes the file. Where the disk has no room it waits: the log has what the file would, and
    /// the group would stop at an error.
    async fn replace(&self, file: &Bytes) -> io::Result<()> {
        let mut is_told = false;
        loop {
            let (disk, path, bytes) = (Arc::clone(&self.env.disk), self.path.clone(), file.clone());
            let done = self.env.blocking.run(move || framed::replace(&*disk, &path, &bytes)).await;
            match done {
                Err(error) if error.kind() == io::ErrorKind::StorageFull => {
                    if !is_told {
                        let path = self.path.display();
                        warn!("the catalog cannot be saved in {path}: {error}; free space there");
                    }
                    is_told = true;
                    tokio::time::sleep(ROOM_AGAIN).await;
                }
                done => return done,
            }
        }
    }
}
