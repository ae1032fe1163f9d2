//! One group's Raft log, kept in the write-ahead log that all groups of the node share.
//!
//! openraft hands over votes and entries in one order, and the log keeps that order. An append is
//! reported when its bytes are synced, from the log's own thread and in order.

use std::fmt::Debug;
use std::io;
use std::ops::{Bound, RangeBounds};
use std::sync::{Arc, OnceLock};

use openraft::storage::{IOFlushed, RaftLogStorage};
use openraft::{LogState, OptionalSend, RaftLogReader};
use varve_types::LogIndex;
use varve_wal::{WalError, WalGroup};

use crate::codec::{
    decode_entry, decode_log_id, decode_vote, encode_entry, encode_log_id, encode_vote,
};
use crate::raft_types::{Entry, LogId, Types, Vote};

/// One message to a peer stays below this many bytes of entries, so that it passes a transport
/// whose messages end at 4 MiB; a single larger entry still goes as one.
const MESSAGE_BYTES_MAX: usize = 3 << 20;

/// One read of the log at most, when all of a range is asked for.
const READ_BYTES_MAX: usize = 16 << 20;

/// The log of one group. Clones read the same log.
#[derive(Clone)]
pub(crate) struct LogStore(WalGroup);

impl LogStore {
    pub(crate) const fn new(group: WalGroup) -> Self {
        Self(group)
    }

    async fn read(&self, from: u64, to: u64, bytes_max: usize) -> io::Result<Vec<Entry>> {
        let read = self.0.read(LogIndex(from)..LogIndex(to), bytes_max).await;
        read.map_err(io_error)?
            .into_iter()
            .map(|(index, bytes)| decode_entry(index, bytes).map_err(io::Error::from))
            .collect()
    }
}

fn io_error(error: WalError) -> io::Error {
    io::Error::other(error)
}

impl RaftLogReader<Types> for LogStore {
    async fn try_get_log_entries<RB: RangeBounds<u64> + Clone + Debug + OptionalSend>(
        &mut self,
        range: RB,
    ) -> io::Result<Vec<Entry>> {
        let state = self.0.state();
        let (Some(first), Some(last)) = (state.first, state.last) else { return Ok(Vec::new()) };
        let start = match range.start_bound() {
            Bound::Included(index) => *index,
            Bound::Excluded(index) => index.saturating_add(1),
            Bound::Unbounded => 0,
        };
        let end = match range.end_bound() {
            Bound::Included(index) => index.saturating_add(1),
            Bound::Excluded(index) => *index,
            Bound::Unbounded => u64::MAX,
        };
        let (mut next, end) = (start.max(first.get()), end.min(last.get().saturating_add(1)));
        let mut entries = Vec::new();
        while next < end {
            let read = self.read(next, end, READ_BYTES_MAX).await?;
            let Some(last) = read.last() else {
                let what = format!("the log has no entry {next}, though it has {last}");
                return Err(io::Error::new(io::ErrorKind::InvalidData, what));
            };
            next = last.log_id.index() + 1;
            entries.extend(read);
        }
        Ok(entries)
    }

    async fn read_vote(&mut self) -> io::Result<Option<Vote>> {
        Ok(self.0.state().vote.map(decode_vote).transpose()?)
    }

    async fn limited_get_log_entries(&mut self, start: u64, end: u64) -> io::Result<Vec<Entry>> {
        self.read(start, end, MESSAGE_BYTES_MAX).await
    }
}

impl RaftLogStorage<Types> for LogStore {
    type LogReader = Self;

    async fn get_log_state(&mut self) -> io::Result<LogState<Types>> {
        let state = self.0.state();
        let last_purged_log_id = state.purged.map(|(_, bytes)| decode_log_id(bytes)).transpose()?;
        let last_log_id = match state.last {
            Some(last) => {
                let read = self.read(last.get(), last.get() + 1, MESSAGE_BYTES_MAX).await?;
                read.first().map(|entry| entry.log_id)
            }
            None => last_purged_log_id,
        };
        Ok(LogState { last_purged_log_id, last_log_id })
    }

    async fn get_log_reader(&mut self) -> Self {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote) -> io::Result<()> {
        self.0.save_vote(encode_vote(vote)).await.map_err(io_error)
    }

    async fn save_committed(&mut self, committed: Option<LogId>) -> io::Result<()> {
        if let Some(id) = committed {
            self.0.save_committed(encode_log_id(&id));
        }
        Ok(())
    }

    async fn read_committed(&mut self) -> io::Result<Option<LogId>> {
        let state = self.0.state();
        let committed = state.committed.map(decode_log_id).transpose()?;
        // The committed position is not synced before it is used, so a crash may leave one that
        // is older than the log, but never one that is newer: entries were synced first.
        Ok(committed)
    }

    async fn append<I>(&mut self, entries: I, callback: IOFlushed<Types>) -> io::Result<()>
    where
        I: IntoIterator<Item = Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let encoded = entries
            .into_iter()
            .map(|entry| (LogIndex(entry.log_id.index()), encode_entry(&entry)))
            .collect();
        let refused = Arc::new(OnceLock::new());
        let told = Arc::clone(&refused);
        self.0.append(encoded, move |done| {
            if let Err(error) = &done {
                // There is one answer to an append.
                let _ = told.set(error.to_string());
            }
            callback.io_completed(done.map_err(io_error));
        });
        // What is refused at once is not in the log. Nothing may go on as if it were: a follower
        // would find that it is committed, read nothing, and take that for applied.
        match refused.get() {
            Some(why) => Err(io::Error::other(why.clone())),
            None => Ok(()),
        }
    }

    async fn truncate_after(&mut self, last: Option<LogId>) -> io::Result<()> {
        let last = last.map(|id| LogIndex(id.index()));
        self.0.truncate_after(last).await.map_err(io_error)
    }

    async fn purge(&mut self, id: LogId) -> io::Result<()> {
        self.0.purge(LogIndex(id.index()), encode_log_id(&id)).await.map_err(io_error)
    }
}

#[cfg(test)]
pub(crate) mod tests;
