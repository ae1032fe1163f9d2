//! This node's replica of the metadata group, while the catalog gives it one.
//!
//! ```text
//! varve seat 2
//! replica 5
//! crc32c 9c34d1f0
//! ```
//!
//! The file says which replica the log of the metadata group here belongs to; 0 is none. A seat
//! that is taken begins with an empty log, and one that is given up leaves none behind: a replica
//! that has voted never comes back under another id, nor another under its id.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tracing::{debug, info, warn};
use varve_env::Env;
use varve_types::{GroupId, LogIndex, ReplicaId};

use crate::catalog::{replica_on, staying};
use crate::errors::StartError;
use crate::group::Group;
use crate::host::Inner;
use crate::host::identity::{read_file, write_file};
use crate::host::start::start_catalog;
use crate::host::text_file;

/// The newest version of the file; the first had no checksum.
const VERSION: u32 = 2;
const NONE: ReplicaId = ReplicaId(0);

/// The running replica, if there is one.
pub(crate) struct Seat {
    group: Mutex<Option<Arc<Group>>>,
    /// Whether a change of the group's members is under way.
    changing: Arc<AtomicBool>,
    /// How far the catalog is written that is followed without a seat; held while it is.
    pub(super) saved: tokio::sync::Mutex<Option<LogIndex>>,
}

/// The file.
pub(in crate::host) struct SeatFile;

impl Seat {
    pub(in crate::host) fn new(group: Option<Arc<Group>>) -> Self {
        Self { group: Mutex::new(group), changing: Arc::default(), saved: Default::default() }
    }

    fn get(&self) -> Option<Arc<Group>> {
        self.group.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, group: Option<Arc<Group>>) {
        *self.group.lock().unwrap_or_else(PoisonError::into_inner) = group;
    }
}

impl SeatFile {
    fn path(dir: &Path) -> PathBuf {
        dir.join("seat")
    }

    /// The replica that the log here belongs to; `Err` when the file says nothing of the kind,
    /// `None` when there is no file.
    pub(in crate::host) async fn read(
        env: &Env,
        dir: &Path,
    ) -> Result<Option<Option<ReplicaId>>, StartError> {
        let shown = Self::path(dir);
        let file = read_file(env, shown.clone()).await?;
        let Some(file) = file else { return Ok(None) };
        let replica = text_file::read(&file, "seat", VERSION)
            .and_then(|mut lines| lines.number("replica").map(ReplicaId))
            .map_err(|what| StartError::Identity { path: shown, what })?;
        Ok(Some((replica != NONE).then_some(replica)))
    }

    /// Writes it, durably.
    pub(in crate::host) async fn write(
        env: &Env,
        dir: &Path,
        replica: Option<ReplicaId>,
    ) -> Result<(), StartError> {
        let text = text_file::print("seat", VERSION, &[("replica", &replica.unwrap_or(NONE))]);
        write_file(env, Self::path(dir), text).await
    }
}

impl Inner {
    /// This node's replica of the metadata group.
    pub(crate) fn catalog_group(&self) -> Option<Arc<Group>> {
        self.seat.get()
    }

    /// Whether this node leads the metadata group.
    pub(crate) fn leads_catalog(&self) -> bool {
        self.catalog_group().is_some_and(|group| group.leads())
    }

    /// Has the metadata group's members become those of the catalog, if it is led here: one change
    /// at a time, in the background.
    pub(in crate::host) fn follow_members(&self) {
        let Some(group) = self.catalog_group().filter(|group| group.leads()) else { return };
        if self.seat.changing.swap(true, Ordering::AcqRel) {
            return;
        }
        let (catalog, changing) = (self.catalog(), Arc::clone(&self.seat.changing));
        tokio::spawn(async move {
            let wanted: Vec<_> = staying(&catalog.replicas, &catalog.leaving).collect();
            if let Err(why) = group.seat(&wanted).await {
                debug!(why, "the metadata group's members do not change yet");
            }
            changing.store(false, Ordering::Release);
        });
    }

    /// Takes the seat that the catalog gives, or gives up the one that it no longer gives.
    pub(in crate::host) async fn follow_seat(&self) {
        let given = replica_on(&self.catalog().replicas, self.node);
        let taken = self.catalog_group().map(|group| group.replica);
        // What is known before the log was read again may be older than the seat.
        let is_old = self.catalog().applied.is_none();
        if given == taken || is_old {
            return;
        }
        if let Err(error) = self.change_seat(given).await {
            warn!("this node's seat in the metadata group does not change: {error}");
        }
    }

    async fn change_seat(&self, given: Option<ReplicaId>) -> Result<(), StartError> {
        // What is known now is kept, so that the next start finds the others without a seat.
        self.save_watched().await?;
        if let Some(group) = self.catalog_group() {
            self.seat.set(None);
            group.shutdown().await;
            SeatFile::write(&self.env, &self.dir, None).await?;
            info!(replica = %group.replica, "left the metadata group");
        }
        self.wal.group(GroupId::CATALOG).remove().await?;
        self.remove_saved_catalog().await?;
        if let Some(replica) = given {
            SeatFile::write(&self.env, &self.dir, Some(replica)).await?;
            let links = self.links(GroupId::CATALOG, replica);
            let feed = Arc::clone(&self.feed);
            let group = start_catalog(&self.env, &self.dir, &self.wal, links, feed).await?;
            self.seat.set(Some(Arc::new(group)));
            info!(%replica, "took a seat in the metadata group");
        }
        Ok(())
    }

    async fn remove_saved_catalog(&self) -> Result<(), StartError> {
        let (disk, path) = (Arc::clone(&self.env.disk), self.dir.join("catalog").join("catalog"));
        let shown = path.clone();
        let remove = move || {
            if !disk.exists(&path) {
                return Ok(());
            }
            disk.remove(&path)?;
            disk.sync_dir(path.parent().unwrap_or(Path::new(".")))
        };
        let removed = self.env.blocking.run(remove).await;
        removed.map_err(|source| StartError::Disk { action: "removing", path: shown, source })
    }
}
