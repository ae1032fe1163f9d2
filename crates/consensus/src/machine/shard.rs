//! A shard's state machine, and the shard's home on this disk.

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use openraft::EntryPayload;
use tokio::sync::Notify;
use tokio::time::Instant;
use varve_env::Env;
use varve_mutants::Mutant;
use varve_shard::{
    Borrowed, Command, FlushError, Flushed, Gap, MergeError, Merged, OpenError, Origin, Shard,
    ShardOptions, ShardView,
};
use varve_types::{LogIndex, ShardId};

use super::recent::Recent;
use super::{
    Applied, Copies, FileCard, SnapshotContent, SnapshotFile, cards, files_digest, framed,
};
use crate::catalog::FilesDigest;
use crate::codec::Position;
use crate::raft_types::{Entry, Reply, StoredMembership};
use crate::upkeep::{Share, Upkeep};

/// The shard's own file that names all others.
pub(crate) const MANIFEST: &str = "manifest";

/// Where a shard lives on this node. Shared by the state machine, readers and the flusher.
pub(crate) struct ShardHome {
    env: Env,
    copies: Copies,
    options: ShardOptions,
    origin: Origin,
    shard: Mutex<Shard>,
    /// Held while files change: a snapshot is taken between two flushes.
    files: tokio::sync::Mutex<()>,
    flush_due: Notify,
    upkeep: Arc<Upkeep>,
    tail_share: Share,
    recent: Mutex<Recent>,
}

/// Segments that another replica wrote, on this disk.
pub(crate) struct Loan {
    /// What they are the rows of.
    pub(crate) gap: Gap,
    pub(crate) segments: Vec<Borrowed>,
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
        let copies = Copies::new(Arc::clone(&env.disk), root);
        let dir = copies.current().map_err(|source| OpenError::Disk {
            action: "reading the current folder's number in",
            path: copies.root().to_owned(),
            source,
        })?;
        let shard = Shard::open(Arc::clone(&env.disk), &dir, shard, options.clone(), origin)?;
        copies.sweep();
        Ok(Self {
            env: env.clone(),
            copies,
            options,
            origin,
            shard: Mutex::new(shard),
            files: tokio::sync::Mutex::new(()),
            flush_due: Notify::new(),
            tail_share: upkeep.tails.share(),
            recent: Mutex::default(),
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

    /// Where its copies are on this disk.
    pub(crate) const fn copies(&self) -> &Copies {
        &self.copies
    }

    /// What was held after each of the last entries.
    pub(crate) fn recent(&self) -> Vec<Applied> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner).all()
    }

    fn note_recent(&self, shard: &Shard) {
        let (rows, digest) = shard.content();
        if let Some(index) = shard.applied().map(|applied| applied.index) {
            let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
            recent.push(Applied { index, rows, digest });
        }
    }

    /// What its segments are as files; `None` before the first flush.
    pub(crate) fn files_digest(&self) -> Option<FilesDigest> {
        self.shard().manifest().map(|manifest| files_digest(manifest))
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

    /// Writes the tail out when that is due, with borrowed segments where they are of what is to be
    /// written. Answers whether anything was written.
    pub(crate) async fn flush_if_due(&self, loan: Option<Loan>) -> Result<bool, FlushError> {
        let _files = self.files.lock().await;
        let job = {
            let mut shard = self.shard();
            if shard.needs_flush() { shard.flush_job() } else { None }
        };
        let Some(job) = job else { return Ok(false) };
        let job = match loan {
            Some(loan) if job.gap().as_ref() == Some(&loan.gap) => job.borrow(loan.segments),
            // What came is not what is written now.
            _ => job,
        };
        let began = Instant::now();
        let blocking = &self.env.blocking;
        let result = if self.upkeep.tails.is_pressing() {
            blocking.run(move || job.run()).await
        } else {
            blocking.run_in_background(move || job.run()).await
        };
        let is_borrowed = result.as_ref().map(Flushed::is_borrowed).ok();
        self.upkeep.flushes.count(is_borrowed, began.elapsed());
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
        let finished = self.shard().finish_swap(result);
        // What fell due meanwhile was put off, and may be a seal, after which no entry follows.
        self.wake_flush_if_due();
        finished
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
        let Some(durable) = &manifest.applied else { return Ok(None) };
        let mut position = Position::decode(durable.position.clone())?;
        if Mutant::PurgeAheadOfFlush.is_planted()
            && let Some(applied) = self.shard().applied()
        {
            position = Position::decode(applied.position)?;
        }
        let (disk, blocking) = (Arc::clone(&self.env.disk), self.env.blocking.clone());
        let open_all = move || {
            let bytes = framed::read(&*disk, &dir.join(MANIFEST))?
                .ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
            let mut files = vec![SnapshotFile::in_memory(MANIFEST, bytes)];
            for card in cards(&manifest) {
                let path = dir.join(&card.name);
                files.push(SnapshotFile::on_disk(&*disk, &blocking, &path, card)?);
            }
            Ok::<_, io::Error>(files)
        };
        let files = self.env.blocking.run(open_all).await?;
        Ok(Some((position, SnapshotContent::new(files))))
    }

    /// Replaces the copy of the shard by one of files that came, all of which were verified, once
    /// `fits` finds it right.
    pub(crate) async fn adopt(
        &self,
        files: Vec<FileCard>,
        fits: impl FnOnce(&Shard) -> io::Result<()> + Send + 'static,
    ) -> io::Result<()> {
        let _files = self.files.lock().await;
        let (disk, copies) = (Arc::clone(&self.env.disk), self.copies.clone());
        let (id, options, origin) = (self.shard().shard(), self.options.clone(), self.origin);
        let replace = move || {
            let next = copies.next_of(&files)?;
            // Opening verifies it, before it counts.
            let opened = Shard::open(disk, &next.dir(), id, options, origin);
            let shard = opened.map_err(io::Error::other)?;
            fits(&shard)?;
            next.count()?;
            Ok::<_, io::Error>(shard)
        };
        let shard = self.env.blocking.run(replace).await?;
        self.tail_share.set(shard.tail_bytes());
        self.note_recent(&shard);
        *self.shard() = shard;
        Ok(())
    }
}

impl ShardMachine {
    /// The machine of an opened shard: at the position that its manifest keeps.
    pub(crate) fn new(home: Arc<ShardHome>) -> io::Result<Self> {
        let position = Self::durable(&home)?;
        home.note_recent(&home.shard());
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
                Ok(command) => {
                    let by_the_clock = Mutant::ApplyByTheClock.is_planted();
                    let stamp =
                        if by_the_clock { self.home.env.clock.now() } else { payload.stamp };
                    Reply::Shard(shard.apply(index, stamp, &command))
                }
                Err(error) => Reply::Unreadable(error.to_string()),
            },
            EntryPayload::Blank | EntryPayload::Membership(_) => Reply::Nothing,
        };
        shard.note_applied(index, self.position.encode());
        self.home.note_recent(&shard);
        self.home.tail_share.set(shard.tail_bytes());
        reply
    }

    pub(crate) async fn install(
        &mut self,
        position: Position,
        content: &SnapshotContent,
    ) -> io::Result<()> {
        if !content.came() {
            // What is durable here already: nothing to take over.
            return Ok(());
        }
        self.home.adopt(content.cards(), |_| Ok(())).await?;
        self.position = Self::durable(&self.home)?;
        if self.position != position {
            let what = "a shard's snapshot of another position than it claims";
            return Err(io::Error::new(io::ErrorKind::InvalidData, what));
        }
        self.home.upkeep.repairs.count_snapshot();
        Ok(())
    }
}
