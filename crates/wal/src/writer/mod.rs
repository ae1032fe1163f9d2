//! The one task that writes: takes what is queued, writes and syncs it as one round, answers.
//!
//! Whoever comes while a round is being synced rides with the next: the disk's own slowness
//! makes the groups of group commit, and an idle log waits for nobody.

mod files;
mod rounds;

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};
use varve_env::Random;
use varve_types::GroupId;

use crate::error::{IoFailure, WalError};
use crate::folder::{Folder, LogFile};
use crate::format::{Counter, FileSequence, RecordSequence};
use crate::options::{FULL_RETRY, IDLE};
use crate::queue::Item;
use crate::shared::Shared;
use crate::written::WrittenGroup;

/// All that the writing task knows.
pub(crate) struct Writer {
    pub(crate) shared: Arc<Shared>,
    /// In a lock only to lend it to blocking jobs.
    pub(crate) folder: Arc<Mutex<Folder>>,
    pub(crate) random: Random,
    pub(crate) groups: BTreeMap<GroupId, WrittenGroup>,
    /// The log's files, oldest first; the last is written to.
    pub(crate) files: VecDeque<Arc<LogFile>>,
    /// Of the next file.
    pub(crate) next_file: FileSequence,
    /// Where in the last file the next round goes; `None` when that file takes no more.
    pub(crate) position: Option<u64>,
    /// The last file does not have all groups' checkpoints yet: the next round brings them.
    pub(crate) fresh: bool,
    /// Every record up to it is synced.
    pub(crate) synced: RecordSequence,
    /// Of the last round.
    pub(crate) round: Counter,
    /// Groups with records since the last mark, and the counters of their last ones.
    pub(crate) touched: BTreeMap<GroupId, Counter>,
    /// The last round holds more than a mark, so that a mark should follow it.
    pub(crate) unmarked: bool,
    /// Kept for its room.
    pub(crate) buffer: Vec<u8>,
    /// Set when the task ends.
    pub(crate) ended: watch::Sender<bool>,
}

/// What the task does next.
enum Step {
    Write,
    Replenish,
    End,
}

impl Writer {
    /// Gives the log its first file and its spares, before the task runs.
    pub(crate) async fn prepare(&mut self) -> Result<(), WalError> {
        self.maintain(true).await?;
        if self.position.is_none() {
            self.start_file(0).await?;
            self.maintain(true).await?;
        }
        Ok(())
    }

    /// Runs until the log is closed or fails.
    pub(crate) async fn run(mut self) {
        let mut idle_at = None;
        let mut retry_at = None;
        loop {
            let outcome = match self.next_step(&mut idle_at, &mut retry_at).await {
                Step::Write => {
                    idle_at = None;
                    self.write_round().await
                }
                Step::Replenish => self.maintain(true).await.map_err(|failure| (failure, vec![])),
                Step::End => break,
            };
            if let Err((failure, pending)) = outcome {
                self.fail(&failure, pending);
                break;
            }
        }
        self.ended.send_replace(true);
    }

    async fn next_step(
        &self,
        idle_at: &mut Option<Instant>,
        retry_at: &mut Option<Instant>,
    ) -> Step {
        loop {
            let (urgent, waiting, closing, full) = {
                let state = self.shared.lock();
                let queue = &state.queue;
                (queue.is_urgent(), !queue.is_empty(), state.closing, state.full)
            };
            if urgent {
                return Step::Write;
            }
            let waiting = waiting || (self.unmarked && (!full || self.mark_bytes() <= self.room()));
            if closing {
                return if waiting { Step::Write } else { Step::End };
            }
            let now = Instant::now();
            if !waiting {
                *idle_at = None;
            } else if *idle_at.get_or_insert(now + IDLE) <= now {
                return Step::Write;
            }
            if !full {
                *retry_at = None;
            } else if *retry_at.get_or_insert(now + FULL_RETRY) <= now {
                *retry_at = None;
                return Step::Replenish;
            }
            let woken = self.shared.wake.notified();
            match [*idle_at, *retry_at].into_iter().flatten().min() {
                None => woken.await,
                // Woken or late: either way the loop looks again.
                Some(at) => drop(timeout_at(at, woken).await),
            }
        }
    }

    /// Ends the log: everybody is told, and the process is to end.
    fn fail(&self, failure: &IoFailure, pending: Vec<Item>) {
        let message = failure.fatal();
        let queued = {
            let mut state = self.shared.lock();
            state.failed = Some(Arc::clone(&message));
            state.queue.take_all()
        };
        (self.shared.options.on_fatal)(&message);
        for item in pending.into_iter().chain(queued) {
            if let Some(done) = item.done {
                done(Err(WalError::Failed { message: Arc::clone(&message) }));
            }
        }
    }
}
