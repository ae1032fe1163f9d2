//! Reading shards' files again, slowly, to find damage while there are other copies to mend it.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};
use tracing::error;
use varve_env::{Disk, DiskFile, OpenMode};
use varve_shard::{FileHasher, Manifest};
use varve_types::{NodeId, ShardId};

use crate::catalog::{ShardEntry, ShardState};
use crate::errors::ShardError;
use crate::host::local::Local;
use crate::host::{Host, Inner, lock};
use crate::machine::{FileCard, MANIFEST, ShardHome, cards, framed};
use crate::upkeep::Pace;

/// How often to look for a shard that is due.
const LOOK: Duration = Duration::from_secs(10);
/// How long to wait while others read or write.
const BUSY_PAUSE: Duration = Duration::from_millis(200);
/// However busy the node is, reading goes on after this.
const BUSY_PAUSES_MAX: u32 = 3;
/// Bytes that are read at once.
const PIECE_BYTES: u64 = 256 << 10;

/// Reads shards one after the other, until the node stops.
pub(in crate::host) async fn scrub_always(inner: Arc<Inner>) {
    let pace = Pace::new(inner.settings.scrub_bytes_per_s);
    let mut done: BTreeMap<ShardId, Instant> = BTreeMap::new();
    loop {
        let suspects = inner.upkeep.repairs.suspects();
        for (shard, home) in inner.served_here() {
            if suspects.contains(&shard) {
                inner.scrub(shard, &home, None).await;
                done.insert(shard, Instant::now());
            }
        }
        let Some((shard, home)) = inner.next_to_scrub(&mut done) else {
            tokio::select! {
                () = inner.upkeep.repairs.suspected() => {}
                () = sleep(LOOK.min(inner.settings.scrub_every)) => {}
            }
            continue;
        };
        tokio::select! {
            // Reading in passing takes long, and begins again.
            () = inner.upkeep.repairs.suspected() => {}
            () = inner.scrub(shard, &home, Some(&pace)) => {
                done.insert(shard, Instant::now());
            }
        }
    }
}

impl Host {
    /// Has these shards read again at once: bytes of one were not what they were written as. A
    /// copy that is damaged is mended, where another node has one.
    pub fn suspect(&self, shards: impl IntoIterator<Item = ShardId>) {
        self.inner().upkeep.repairs.suspect(shards);
    }
}

impl Inner {
    /// The shards that are served here.
    fn served_here(&self) -> BTreeMap<ShardId, Arc<ShardHome>> {
        let shards = lock(&self.shards);
        let served = shards.iter().filter_map(|(shard, local)| match local {
            Local::Closed(home) => Some((*shard, Arc::clone(home))),
            Local::Running(replica) if replica.damage().is_none() => {
                Some((*shard, Arc::clone(&replica.home)))
            }
            Local::Running(_) | Local::Refused(_) => None,
        });
        served.collect()
    }

    /// The shard that was not read for longest, if it is due.
    fn next_to_scrub(
        &self,
        done: &mut BTreeMap<ShardId, Instant>,
    ) -> Option<(ShardId, Arc<ShardHome>)> {
        let served = self.served_here();
        done.retain(|shard, _| served.contains_key(shard));
        let (shard, home) = served.into_iter().min_by_key(|(shard, _)| done.get(shard).copied())?;
        let rests = |at: &Instant| at.elapsed() < self.settings.scrub_every;
        (!done.get(&shard).is_some_and(rests)).then_some((shard, home))
    }

    /// Reads a shard's files, and sets the copy aside when one is damaged.
    async fn scrub(&self, shard: ShardId, home: &Arc<ShardHome>, pace: Option<&Pace>) {
        let found = self.look_through(home, pace).await;
        if let Err(damage) = found {
            self.found_damaged(shard, home, &damage);
        }
    }

    /// Reads all of a shard's files; in passing, with a pace. Answers what is wrong with one.
    pub(super) async fn look_through(
        &self,
        home: &Arc<ShardHome>,
        pace: Option<&Pace>,
    ) -> Result<(), String> {
        let (dir, manifest) = {
            let shard = home.shard();
            (shard.dir().to_owned(), shard.manifest().cloned())
        };
        let Some(manifest) = manifest else { return Ok(()) };
        let looked = self.look_at_all(&dir, &manifest, pace).await;
        if looked.is_ok() {
            return looked;
        }
        // Files go when others replace them: what is damaged is so while nobody does.
        let _nobody_replaces = home.between_flushes().await;
        let is_same = home.shard().manifest().is_some_and(|now| Arc::ptr_eq(now, &manifest));
        if is_same { self.look_at_all(&dir, &manifest, None).await } else { Ok(()) }
    }

    async fn look_at_all(
        &self,
        dir: &Path,
        manifest: &Manifest,
        pace: Option<&Pace>,
    ) -> Result<(), String> {
        self.look_at_manifest(dir, manifest).await?;
        for card in cards(manifest) {
            self.look_at(dir, &card, pace).await?;
        }
        Ok(())
    }

    async fn look_at_manifest(&self, dir: &Path, manifest: &Manifest) -> Result<(), String> {
        let (disk, path) = (Arc::clone(&self.env.disk), dir.join(MANIFEST));
        let (shown, read) = (path.clone(), move || framed::read(&*disk, &path));
        let held = match self.env.blocking.run(read).await {
            Ok(Some(bytes)) => Manifest::decode(&bytes).map_err(|error| error.to_string()),
            Ok(None) => Err("it is missing".to_owned()),
            Err(error) => return damage_of(&shown, &error),
        };
        match held {
            Ok(held) if held == *manifest => Ok(()),
            Ok(_) => Err(format!("{}: it is another one than was written", shown.display())),
            Err(why) => Err(format!("{}: {why}", shown.display())),
        }
    }

    async fn look_at(
        &self,
        dir: &Path,
        card: &FileCard,
        pace: Option<&Pace>,
    ) -> Result<(), String> {
        let path = dir.join(&card.name);
        let opened = self.open_to_read(path.clone(), card.bytes).await;
        let file = match opened {
            Ok(Some(file)) => file,
            Ok(None) => return Err(format!("{}: its length is another", path.display())),
            Err(error) => return damage_of(&path, &error),
        };
        let (mut at, mut hasher) = (0, FileHasher::default());
        while at < card.bytes {
            let piece = PIECE_BYTES.min(card.bytes - at);
            if let Some(pace) = pace {
                pace.take(piece).await;
                self.let_others_pass().await;
            }
            let (file, offset) = (Arc::clone(&file), at);
            let read = move || {
                let mut buffer = vec![0; usize::try_from(piece).map_err(io::Error::other)?];
                file.read_exact_at(&mut buffer, offset)?;
                hasher.update(&buffer);
                Ok::<_, io::Error>(hasher)
            };
            hasher = match self.env.blocking.run_in_background(read).await {
                Ok(hasher) => hasher,
                Err(error) => return damage_of(&path, &error),
            };
            self.upkeep.repairs.count_scrubbed(piece);
            at += piece;
        }
        if hasher.hash() == card.hash {
            Ok(())
        } else {
            Err(format!("{}: its hash does not match", path.display()))
        }
    }

    /// The file, unless it has another length.
    async fn open_to_read(
        &self,
        path: PathBuf,
        bytes: u64,
    ) -> io::Result<Option<Arc<dyn DiskFile>>> {
        let disk: Arc<dyn Disk> = Arc::clone(&self.env.disk);
        let open = move || {
            let file = disk.open(&path, OpenMode::Read)?;
            Ok((file.len()? == bytes).then_some(file))
        };
        self.env.blocking.run(open).await
    }

    async fn let_others_pass(&self) {
        for _ in 0..BUSY_PAUSES_MAX {
            if !self.upkeep.activity.is_busy() {
                return;
            }
            sleep(BUSY_PAUSE).await;
        }
    }

    /// Sees to it that a damaged copy is replaced. One of a closed shard is served no longer; its
    /// files stay until another copy takes their place: what is whole of them need not be copied. A
    /// replica that votes goes on, since its log is whole, until a new one takes its place.
    pub(super) fn found_damaged(&self, shard: ShardId, home: &Arc<ShardHome>, damage: &str) {
        match self.local(shard) {
            Some(Local::Closed(now)) if Arc::ptr_eq(&now, home) => {
                let others = self.other_holders(shard);
                self.refuse(shard, self.damaged(shard, damage, &others));
                self.wake();
            }
            Some(Local::Running(replica)) if Arc::ptr_eq(&replica.home, home) => {
                let others = self.other_replicas(shard);
                let error = self.damaged(shard, damage, &others);
                error!(shard = shard.get(), "{error}");
                replica.set_damage(error);
            }
            _ => {}
        }
    }

    /// Counts a copy that is damaged, and says what is done about it.
    pub(super) fn damaged(&self, shard: ShardId, damage: &str, others: &[u64]) -> ShardError {
        self.upkeep.repairs.count_damaged();
        let remedy = if others.is_empty() {
            "no other node holds it: restore the file from a backup and restart the node".to_owned()
        } else {
            format!("it is copied anew from nodes {others:?}")
        };
        ShardError::Damaged { shard, damage: damage.to_owned(), remedy }
    }

    pub(super) fn other_replicas(&self, shard: ShardId) -> Vec<u64> {
        let catalog = self.catalog();
        let nodes = catalog.shards.get(&shard).into_iter().flat_map(ShardEntry::staying);
        nodes.map(|(_, node)| node).filter(|node| *node != self.node).map(NodeId::get).collect()
    }

    fn other_holders(&self, shard: ShardId) -> Vec<u64> {
        let catalog = self.catalog();
        match catalog.shards.get(&shard).map(|entry| &entry.state) {
            Some(ShardState::Closed(closed)) => {
                let others = closed.holders.iter().filter(|node| **node != self.node);
                others.map(|node| node.get()).collect()
            }
            _ => Vec::new(),
        }
    }
}

/// Whether a file that cannot be read is damaged; a disk that refuses for now says nothing of it.
fn damage_of(path: &Path, error: &io::Error) -> Result<(), String> {
    /// What a disk answers that cannot read what is on it.
    const EIO: i32 = 5;
    let is_damage = error.raw_os_error() == Some(EIO)
        || matches!(
            error.kind(),
            io::ErrorKind::NotFound | io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData
        );
    if is_damage { Err(format!("{}: {error}", path.display())) } else { Ok(()) }
}
