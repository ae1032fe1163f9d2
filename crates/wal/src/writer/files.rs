//! The files under the writer: starting the next, freeing the oldest, noticing a full disk.

use std::sync::{Arc, PoisonError};

use super::Writer;
use crate::error::IoFailure;
use crate::folder::{Folder, LogFile};
use crate::format::file_header::FileHeader;
use crate::format::{FileSequence, RECORDS_START};
use crate::stats::Pin;
use crate::written::WrittenGroup;

impl Writer {
    /// Starts the next file, with room for the checkpoints and for a record of `front_bytes`.
    pub(super) async fn start_file(&mut self, front_bytes: usize) -> Result<(), IoFailure> {
        let needed = RECORDS_START + self.mark_bytes() + self.checkpoint_bytes() + front_bytes;
        let header = FileHeader {
            sequence: self.next_file,
            salt: self.random.next_u64(),
            first: self.synced.next(),
            capacity: needed.next_multiple_of(RECORDS_START) as u64,
            round: self.round.next(),
        };
        let file = Arc::new(self.in_folder(move |folder| folder.start_log(header)).await?);
        self.shared.lock().files.insert(header.sequence, Arc::clone(&file));
        self.files.push_back(file);
        self.next_file = FileSequence(self.next_file.0 + 1);
        self.position = Some(RECORDS_START as u64);
        self.fresh = true;
        Ok(())
    }

    /// Frees files that no group needs, tells who needs the oldest, and, when files came or went,
    /// sees to spare and reserve.
    pub(super) async fn maintain(&mut self, files_changed: bool) -> Result<(), IoFailure> {
        let freed = self.take_unneeded();
        self.publish_pin();
        if freed.is_empty() && !files_changed {
            return Ok(());
        }
        let ample = self
            .in_folder(move |folder| {
                // Oldest first, each durably: a crash leaves the log without a hole.
                freed.iter().try_for_each(|log| folder.free(log))?;
                folder.replenish()
            })
            .await?;
        let was_full = std::mem::replace(&mut self.shared.lock().full, !ample);
        match (was_full, ample) {
            (false, false) => tracing::warn!(
                "the write-ahead log's disk is full: appends are refused until there is room again"
            ),
            (true, true) => tracing::info!("the write-ahead log's disk has room again"),
            _ => {}
        }
        Ok(())
    }

    /// Takes out of the log what stands before the oldest file with a live entry. Hard state
    /// needs no older file than the last: each begins with a checkpoint of every group.
    fn take_unneeded(&mut self) -> Vec<Arc<LogFile>> {
        let oldest = self.groups.values().filter_map(WrittenGroup::oldest).map(|(file, _)| file);
        let needed = oldest.min();
        let mut freed = Vec::new();
        // Until the last file has its checkpoints, hard state may be in the one before it.
        let keep = if self.fresh { 2 } else { 1 };
        while self.files.len() > keep
            && needed.is_none_or(|needed| self.files[0].header.sequence < needed)
        {
            freed.extend(self.files.pop_front());
        }
        if !freed.is_empty() {
            let mut state = self.shared.lock();
            for log in &freed {
                state.files.remove(&log.header.sequence);
            }
        }
        freed
    }

    fn publish_pin(&self) {
        let lagging = self.groups.iter().filter(|(_, written)| !written.quarantined);
        let oldest = lagging
            .filter_map(|(group, written)| {
                written.oldest().map(|(file, upto)| (file, *group, upto))
            })
            .min();
        let newest = self.files.back().map(|file| file.header.sequence);
        let pin = oldest.filter(|(file, ..)| newest.is_some_and(|newest| *file < newest));
        let before_newest = self.files.len().saturating_sub(1);
        let held_bytes =
            self.files.iter().take(before_newest).map(|file| file.header.capacity).sum();
        self.shared.lock().pin = pin.map(|(_, group, upto)| Pin { group, upto, held_bytes });
    }

    /// Does something with the folder where blocking is allowed.
    async fn in_folder<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Folder) -> T + Send + 'static,
    ) -> T {
        let folder = Arc::clone(&self.folder);
        let job = move || job(&mut folder.lock().unwrap_or_else(PoisonError::into_inner));
        self.shared.blocking.run(job).await
    }
}
