//! Opening a shard: from its manifest to where the log goes on.
//!
//! Everything the manifest names is held against it before anything is served. A file that is
//! missing or damaged is an error that names the file and what to do: this replica's copy is
//! not patched up here, it is replicated anew.

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use varve_env::Disk;
use varve_mutants::Mutant;
use varve_types::{LogIndex, ShardId, TimestampNs};

use crate::apply::State;
use crate::codec::DecodeError;
use crate::dedup::Dedup;
use crate::manifest::Manifest;
use crate::segment::{SegmentError, SegmentHandle};
use crate::write::{Unpublished, WriteError};
use crate::{FileHash, Origin, Phase, Shard, ShardOptions, ShardReader, ShardView, files};

/// Why a shard does not open.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The disk refused.
    #[error("{action} {path} failed: {source}; check this disk", path = path.display())]
    Disk {
        /// What was tried.
        action: &'static str,
        /// With which file or folder.
        path: PathBuf,
        /// What the disk said.
        #[source]
        source: io::Error,
    },
    /// A file is missing or not what it was written as.
    #[error(
        "{path} is damaged: {damage}; stop the node and move the folder {dir} away: another replica brings the shard back. Where there is none, restore it from a backup",
        path = path.display(),
        dir = path.parent().unwrap_or(path).display()
    )]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        damage: Damage,
    },
    /// A manifest of an older version could not be replaced.
    #[error(transparent)]
    Replace(WriteError),
    /// The log has been purged past what is durable here.
    #[error(
        "{path} ends at entry {durable:?}, but the log begins after {purged}: the file is missing or was replaced by an older one; stop the node and move the folder {dir} away: another replica brings the shard back. Where there is none, restore it from a backup",
        path = path.display(),
        dir = path.parent().unwrap_or(path).display()
    )]
    Behind {
        /// The manifest.
        path: PathBuf,
        /// The last entry it contains.
        durable: Option<LogIndex>,
        /// The last entry that the log no longer has.
        purged: LogIndex,
    },
}

/// What is wrong with a file.
#[derive(Debug, thiserror::Error)]
pub enum Damage {
    /// It is not there.
    #[error("it is missing")]
    Missing,
    /// Its bytes are not its format's.
    #[error(transparent)]
    Bytes(#[from] DecodeError),
    /// It is another file than the manifest means.
    #[error(
        "it has {} bytes and the hash {}, where the manifest says {} and {}",
        found.0, found.1, named.0, named.1
    )]
    Differs {
        /// The length and hash of what is there.
        found: (u64, FileHash),
        /// Those that the manifest gives.
        named: (u64, FileHash),
    },
    /// It is another file than an older manifest means, which knows it by a checksum.
    #[error("its length or CRC-32C differs from the manifest's")]
    Checksum,
    /// It is of another moment than the manifest.
    #[error("its last stamp is {found}, where the manifest's is {named}")]
    OtherStamp {
        /// The last stamp in it.
        found: TimestampNs,
        /// That of the manifest.
        named: TimestampNs,
    },
    /// It is another shard's.
    #[error("it is the manifest of shard {0}")]
    OtherShard(ShardId),
    /// The manifest contradicts itself.
    #[error("its segments do not add up to its rows and digest")]
    Sum,
    /// It is no segment, or another one.
    #[error(transparent)]
    Segment(SegmentError),
}

impl Shard {
    /// Opens the shard in a folder, which the first flush makes. What the log has after
    /// [`Shard::applied`] is the caller's to apply. `origin` counts for a shard without a
    /// manifest; one with a manifest goes on where it was. Blocks.
    ///
    /// # Errors
    ///
    /// Names the file that is missing or damaged, and the remedy. Nothing has been changed then.
    pub fn open(
        disk: Arc<dyn Disk>,
        dir: &Path,
        shard: ShardId,
        options: ShardOptions,
        origin: Origin,
    ) -> Result<Self, OpenError> {
        let Some(manifest) = read_manifest(&disk, dir, shard)? else {
            // Segments may be here: of a first flush that did not reach its manifest, or of a
            // manifest that was lost. Only what is surely worthless goes.
            if disk.exists(dir) {
                let swept = files::sweep(&*disk, dir, |name| !files::is_temporary(name));
                try_disk("sweeping", dir, swept)?;
            }
            let state = State::new(shard, Phase::of(origin));
            return Ok(Self::assemble(disk, dir, options, state, None, Vec::new()));
        };
        let (mut dedup, last_stamp) = read_dedup(&*disk, dir, &manifest)?;
        if Mutant::DedupForgottenBySnapshot.is_planted() {
            dedup = Dedup::default();
        }
        let mut segments = Vec::with_capacity(manifest.segments.len());
        for meta in &manifest.segments {
            let opened = SegmentHandle::open(&*disk, dir, meta.clone());
            let segment = opened.map_err(|error| segment_damage(dir.join(&meta.name), error))?;
            segments.push(Arc::new(segment));
        }
        let state = State {
            shard,
            phase: manifest.phase.clone(),
            applied: manifest.applied.as_ref().map(|applied| applied.index),
            last_stamp,
            rows: manifest.rows,
            digest: manifest.digest,
            volume: manifest.volume,
            dedup,
        };
        let named = manifest.files();
        let swept = files::sweep(&*disk, dir, |name| named.contains(name));
        try_disk("sweeping", dir, swept)?;
        Ok(Self::assemble(disk, dir, options, state, Some(Arc::new(manifest)), segments))
    }

    /// Holds what is durable here against what the log no longer has: a manifest that was lost
    /// would otherwise look like a new shard.
    ///
    /// # Errors
    ///
    /// [`OpenError::Behind`] when entries are in neither.
    pub fn require_applied(&self, purged: LogIndex) -> Result<(), OpenError> {
        let durable = self.durable().map(|durable| durable.index);
        if durable >= Some(purged) {
            return Ok(());
        }
        Err(OpenError::Behind { path: self.dir.join(files::MANIFEST), durable, purged })
    }

    fn assemble(
        disk: Arc<dyn Disk>,
        dir: &Path,
        options: ShardOptions,
        state: State,
        manifest: Option<Arc<Manifest>>,
        segments: Vec<Arc<SegmentHandle>>,
    ) -> Self {
        let reader = ShardReader::new(ShardView {
            shard: state.shard,
            applied: state.applied,
            phase: state.phase.clone(),
            rows: state.rows,
            digest: state.digest,
            tail: Vec::new(),
            segments: Arc::new(segments),
        });
        let applied = manifest.as_ref().and_then(|manifest| manifest.applied.as_ref());
        Self {
            disk,
            dir: dir.to_owned(),
            options,
            position: applied.map(|applied| applied.position.clone()),
            state,
            reader,
            last_number: manifest.as_ref().map_or(0, |manifest| manifest.version),
            manifest,
            tail_bytes: 0,
            cuts: VecDeque::new(),
            cut_due: false,
            flush_asked: false,
            replacing: false,
        }
    }
}

fn try_disk<T>(action: &'static str, path: &Path, result: io::Result<T>) -> Result<T, OpenError> {
    result.map_err(|source| OpenError::Disk { action, path: path.to_owned(), source })
}

/// The manifest, checked in itself; `None` when there is none.
fn read_manifest(
    disk: &Arc<dyn Disk>,
    dir: &Path,
    shard: ShardId,
) -> Result<Option<Manifest>, OpenError> {
    let path = dir.join(files::MANIFEST);
    let bytes = match files::read_whole(&**disk, &path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return try_disk("reading", &path, Err(error)),
    };
    let (manifest, checksums) = match Manifest::decode_any(&bytes) {
        Ok(decoded) => decoded,
        Err(error) => return Err(OpenError::Damaged { path, damage: error.into() }),
    };
    if manifest.shard != shard {
        let damage = Damage::OtherShard(manifest.shard);
        return Err(OpenError::Damaged { path, damage });
    }
    if !manifest.adds_up() {
        return Err(OpenError::Damaged { path, damage: Damage::Sum });
    }
    match checksums {
        None => Ok(Some(manifest)),
        Some(checksums) => replace_older(disk, dir, manifest, &checksums).map(Some),
    }
}

/// Replaces a manifest of an older version, which knows each file by its CRC-32C, by one that has
/// hashes. Its files are read whole for that.
fn replace_older(
    disk: &Arc<dyn Disk>,
    dir: &Path,
    mut manifest: Manifest,
    checksums: &[u32],
) -> Result<Manifest, OpenError> {
    let dedup = &mut manifest.dedup;
    let dedup = (&dedup.name, dedup.bytes, &mut dedup.hash);
    let segments = manifest.segments.iter_mut();
    let segments = segments.map(|segment| (&segment.name, segment.bytes, &mut segment.hash));
    for ((name, bytes, hash), checksum) in std::iter::once(dedup).chain(segments).zip(checksums) {
        let path = dir.join(name);
        let file = read_named(&**disk, &path)?;
        if (file.len() as u64, crc32c::crc32c(&file)) != (bytes, *checksum) {
            return Err(OpenError::Damaged { path, damage: Damage::Checksum });
        }
        *hash = FileHash::of(&file);
    }
    manifest.version += 1;
    let files = Unpublished::new(Arc::clone(disk), dir.to_owned(), manifest.version);
    files.publish(&manifest, None).map_err(OpenError::Replace)?;
    Ok(manifest)
}

fn read_dedup(
    disk: &dyn Disk,
    dir: &Path,
    manifest: &Manifest,
) -> Result<(Dedup, TimestampNs), OpenError> {
    let path = dir.join(&manifest.dedup.name);
    let bytes = read_named(disk, &path)?;
    let found = (bytes.len() as u64, FileHash::of(&bytes));
    let named = (manifest.dedup.bytes, manifest.dedup.hash);
    if found != named {
        return Err(OpenError::Damaged { path, damage: Damage::Differs { found, named } });
    }
    match Dedup::decode(&bytes) {
        Ok((dedup, stamp)) if stamp == manifest.last_stamp => Ok((dedup, stamp)),
        Ok((_, found)) => {
            let damage = Damage::OtherStamp { found, named: manifest.last_stamp };
            Err(OpenError::Damaged { path, damage })
        }
        Err(error) => Err(OpenError::Damaged { path, damage: error.into() }),
    }
}

/// All of a file that the manifest names.
fn read_named(disk: &dyn Disk, path: &Path) -> Result<Vec<u8>, OpenError> {
    match files::read_whole(disk, path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err(OpenError::Damaged { path: path.to_owned(), damage: Damage::Missing })
        }
        read => try_disk("reading", path, read),
    }
}

fn segment_damage(path: PathBuf, error: SegmentError) -> OpenError {
    match error {
        SegmentError::Disk(error) if error.kind() == io::ErrorKind::NotFound => {
            OpenError::Damaged { path, damage: Damage::Missing }
        }
        SegmentError::Disk(source) => OpenError::Disk { action: "opening", path, source },
        error => OpenError::Damaged { path, damage: Damage::Segment(error) },
    }
}
