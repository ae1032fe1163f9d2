//! What callers asked for and no round has taken yet, in the order they asked.

use std::collections::{BTreeSet, VecDeque};

use bytes::Bytes;
use varve_types::GroupId;

use crate::error::WalError;
use crate::format::record::{Kind, record_bytes};
use crate::index::WriteId;
use crate::options::ROUND_BYTES_MAX;

/// Called once with the outcome, on the log's task.
pub(crate) type Done = Box<dyn FnOnce(Result<(), WalError>) + Send>;

/// A record to be written.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) group: GroupId,
    pub(crate) kind: Kind,
    /// As in the record's header.
    pub(crate) index: u64,
    pub(crate) payload: Bytes,
    /// Of the entry, when it is one.
    pub(crate) write: WriteId,
}

/// One place in the queue.
pub(crate) struct Item {
    pub(crate) work: Work,
    pub(crate) done: Option<Done>,
}

/// What a place in the queue is there for.
#[derive(Debug)]
pub(crate) enum Work {
    Record(Request),
    /// Nothing to write, but the answer must not overtake those before it.
    Answer(Result<(), WalError>),
}

impl Item {
    fn record_bytes(&self) -> usize {
        match &self.work {
            Work::Record(request) => record_bytes(request.payload.len()),
            Work::Answer(_) => 0,
        }
    }

    /// Whether nothing is written for it.
    pub(crate) const fn is_answer(&self) -> bool {
        matches!(self.work, Work::Answer(_))
    }

    /// Whether files may be freed after it.
    pub(crate) fn shrinks(&self) -> bool {
        let Work::Record(request) = &self.work else { return false };
        matches!(request.kind, Kind::Truncate | Kind::Purge | Kind::Remove)
    }

    /// Whether it may wait for others to ride with: only what nobody waits for.
    const fn is_patient(&self) -> bool {
        self.done.is_none()
            && matches!(&self.work, Work::Record(Request { kind: Kind::Committed, .. }))
    }
}

/// The queue of one log.
#[derive(Default)]
pub(crate) struct Queue {
    items: VecDeque<Item>,
    impatient: usize,
}

impl Queue {
    pub(crate) fn push(&mut self, item: Item) {
        self.impatient += usize::from(!item.is_patient());
        self.items.push_back(item);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Whether somebody waits, so that a round must begin.
    pub(crate) const fn is_urgent(&self) -> bool {
        self.impatient > 0
    }

    /// What the first record takes in a file; 0 without one.
    pub(crate) fn front_bytes(&self) -> usize {
        self.items.iter().map(Item::record_bytes).find(|bytes| *bytes > 0).unwrap_or(0)
    }

    /// Takes what goes into the next round, if `room` bytes are left in the file.
    pub(crate) fn take(&mut self, room: usize) -> Vec<Item> {
        let mut taken = Vec::new();
        let mut bytes = 0;
        while let Some(item) = self.items.front() {
            let more = item.record_bytes();
            if bytes + more > room || (bytes > 0 && bytes + more > ROUND_BYTES_MAX) {
                break;
            }
            bytes += more;
            self.impatient -= usize::from(!item.is_patient());
            taken.extend(self.items.pop_front());
        }
        drop_overtaken(&mut taken);
        taken
    }

    /// Takes everything, to be answered without being written.
    pub(crate) fn take_all(&mut self) -> VecDeque<Item> {
        self.impatient = 0;
        std::mem::take(&mut self.items)
    }
}

/// Of a group's committed positions in one round only the last matters.
fn drop_overtaken(items: &mut Vec<Item>) {
    let mut later = BTreeSet::new();
    let mut keep = vec![true; items.len()];
    for (item, keep) in items.iter().zip(&mut keep).rev() {
        if let (true, Work::Record(request)) = (item.is_patient(), &item.work) {
            *keep = later.insert(request.group);
        }
    }
    let mut keep = keep.into_iter();
    items.retain(|_| keep.next().unwrap_or(true));
}
