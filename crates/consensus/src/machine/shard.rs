//! A shard's state machine, and the shard's home on this disk.
//!
//! ```text
//! shards/7/current       the number of the folder that counts; missing means 0
//! shards/7/0/            the shard's files
//! shards/7/incoming-…/   a snapshot that is being received
//! ```
//!
//! A snapshot that is installed becomes a folder of its own, and `current` is replaced: a crash
//! leaves the old copy or the new one.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use openraft::EntryPayload;
use tokio::sync::Notify;
use tokio::time::Instant;
use varve_env::{Disk, Env, OpenMode};
use varve_shard::{
    Command, FlushError, MergeError, Merged, OpenError, Origin, Shard, ShardOptions, ShardView,
};
use varve_types::{LogIndex, ShardId};

use super::{SnapshotContent, SnapshotFile, framed};
use crate::codec::Position;
use crate::raft_types::{Entry, Reply, StoredMembership};
use crate::upkeep::{Share, Upkeep};

const MAGIC: [u8; 8] = *b"VARVECUR";
const CURRENT: &str = "current";
/// The shard's own file that names all others.
const MANIFEST: &str = "manifest";

/// Where a shard lives on this node. Shared by the state machine, readers and the flusher.
pub(crate) struct ShardHome {
    env: Env,
    root: PathBuf,
    options: ShardOptions,
    origin: Origin,
    shard: Mutex<Shard>,
    /// Held while files change: a snapshot is taken between two flushes.
    files: tokio::sync::Mutex<()>,
    flush_due: Notify,
    upkeep: Arc<Upkeep>,
    tail_share: Share,
}

/// A shard as applied.
pub(crate) struct ShardMachine {
    home: Arc<ShardHome>,
    position: Position,
}

impl ShardHome {
    /// Opens a shard's folder. Blocks.
    pub(crate) fn open(
        env: &Env,
        root: PathBuf,
        shard: ShardId,
        options: ShardOptions,
        origin: Origin,
        upkeep: Arc<Upkeep>,
    ) -> Result<Self, OpenError> {
        let disk = Arc::clone(&env.disk);
        let number = current(&*disk, &root).map_err(|source| OpenError::Disk {
            action: "reading the current folder's number in",
            path: root.clone(),
            source,
        })?;
        let dir = root.join(number.to_string());
        let shard = Shard::open(Arc::clone(&disk), &dir, shard, options.clone(), origin)?;
        // Received snapshots that were not finished, and copies that were replaced: of no use,
        // and when one cannot be removed now, it will be at the next start.
        for name in disk.list(&root).unwrap_or_default() {
            let path = root.join(name.file_name().unwrap_or_default());
            if path != dir && path.file_name().is_some_and(|name| name != CURRENT) {
                let _ = disk.remove_dir_all(&path);
            }
        }
        Ok(Self {
            env: env.clone(),
            root,
            options,
            origin,
            shard: Mutex::new(shard),
            files: tokio::sync::Mutex::new(()),
            flush_due: Notify::new(),
            tail_share: upkeep.tails.share(),
            upkeep,
        })
    }

    /// The shard itself; hold it briefly.
    pub(crate) fn shard(&self) -> MutexGuard<'_, Shard> {
        self.shard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn view(&self) -> ShardView {
        self.shard().view()
    }

    /// The folder for files of a snapshot that a peer sends.
    pub(crate) fn incoming(&self, transfer: u64) -> PathBuf {
        self.root.join(format!("incoming-{transfer:016x}"))
    }

    pub(crate) fn wake_flush_if_due(&self) {
        if self.shard().needs_flush() {
            self.flush_due.notify_one();
        }
    }

    /// Has the tail written out although it is small.
    pub(crate) fn ask_flush(&self) {
        self.shard().ask_flush();
        self.wake_flush_if_due();
    }

    /// Has the tail written out for the memory it takes, unless that is being done.
    pub(crate) fn ask_relief(&self) {
        let flushing = self.shard().is_replacing();
        if !flushing {
            self.ask_flush();
        }
    }

    /// Waits until a flush may be due.
    pub(crate) async fn flush_due(&self) {
        self.flush_due.notified().await;
    }

    /// Writes the tail out when that is due. Answers whether anything was written.
    pub(crate) async fn flush_if_due(&self) -> Result<bool, FlushError> {
        let _files = self.files.lock().await;
        let job = {
            let mut shard = self.shard();
            if shard.needs_flush() { shard.flush_job() } else { None }
        };
        let Some(job) = job else { return Ok(false) };
        let began = Instant::now();
        let result = self.env.blocking.run(move || job.run()).await;
        self.upkeep.flushes.count(result.is_ok(), began.elapsed());
        self.upkeep.tails.relieved();
        let mut shard = self.shard();
        shard.finish_flush(result)?;
        self.tail_share.set(shard.tail_bytes());
        self.upkeep.merges.offer(shard.shard());
        Ok(true)
    }

    /// Makes what a merge wrote take the place of what it read.
    pub(crate) async fn swap(&self, merged: Merged) -> Result<(), MergeError> {
        let _files = self.files.lock().await;
        let job = self.shard().swap_job(merged)?;
        let result = self.env.blocking.run(move || job.run()).await;
        self.shard().finish_swap(result)
    }

    /// Waits until no flush is under way, and answers what keeps one from beginning.
    pub(crate) async fn between_flushes(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.files.lock().await
    }

    /// What is durable, as a snapshot; `None` before the first flush.
    pub(crate) async fn snapshot(&self) -> io::Result<Option<(Position, SnapshotContent)>> {
        let _files = self.files.lock().await;
        let (dir, manifest) = {
            let shard = self.shard();
            (shard.dir().to_owned(), shard.manifest().cloned())
        };
        let Some(manifest) = manifest else { return Ok(None) };
        let Some(applied) = &manifest.applied else { return Ok(None) };
        let position = Position::decode(applied.position.clone())?;
        let (disk, blocking) = (Arc::clone(&self.env.disk), self.env.blocking.clone());
        let open_all = move || {
            let bytes = framed::read(&*disk, &dir.join(MANIFEST))?
                .ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
            let mut files = vec![SnapshotFile::in_memory(MANIFEST, bytes)];
            let dedup = &manifest.dedup;
            let known = [(dedup.name.as_str(), dedup.bytes, dedup.checksum)];
            let segments = manifest
                .segments
                .iter()
                .map(|meta| (meta.name.as_str(), meta.bytes, meta.checksum));
            for file in known.into_iter().chain(segments) {
                files.push(SnapshotFile::on_disk(&*disk, &blocking, &dir, file)?);
            }
            Ok::<_, io::Error>(files)
        };
        let files = self.env.blocking.run(open_all).await?;
        Ok(Some((position, SnapshotContent::new(files))))
    }

    /// Replaces the copy of the shard by the one that lies in a folder of its own.
    async fn adopt(&self, staged: PathBuf) -> io::Result<()> {
        let _files = self.files.lock().await;
        let (env, root) = (self.env.clone(), self.root.clone());
        let (id, options, origin) = (self.shard().shard(), self.options.clone(), self.origin);
        let replace = move || {
            let disk = &env.disk;
            let before = current(&**disk, &root)?;
            let dir = root.join((before + 1).to_string());
            copy_into(&**disk, &staged, &dir)?;
            // Opening verifies it, before it counts.
            let opened = Shard::open(Arc::clone(disk), &dir, id, options, origin);
            let shard = opened.map_err(io::Error::other)?;
            let number = framed::frame(MAGIC, &(before + 1).to_le_bytes());
            framed::replace(&**disk, &root.join(CURRENT), &number)?;
            // The old files are closed by whoever still reads them; their names go now.
            let _ = disk.remove_dir_all(&root.join(before.to_string()));
            Ok::<_, io::Error>(shard)
        };
        let shard = self.env.blocking.run(replace).await?;
        self.tail_share.set(shard.tail_bytes());
        *self.shard() = shard;
        Ok(())
    }
}

fn current(disk: &dyn Disk, root: &Path) -> io::Result<u64> {
    let Some(file) = framed::read(disk, &root.join(CURRENT))? else { return Ok(0) };
    let number = framed::unframe(MAGIC, &file).ok();
    number
        .and_then(|bytes| bytes.as_ref().try_into().ok())
        .map(u64::from_le_bytes)
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "the file `current` is damaged"))
}

/// Copies files and makes them durable. A folder is not renamed: not every disk can.
fn copy_into(disk: &dyn Disk, from: &Path, to: &Path) -> io::Result<()> {
    const PIECE_BYTES: u64 = 1 << 20;
    if disk.exists(to) {
        disk.remove_dir_all(to)?;
    }
    disk.create_dir_all(to)?;
    for path in disk.list(from)? {
        let name = path.file_name().unwrap_or_default();
        let source = disk.open(&from.join(name), OpenMode::Read)?;
        let target = disk.open(&to.join(name), OpenMode::CreateNew)?;
        let (len, mut at) = (source.len()?, 0);
        while at < len {
            let mut buffer = vec![0; usize::try_from(PIECE_BYTES.min(len - at)).unwrap_or(0)];
            source.read_exact_at(&mut buffer, at)?;
            target.write_all_at(&buffer, at)?;
            at += buffer.len() as u64;
        }
        target.sync_data()?;
    }
    disk.sync_dir(to)?;
    disk.sync_dir(to.parent().unwrap_or(Path::new(".")))
}

impl ShardMachine {
    /// The machine of an opened shard: at the position that its manifest keeps.
    pub(crate) fn new(home: Arc<ShardHome>) -> io::Result<Self> {
        let position = Self::durable(&home)?;
        Ok(Self { home, position })
    }

    fn durable(home: &ShardHome) -> io::Result<Position> {
        let durable = home.shard().durable().map(|applied| applied.position.clone());
        Ok(durable.map(Position::decode).transpose()?.unwrap_or_default())
    }

    pub(crate) const fn home(&self) -> &Arc<ShardHome> {
        &self.home
    }

    pub(crate) const fn position(&self) -> &Position {
        &self.position
    }

    pub(crate) fn take(&mut self, entry: Entry) -> Reply {
        let index = LogIndex(entry.log_id.index());
        self.position.last = Some(entry.log_id);
        if let EntryPayload::Membership(membership) = &entry.payload {
            let membership = membership.clone();
            self.position.membership = StoredMembership::new(Some(entry.log_id), membership);
        }
        let mut shard = self.home.shard();
        let reply = match entry.payload {
            EntryPayload::Normal(payload) => match Command::decode(&payload.command) {
                Ok(command) => Reply::Shard(shard.apply(index, payload.stamp, &command)),
                Err(error) => Reply::Unreadable(error.to_string()),
            },
            EntryPayload::Blank | EntryPayload::Membership(_) => Reply::Nothing,
        };
        shard.note_applied(index, self.position.encode());
        self.home.tail_share.set(shard.tail_bytes());
        reply
    }

    pub(crate) async fn install(
        &mut self,
        position: Position,
        content: &SnapshotContent,
    ) -> io::Result<()> {
        let Some(staged) = content.staged_in() else {
            // What is durable here already: nothing to take over.
            return Ok(());
        };
        self.home.adopt(staged.to_owned()).await?;
        self.position = Self::durable(&self.home)?;
        if self.position != position {
            let what = "a shard's snapshot of another position than it claims";
            return Err(io::Error::new(io::ErrorKind::InvalidData, what));
        }
        Ok(())
    }
}
