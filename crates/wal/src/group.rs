//! One group's log: a handle that any task may hold.

use std::future::Future;
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::sync::oneshot;
use varve_types::{GroupId, LogIndex};

use crate::error::WalError;
use crate::format::record::Kind;
use crate::index::{GroupLog, GroupState, check_served};
use crate::queue::Done;
use crate::read;
use crate::shared::State;
use crate::wal::Owner;

/// One group's log. Cloning shares it.
///
/// Every change is visible in memory, to [`WalGroup::state`] and [`WalGroup::read`], when its
/// method returns, even before the returned future is first polled; the changes of a log reach
/// the disk in the order of the calls. A future, or `done`, ends when a change is synced.
///
/// A group exists from its first change to [`WalGroup::remove`]; after that a change makes it
/// anew, empty. All calls on a quarantined group answer [`WalError::Corrupt`], except
/// [`WalGroup::remove`].
#[derive(Clone)]
pub struct WalGroup {
    owner: Arc<Owner>,
    group: GroupId,
}

impl WalGroup {
    pub(crate) const fn new(owner: Arc<Owner>, group: GroupId) -> Self {
        Self { owner, group }
    }

    /// Which group's.
    #[must_use]
    pub const fn id(&self) -> GroupId {
        self.group
    }

    /// What the log holds, with all changes called so far.
    #[must_use]
    pub fn state(&self) -> GroupState {
        let state = self.owner.shared.lock();
        state.groups.get(&self.group).map(GroupLog::state).unwrap_or_default()
    }

    /// Whether the group may be served.
    ///
    /// # Errors
    ///
    /// [`WalError::Corrupt`] when it is quarantined.
    pub fn check(&self) -> Result<(), WalError> {
        check_served(self.group, self.owner.shared.lock().groups.get(&self.group))
    }

    /// Appends entries, which must follow the last one (or, in a log without entries, the last
    /// purged one; without either they may begin anywhere). They can be read when this returns.
    /// `done` is called when they are synced, in the order of the calls on all groups; it must
    /// be quick, since the next round waits for it.
    ///
    /// # Errors
    ///
    /// To `done`: [`WalError::DiskFull`], [`WalError::Corrupt`], [`WalError::TooLarge`] and
    /// [`WalError::NotContiguous`], with nothing stored; [`WalError::Failed`] and
    /// [`WalError::Closed`].
    pub fn append(
        &self,
        entries: Vec<(LogIndex, Bytes)>,
        done: impl FnOnce(Result<(), WalError>) + Send + 'static,
    ) {
        self.owner.shared.append(self.group, entries, Box::new(done));
    }

    /// Saves the vote (opaque), also on a full disk.
    ///
    /// # Errors
    ///
    /// As [`WalGroup::remove`], and [`WalError::Corrupt`], [`WalError::TooLarge`].
    pub fn save_vote(&self, vote: Bytes) -> Outcome {
        let group = self.group;
        self.change(Kind::Vote, 0, vote.clone(), move |state| {
            state.groups.entry(group).or_default().vote = Some(vote);
        })
    }

    /// Saves the committed position (opaque). It rides with the next round, or is written within
    /// about 10 ms; a crash before that loses it, which Raft permits. Nothing is reported: when
    /// the log has failed, calls that wait say so.
    pub fn save_committed(&self, committed: Bytes) {
        let (group, payload) = (self.group, committed.clone());
        let request = (group, Kind::Committed, 0, payload);
        let change = move |state: &mut State| {
            state.groups.entry(group).or_default().committed = Some(committed);
        };
        self.owner.shared.request(request, change, None);
    }

    /// Drops all entries after `last`, or all there are.
    ///
    /// # Errors
    ///
    /// As [`WalGroup::remove`], and [`WalError::Corrupt`].
    pub fn truncate_after(&self, last: Option<LogIndex>) -> Outcome {
        let group = self.group;
        let from = LogIndex(last.map_or(0, |last| last.get().saturating_add(1)));
        self.change(Kind::Truncate, from.get(), Bytes::new(), move |state| {
            let dropped = state.groups.entry(group).or_default().truncate(from);
            state.cache.dropped(dropped);
        })
    }

    /// Drops all entries up to `upto`, whose log id (opaque) is remembered. `upto` may be past
    /// the last entry: then the log goes on after it.
    ///
    /// # Errors
    ///
    /// As [`WalGroup::remove`], and [`WalError::Corrupt`], [`WalError::TooLarge`].
    pub fn purge(&self, upto: LogIndex, log_id: Bytes) -> Outcome {
        let group = self.group;
        self.change(Kind::Purge, upto.get(), log_id.clone(), move |state| {
            let dropped = state.groups.entry(group).or_default().purge(upto, log_id);
            state.cache.dropped(dropped);
        })
    }

    /// Drops the group with all it has. The way out of quarantine.
    ///
    /// # Errors
    ///
    /// [`WalError::Failed`], [`WalError::Closed`].
    pub fn remove(&self) -> Outcome {
        let group = self.group;
        self.change(Kind::Remove, 0, Bytes::new(), move |state| {
            if let Some(mut log) = state.groups.remove(&group) {
                state.cache.dropped(log.clear());
            }
        })
    }

    /// The entries of a range that are present, in order: at least one if there is one, then
    /// as many as fit in `bytes_max`.
    ///
    /// # Errors
    ///
    /// [`WalError::Corrupt`] when an entry's bytes are damaged: it is never served.
    /// [`WalError::Failed`].
    pub async fn read(
        &self,
        range: Range<LogIndex>,
        bytes_max: usize,
    ) -> Result<Vec<(LogIndex, Bytes)>, WalError> {
        read::read(&self.owner.shared, self.group, range, bytes_max).await
    }

    /// Queues a change at once.
    fn change(
        &self,
        kind: Kind,
        index: u64,
        payload: Bytes,
        change: impl FnOnce(&mut State),
    ) -> Outcome {
        let (sender, receiver) = oneshot::channel();
        // Nobody listens when the caller gave up waiting; the change stands all the same.
        let done: Done = Box::new(move |outcome| drop(sender.send(outcome)));
        self.owner.shared.request((self.group, kind, index, payload), change, Some(done));
        Outcome(receiver)
    }
}

/// What became of a change: ready when it is synced. Dropping it does not undo the change.
#[must_use = "a change is safe only when this says so"]
#[derive(Debug)]
pub struct Outcome(oneshot::Receiver<Result<(), WalError>>);

impl Future for Outcome {
    type Output = Result<(), WalError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let received = Pin::new(&mut self.0).poll(context);
        // A sender that was dropped went with the log's task.
        received.map(|received| received.unwrap_or(Err(WalError::Closed)))
    }
}
