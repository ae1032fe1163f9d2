//! The log as a whole: opening, its groups, its condition, its end.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

use tokio::sync::watch;
use varve_env::Env;
use varve_types::GroupId;

use crate::error::WalError;
use crate::group::WalGroup;
use crate::index::GroupLog;
use crate::options::WalOptions;
use crate::queue::Queue;
use crate::recovery::{Recovered, RecoveryReport, recover};
use crate::shared::{Shared, State};
use crate::stats::{Pin, Tally, WalStats};
use crate::writer::Writer;

/// The write-ahead log of one disk, shared by all groups on it. Cloning shares it. When the last
/// clone and the last group are dropped, what was queued is written and the log closes.
#[derive(Clone)]
pub struct Wal {
    owner: Arc<Owner>,
}

/// Closes the log when nobody holds it any longer.
pub(crate) struct Owner {
    pub(crate) shared: Arc<Shared>,
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.shared.close();
    }
}

impl Wal {
    /// Opens the log in `dir`, made when it is not there, and starts its task on the current
    /// runtime. The caller holds the lock that keeps other processes out.
    ///
    /// Damage does not fail it: the report names it, with the groups of which nothing is served.
    ///
    /// # Errors
    ///
    /// [`WalError::Options`]; [`WalError::Open`] when the disk answers with errors, or is full
    /// before there is a first file; [`WalError::Version`].
    pub async fn open(
        env: &Env,
        dir: &Path,
        options: WalOptions,
    ) -> Result<(Self, RecoveryReport), WalError> {
        options.check()?;
        let job = {
            let (disk, dir, options) = (Arc::clone(&env.disk), dir.to_owned(), options.clone());
            move || recover(disk, &dir, &options)
        };
        let Recovered { folder, replay, files, next_file, position, next, mut report } =
            env.blocking.run(job).await?;

        let (ended, watch_ended) = watch::channel(false);
        let state = State {
            groups: replay.logs,
            queue: Queue::default(),
            cache: replay.cache,
            files: files.iter().map(|file| (file.header.sequence, Arc::clone(file))).collect(),
            next_write: replay.next_write,
            closing: false,
            full: false,
            failed: None,
            tally: Tally::default(),
            pin: None,
        };
        let shared = Arc::new(Shared::new(state, env.blocking.clone(), options, watch_ended));
        let written: BTreeMap<_, _> =
            replay.groups.into_iter().map(|(group, replayed)| (group, replayed.written)).collect();
        let mut writer = Writer {
            shared: Arc::clone(&shared),
            folder: Arc::new(Mutex::new(folder)),
            random: env.random.clone(),
            groups: written,
            files,
            next_file,
            // Of a last file without a second round, or with damage, nobody knows whether all
            // checkpoints can be read.
            fresh: replay.marks_in_file <= 1 || !report.damages.is_empty(),
            position,
            synced: crate::format::RecordSequence(next.0 - 1),
            round: replay.round,
            touched: replay.touched,
            unmarked: report.records > 0,
            buffer: Vec::new(),
            ended,
        };
        writer.prepare().await?;
        report.full = shared.lock().full;
        tokio::spawn(writer.run());
        Ok((Self { owner: Arc::new(Owner { shared }) }, report))
    }

    /// Every group there is, quarantined ones too, ascending.
    #[must_use]
    pub fn groups(&self) -> Vec<GroupId> {
        self.owner.shared.lock().groups.keys().copied().collect()
    }

    /// The log of a group, whether it exists yet or not.
    #[must_use]
    pub fn group(&self, group: GroupId) -> WalGroup {
        WalGroup::new(Arc::clone(&self.owner), group)
    }

    /// Whether the disk is full: appends are refused, all else goes through on the reserve.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.owner.shared.lock().full
    }

    /// The group that keeps the oldest file from being freed; `None` when only the newest file
    /// has live entries. Quarantined groups, which cannot be made to flush, are not named.
    #[must_use]
    pub fn pinning(&self) -> Option<Pin> {
        self.owner.shared.lock().pin
    }

    /// Counters and sizes.
    #[must_use]
    pub fn stats(&self) -> WalStats {
        let state = self.owner.shared.lock();
        let Tally { rounds, records, written_bytes } = state.tally;
        WalStats {
            rounds,
            records,
            written_bytes,
            files: state.files.len(),
            file_bytes: state.files.values().map(|file| file.header.capacity).sum(),
            entries: state.groups.values().map(GroupLog::entries).sum(),
            cached_bytes: state.cache.bytes(),
        }
    }

    /// Writes what is queued and ends the log's task; later calls answer
    /// [`WalError::Closed`].
    ///
    /// # Errors
    ///
    /// [`WalError::Failed`] when the log failed, now or before.
    pub async fn shutdown(&self) -> Result<(), WalError> {
        self.owner.shared.close();
        let mut ended = self.owner.shared.ended.clone();
        // An error says that the task is gone with its runtime: there is nothing to wait for.
        drop(ended.wait_for(|ended| *ended).await);
        match &self.owner.shared.lock().failed {
            Some(message) => Err(WalError::Failed { message: Arc::clone(message) }),
            None => Ok(()),
        }
    }
}
