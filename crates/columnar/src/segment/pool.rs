//! The rows of a merge on their way: read group by group, held until their time has come, and
//! handed out in strips.
//!
//! Groups are read in order of their earliest time. A row is *ready* once no group that is still
//! unread can hold an earlier one. While there are ready rows enough a strip is cut from them;
//! memory running short, one is cut from what is there, whole groups first, so that they can go:
//! then strips overlap in time, and searches read more of them.

use std::collections::VecDeque;

use crate::error::FormatError;
use crate::segment::input::{DecodedGroup, Input, RowKey};
use crate::segment::owners::Owners;
use crate::table::bounds::{GROUP_BYTES, GROUP_MESSAGE_BYTES, GROUP_ROWS_MAX};

/// How many full groups make a strip: enough that the rows of one service lie together, few
/// enough that a search of the newest rows reads little.
const STRIP_GROUPS: usize = 8;

/// How much a group holds, in the measure of [`weight`].
const GROUP_WEIGHT: usize = GROUP_MESSAGE_BYTES;

/// How many groups are read before the caller may pause.
const READS_PER_CALL: usize = STRIP_GROUPS;

/// What the pool has to give.
pub(super) enum Next {
    /// Rows that follow each other in time, sorted by owner, then by time and place.
    Strip(Vec<RowKey>),
    /// Nothing yet: more groups are to be read.
    NotYet,
    /// No row before the time asked for is left, but later ones are.
    Passed,
    /// No row is left.
    End,
}

/// A group that was not read yet.
struct Unread {
    min_time: i64,
    input: usize,
    group: usize,
}

/// A group that was read.
struct Loaded {
    group: DecodedGroup,
    /// Rows that are not ready, in order of time.
    waiting: Vec<RowKey>,
    /// How many rows were not written yet.
    left: usize,
}

/// The rows of a merge on their way.
pub(super) struct Pool {
    inputs: Vec<Input>,
    unread: VecDeque<Unread>,
    /// By slot; `None` once all rows of the group are written.
    loaded: Vec<Option<Loaded>>,
    /// Slots before this one have no row waiting.
    first_waiting: usize,
    loaded_bytes: usize,
    loaded_bytes_max: usize,
    /// In order of time.
    ready: Vec<RowKey>,
    ready_weight: usize,
    owners: Owners,
}

impl Pool {
    pub(super) fn new(inputs: Vec<Input>, loaded_bytes_max: usize) -> Self {
        let mut unread = Vec::new();
        for (number, input) in inputs.iter().enumerate() {
            for (group, meta) in input.table.groups().iter().enumerate() {
                if !input.live_in(group).is_empty() {
                    unread.push(Unread { min_time: meta.min_time.get(), input: number, group });
                }
            }
        }
        unread.sort_by_key(|unread| unread.min_time);
        Self {
            inputs,
            unread: unread.into(),
            loaded: Vec::new(),
            first_waiting: 0,
            loaded_bytes: 0,
            loaded_bytes_max,
            ready: Vec::new(),
            ready_weight: 0,
            owners: Owners::default(),
        }
    }

    /// Whether every row was handed out.
    pub(super) fn is_empty(&self) -> bool {
        self.unread.is_empty() && self.ready.is_empty() && self.first_with_waiting().is_none()
    }

    /// The next strip, of rows before `until` where that is given.
    pub(super) fn next_strip(&mut self, until: Option<i64>) -> Result<Next, FormatError> {
        let mut reads = 0;
        while self.ready_weight < STRIP_GROUPS * GROUP_WEIGHT
            && let Some(next) = self.unread.front()
        {
            let is_whole = until.is_some_and(|until| until <= next.min_time);
            if is_whole && self.ready.first().is_some_and(|key| Some(key.time) < until) {
                break;
            }
            if self.loaded_bytes > self.loaded_bytes_max {
                self.hurry();
                break;
            }
            if reads == READS_PER_CALL {
                return Ok(Next::NotYet);
            }
            self.read_next()?;
            reads += 1;
        }
        if self.is_empty() {
            return Ok(Next::End);
        }
        let strip = self.cut(until);
        Ok(if strip.is_empty() { Next::Passed } else { Next::Strip(strip) })
    }

    /// The group in a slot, some of whose rows are not written.
    pub(super) fn group(&self, slot: u32) -> &DecodedGroup {
        let loaded = self.loaded[slot as usize].as_ref();
        &loaded.expect("BUG: a group is dropped only when all its rows are written").group
    }

    /// Forgets rows that were written.
    pub(super) fn release(&mut self, written: &[RowKey]) {
        for key in written {
            let slot = &mut self.loaded[key.slot as usize];
            if let Some(loaded) = slot {
                loaded.left -= 1;
                if loaded.left == 0 {
                    self.loaded_bytes -= loaded.group.bytes;
                    *slot = None;
                }
            }
        }
    }

    fn read_next(&mut self) -> Result<(), FormatError> {
        let Some(Unread { input, group, .. }) = self.unread.pop_front() else {
            return Ok(());
        };
        let slot = self.loaded.len() as u32;
        let (group, waiting) = self.inputs[input].load(group, slot, &mut self.owners)?;
        self.loaded_bytes += group.bytes;
        self.loaded.push(Some(Loaded { group, left: waiting.len(), waiting }));
        let frontier = self.unread.front().map(|unread| unread.min_time);
        for slot in self.first_waiting..self.loaded.len() {
            let Some(loaded) = &self.loaded[slot] else { continue };
            let count = match frontier {
                Some(time) => loaded.waiting.partition_point(|key| key.time < time),
                None => loaded.waiting.len(),
            };
            self.make_ready(slot, count);
        }
        self.ready.sort_by_key(|key| key.time);
        self.first_waiting = self.first_with_waiting().unwrap_or(self.loaded.len());
        Ok(())
    }

    /// Makes rows of whole groups ready before their time, the earliest read first, until there
    /// are enough for a strip.
    fn hurry(&mut self) {
        while self.ready_weight < STRIP_GROUPS * GROUP_WEIGHT
            && let Some(slot) = self.first_with_waiting()
        {
            self.make_ready(slot, usize::MAX);
            self.first_waiting = slot + 1;
        }
        self.ready.sort_by_key(|key| key.time);
    }

    /// Makes the first `count` waiting rows of a slot ready, or all when there are fewer.
    fn make_ready(&mut self, slot: usize, count: usize) {
        if let Some(loaded) = &mut self.loaded[slot] {
            let count = count.min(loaded.waiting.len());
            self.ready_weight += loaded.waiting[..count].iter().map(weight).sum::<usize>();
            self.ready.extend(loaded.waiting.drain(..count));
        }
    }

    fn first_with_waiting(&self) -> Option<usize> {
        let has_waiting =
            |slot: &Option<Loaded>| slot.as_ref().is_some_and(|loaded| !loaded.waiting.is_empty());
        (self.first_waiting..self.loaded.len()).find(|&slot| has_waiting(&self.loaded[slot]))
    }

    /// Takes a strip off the front of the ready rows.
    fn cut(&mut self, until: Option<i64>) -> Vec<RowKey> {
        let mut cut_weight = 0;
        let mut count = 0;
        for key in &self.ready {
            let is_past = until.is_some_and(|until| key.time >= until);
            if is_past || (count > 0 && cut_weight + weight(key) > STRIP_GROUPS * GROUP_WEIGHT) {
                break;
            }
            cut_weight += weight(key);
            count += 1;
        }
        self.ready_weight -= cut_weight;
        let mut strip: Vec<RowKey> = self.ready.drain(..count).collect();
        let ranks = self.owners.ranks();
        let order = |key: &RowKey| (ranks[key.owner as usize], key.time, key.index, key.number);
        strip.sort_by_key(order);
        strip
    }
}

/// How much of a group a row takes: the most that it takes of any bound of groups, in bytes of
/// messages.
fn weight(key: &RowKey) -> usize {
    const PER_ROW: usize = GROUP_MESSAGE_BYTES / GROUP_ROWS_MAX as usize;
    const PER_BYTE: usize = GROUP_BYTES / GROUP_MESSAGE_BYTES;
    (key.message_bytes as usize).max(key.bytes as usize / PER_BYTE).max(PER_ROW)
}
