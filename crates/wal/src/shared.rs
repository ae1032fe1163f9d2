//! What the callers and the writer share: the groups in memory, the queue, and what state the
//! log is in. One lock, held for short and never across an await or a file operation.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::{Notify, watch};
use varve_env::Blocking;
use varve_types::{GroupId, LogIndex};

use crate::cache::Cache;
use crate::error::WalError;
use crate::folder::LogFile;
use crate::format::FileSequence;
use crate::format::record::Kind;
use crate::index::{GroupLog, Slot, WriteId, check_served};
use crate::options::WalOptions;
use crate::queue::{Done, Item, Queue, Request, Work};
use crate::stats::{Pin, Tally};

/// Shared by the callers and the writer.
pub(crate) struct Shared {
    state: Mutex<State>,
    /// Something was queued, or the log is to close.
    pub(crate) wake: Notify,
    pub(crate) blocking: Blocking,
    pub(crate) options: WalOptions,
    /// Becomes `true`, or loses its sender, when the writer has ended.
    pub(crate) ended: watch::Receiver<bool>,
}

/// Under the lock.
pub(crate) struct State {
    pub(crate) groups: BTreeMap<GroupId, GroupLog>,
    pub(crate) queue: Queue,
    pub(crate) cache: Cache,
    /// Every file that a slot may name.
    pub(crate) files: BTreeMap<FileSequence, Arc<LogFile>>,
    pub(crate) next_write: WriteId,
    pub(crate) closing: bool,
    pub(crate) full: bool,
    pub(crate) failed: Option<Arc<str>>,
    pub(crate) tally: Tally,
    pub(crate) pin: Option<Pin>,
}

impl Shared {
    pub(crate) fn new(
        state: State,
        blocking: Blocking,
        options: WalOptions,
        ended: watch::Receiver<bool>,
    ) -> Self {
        Self { state: Mutex::new(state), wake: Notify::new(), blocking, options, ended }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues entries; they can be read when this returns. A refusal is answered in its turn.
    pub(crate) fn append(&self, group: GroupId, entries: Vec<(LogIndex, Bytes)>, done: Done) {
        let mut state = self.lock();
        if let Err(error) = state.check_running() {
            drop(state);
            return done(Err(error));
        }
        match state.check_append(group, &entries, self.options.payload_bytes_max()) {
            Ok(()) => state.push_entries(group, entries, done),
            Err(error) => {
                state.queue.push(Item { work: Work::Answer(Err(error)), done: Some(done) });
            }
        }
        drop(state);
        self.wake.notify_one();
    }

    /// Queues what `change` does to a group, which it has done in memory when this returns.
    /// Refused changes are answered at once: only appends need their answers in order.
    pub(crate) fn request(
        &self,
        (group, kind, index, payload): (GroupId, Kind, u64, Bytes),
        change: impl FnOnce(&mut State),
        done: Option<Done>,
    ) {
        let mut state = self.lock();
        let (bytes, bytes_max) = (payload.len(), self.options.payload_bytes_max());
        let checked = state.check_running().and_then(|()| {
            if kind != Kind::Remove {
                check_served(group, state.groups.get(&group))?;
            }
            if bytes > bytes_max {
                return Err(WalError::TooLarge { group, bytes, bytes_max });
            }
            Ok(())
        });
        if let Err(error) = checked {
            drop(state);
            if let Some(done) = done {
                done(Err(error));
            }
            return;
        }
        change(&mut state);
        let write = state.next_write;
        let request = Request { group, kind, index, payload, write };
        // The writer needs no waking for what is patient while it already waits to carry some.
        let was_empty = state.queue.is_empty();
        let patient = done.is_none();
        state.queue.push(Item { work: Work::Record(request), done });
        drop(state);
        if was_empty || !patient {
            self.wake.notify_one();
        }
    }

    /// Lets the writer finish what is queued and end.
    pub(crate) fn close(&self) {
        self.lock().closing = true;
        self.wake.notify_one();
    }
}

impl State {
    pub(crate) fn check_running(&self) -> Result<(), WalError> {
        match &self.failed {
            Some(message) => Err(WalError::Failed { message: Arc::clone(message) }),
            None if self.closing => Err(WalError::Closed),
            None => Ok(()),
        }
    }

    fn check_append(
        &self,
        group: GroupId,
        entries: &[(LogIndex, Bytes)],
        bytes_max: usize,
    ) -> Result<(), WalError> {
        let log = self.groups.get(&group);
        check_served(group, log)?;
        if self.full {
            return Err(WalError::DiskFull);
        }
        let mut next = log.and_then(GroupLog::next);
        for (index, bytes) in entries {
            let (index, bytes) = (*index, bytes.len());
            let expected = next.unwrap_or(index);
            if index != expected || index.get() == u64::MAX {
                return Err(WalError::NotContiguous { group, index, expected });
            }
            if bytes > bytes_max {
                return Err(WalError::TooLarge { group, bytes, bytes_max });
            }
            next = Some(index.next());
        }
        Ok(())
    }

    fn push_entries(&mut self, group: GroupId, entries: Vec<(LogIndex, Bytes)>, done: Done) {
        let Some(last) = entries.len().checked_sub(1) else {
            return self.queue.push(Item { work: Work::Answer(Ok(())), done: Some(done) });
        };
        let log = self.groups.entry(group).or_default();
        let mut done = Some(done);
        for (nth, (index, bytes)) in entries.into_iter().enumerate() {
            let write = self.next_write;
            self.next_write = WriteId(write.0 + 1);
            self.cache.added(bytes.len());
            log.push(index, Slot { write, bytes: Some(bytes.clone()), location: None });
            let request =
                Request { group, kind: Kind::Append, index: index.get(), payload: bytes, write };
            let done = if nth == last { done.take() } else { None };
            self.queue.push(Item { work: Work::Record(request), done });
        }
    }
}
