//! The data directory: one server at a time, and appends only while there is room.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};
use varve_env::Env;
use varve_env::disk::DiskLock;

use crate::NodeError;
use crate::gateway::AppendError;

/// How often the room on the disk is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Whether the disk has room for more logs.
#[derive(Clone, Debug)]
pub(crate) struct DiskGuard {
    full: Arc<AtomicBool>,
}

/// Takes the data directory for this process, making it when it is not there.
///
/// # Errors
///
/// [`NodeError::DataDirInUse`] when another server has it.
pub(crate) async fn take_data_dir(env: &Env, dir: &Path) -> Result<Box<dyn DiskLock>, NodeError> {
    let disk = Arc::clone(&env.disk);
    let dir = dir.to_owned();
    env.blocking
        .run(move || {
            disk.create_dir_all(&dir)
                .map_err(|source| NodeError::DataDir { dir: dir.clone(), source })?;
            disk.lock(&dir.join("LOCK")).map_err(|source| {
                if source.kind() == std::io::ErrorKind::WouldBlock {
                    NodeError::DataDirInUse { dir }
                } else {
                    NodeError::DataDir { dir, source }
                }
            })
        })
        .await
}

impl DiskGuard {
    /// Watches the disk of `dir` for as long as the runtime lives.
    #[must_use]
    pub(crate) fn watch(env: Env, dir: PathBuf, free_min_bytes: u64) -> Self {
        let guard = Self { full: Arc::default() };
        let full = Arc::clone(&guard.full);
        tokio::spawn(async move {
            let mut ticks = interval(LOOK_EVERY);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                ticks.tick().await;
                let (disk, dir) = (Arc::clone(&env.disk), dir.clone());
                match env.blocking.run(move || disk.free_bytes(&dir)).await {
                    Ok(free) => note(&full, free < free_min_bytes, free),
                    Err(error) => tracing::warn!(%error, "cannot tell the free room on the disk"),
                }
            }
        });
        guard
    }

    /// Whether appends are refused for want of room.
    #[must_use]
    pub(crate) fn is_full(&self) -> bool {
        self.full.load(Ordering::Relaxed)
    }

    /// Lets an append pass, or not.
    ///
    /// # Errors
    ///
    /// [`AppendError::DiskFull`] below the watermark.
    pub(crate) fn admit(&self) -> Result<(), AppendError> {
        if self.is_full() { Err(AppendError::DiskFull) } else { Ok(()) }
    }
}

fn note(full: &AtomicBool, is_full: bool, free_bytes: u64) {
    if full.swap(is_full, Ordering::Relaxed) == is_full {
        return;
    }
    if is_full {
        tracing::error!(free_bytes, "the disk is nearly full: appends are refused, searches go on");
    } else {
        tracing::info!(free_bytes, "there is room on the disk again: appends are taken");
    }
}
