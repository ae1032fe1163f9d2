//! Rebuilding the groups from what a scan found, and deciding whose chain of records is proven.
//!
//! A group is suspect from the moment its chain shows a gap: a counter that skips, a mark that
//! lists a later counter than was seen, entries that do not follow. Damage is harmless, and the
//! suspicion lifted, once later records make it so: a checkpoint restores hard state, a purge
//! takes away entries that may be wrong. When the gaps found do not add up to the records that
//! were lost, every group that shows no sign of life after the damage is suspect too.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use varve_types::{GroupId, LogIndex};

use super::replayed::{Replayed, Verdict};
use super::scan::Found;
use crate::cache::Cache;
use crate::format::payload::{Checkpoint, decode_mark};
use crate::format::record::{Kind, RecordHeader};
use crate::format::{Counter, FileSequence, RecordSequence};
use crate::index::{GroupLog, Location, Slot, WriteId};

/// A place where synced bytes cannot be read back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Damage {
    pub(crate) file: PathBuf,
    pub(crate) offset: u64,
    pub(crate) what: &'static str,
}

/// The reconstruction of a whole log.
pub(crate) struct Replay {
    pub(crate) groups: BTreeMap<GroupId, Replayed>,
    pub(crate) logs: BTreeMap<GroupId, GroupLog>,
    pub(crate) cache: Cache,
    pub(crate) next_write: WriteId,
    pub(crate) damages: Vec<Damage>,
    pub(crate) touched: BTreeMap<GroupId, Counter>,
    pub(crate) round: Counter,
    pub(crate) records: u64,
    /// Marks seen in the current file.
    pub(crate) marks_in_file: usize,
    /// Groups removed, with the counter of the removal.
    removed: BTreeMap<GroupId, Counter>,
    /// Records lost, and how many of them are known to be whose.
    lost: u64,
    accounted: u64,
    /// The two cannot be compared: some loss has no count.
    unaccountable: bool,
    /// The first record after the last loss.
    lost_end: RecordSequence,
}

impl Replay {
    pub(crate) fn new(cache_bytes: usize) -> Self {
        Self {
            groups: BTreeMap::new(),
            logs: BTreeMap::new(),
            cache: Cache::new(cache_bytes),
            next_write: WriteId(0),
            damages: Vec::new(),
            touched: BTreeMap::new(),
            round: Counter(0),
            records: 0,
            marks_in_file: 0,
            removed: BTreeMap::new(),
            lost: 0,
            accounted: 0,
            unaccountable: false,
            lost_end: RecordSequence(0),
        }
    }

    /// Takes in what a scan found in a file. A torn end is not the replay's business.
    pub(crate) fn found(&mut self, file: FileSequence, path: &Path, found: &Found<'_>) {
        match *found {
            Found::Record { offset, header, payload } => self.record(file, offset, header, payload),
            Found::BadPayload { offset, header } => self.bad_payload(file, path, offset, header),
            Found::Lost { offset, from, to } => {
                self.damage(path, offset, "synced records cannot be read");
                self.lose(from, to);
            }
            Found::Torn { .. } => {}
        }
    }

    /// Notes a damage that later findings are blamed on.
    pub(crate) fn damage(&mut self, path: &Path, offset: u64, what: &'static str) {
        self.damages.push(Damage { file: path.to_owned(), offset, what });
    }

    /// Records are missing from one sequence up to, not including, another.
    pub(crate) fn lose(&mut self, from: RecordSequence, to: RecordSequence) {
        self.lost = self.lost.saturating_add(to.0.saturating_sub(from.0));
        self.lost_end = to;
    }

    /// Nobody knows how many records are missing before this one.
    pub(crate) const fn lose_unknown(&mut self, to: RecordSequence) {
        self.unaccountable = true;
        self.lost_end = to;
    }

    fn record(&mut self, file: FileSequence, offset: u64, header: RecordHeader, payload: &[u8]) {
        self.records += 1;
        if header.kind == Kind::Mark {
            return self.mark(header, payload);
        }
        self.follow_chain(&header);
        self.apply(file, offset, &header, Some(payload));
    }

    fn bad_payload(&mut self, file: FileSequence, path: &Path, offset: u64, header: RecordHeader) {
        self.records += 1;
        self.damage(path, offset, "a synced record fails its checksum");
        if header.kind == Kind::Mark {
            // The header is whole, so no record is missing: only the list of proofs is.
            return self.count_round(header.counter);
        }
        self.follow_chain(&header);
        if header.kind == Kind::Append {
            // In its place, so that the entries after it follow; never served.
            self.apply(file, offset, &header, None);
            let last = self.damages.len() - 1;
            if let Some(group) = self.groups.get_mut(&header.group) {
                group.bad.insert(LogIndex(header.index), last);
            }
        } else {
            self.suspect(header.group);
        }
    }

    fn count_round(&mut self, round: Counter) {
        self.marks_in_file += 1;
        let missed = round.0.saturating_sub(self.round.0).saturating_sub(1);
        self.accounted = self.accounted.saturating_add(missed);
        self.round = round;
    }

    fn mark(&mut self, header: RecordHeader, payload: &[u8]) {
        self.count_round(header.counter);
        self.touched.clear();
        // The first mark speaks of a round in a file that was freed.
        if self.records == 1 && self.damages.is_empty() {
            return;
        }
        for (group, counter) in decode_mark(payload) {
            let Some(replayed) = self.groups.get_mut(&group) else {
                if self.removed.get(&group).is_none_or(|removed| *removed < counter) {
                    // At least the listed record is lost.
                    self.accounted = self.accounted.saturating_add(1);
                    self.found_missing(group, counter);
                }
                continue;
            };
            if replayed.written.counter != counter {
                let missed = counter.0.saturating_sub(replayed.written.counter.0);
                self.accounted = self.accounted.saturating_add(missed);
                replayed.written.counter = counter;
                self.suspect(group);
            } else {
                replayed.proven = header.sequence;
            }
        }
    }

    /// Checks that a group's record follows its last one, and makes the group when it is new.
    fn follow_chain(&mut self, header: &RecordHeader) {
        let (group, counter) = (header.group, header.counter);
        self.touched.insert(group, counter);
        if header.first {
            // A removal before it may be lost, but nothing from before it counts any longer.
            self.forget(group);
        }
        match self.groups.get_mut(&group) {
            Some(replayed) => {
                let expected = replayed.written.counter.next();
                replayed.written.counter = counter;
                if counter == expected {
                    replayed.proven = header.sequence;
                } else {
                    let missed = counter.0.saturating_sub(expected.0);
                    self.accounted = self.accounted.saturating_add(missed);
                    self.suspect(group);
                }
            }
            None => {
                // A group begins with its first record, or with a checkpoint in the first file.
                self.found_missing(group, counter);
                if header.first || header.kind == Kind::Checkpoint {
                    self.lift(group);
                } else {
                    // At least the record before it is lost.
                    self.accounted = self.accounted.saturating_add(1);
                }
                if let Some(replayed) = self.groups.get_mut(&group) {
                    replayed.proven = header.sequence;
                }
            }
        }
    }

    /// Makes a group of which records are missing.
    fn found_missing(&mut self, group: GroupId, counter: Counter) {
        self.groups.insert(group, Replayed::new(counter));
        self.logs.insert(group, GroupLog::default());
        self.suspect(group);
    }

    fn apply(
        &mut self,
        file: FileSequence,
        offset: u64,
        header: &RecordHeader,
        payload: Option<&[u8]>,
    ) {
        let group = header.group;
        let index = LogIndex(header.index);
        let payload = payload.map(Bytes::copy_from_slice);
        let (Some(replayed), Some(log)) = (self.groups.get_mut(&group), self.logs.get_mut(&group))
        else {
            return;
        };
        match header.kind {
            Kind::Mark => {}
            Kind::Vote => {
                replayed.written.vote.clone_from(&payload);
                log.vote = payload;
            }
            Kind::Committed => {
                replayed.written.committed.clone_from(&payload);
                log.committed = payload;
            }
            Kind::Append => {
                let location = Location { file, offset, payload_bytes: header.payload_bytes };
                self.append(group, index, location, payload);
            }
            Kind::Truncate => {
                replayed.written.truncate(index);
                replayed.bad.split_off(&index);
                replayed.narrow(LogIndex(0), index.get().checked_sub(1).map(LogIndex));
                self.cache.dropped(log.truncate(index));
            }
            Kind::Purge => {
                let log_id = payload.unwrap_or_default();
                replayed.written.purge(index, log_id.clone());
                let next = LogIndex(index.get().saturating_add(1));
                replayed.bad = replayed.bad.split_off(&next);
                replayed.narrow(next, Some(LogIndex(u64::MAX)));
                self.cache.dropped(log.purge(index, log_id));
            }
            Kind::Checkpoint => match payload.as_deref().and_then(Checkpoint::decode) {
                Some(checkpoint) => self.checkpoint(group, checkpoint),
                None => self.suspect(group),
            },
            Kind::Remove => {
                self.forget(group);
                self.removed.insert(group, header.counter);
            }
        }
    }

    fn append(
        &mut self,
        group: GroupId,
        index: LogIndex,
        location: Location,
        bytes: Option<Bytes>,
    ) {
        let (Some(replayed), Some(log)) = (self.groups.get_mut(&group), self.logs.get_mut(&group))
        else {
            return;
        };
        // Of a log without entries the counters alone prove what follows: entries before this one
        // may have been in a file that was freed since.
        let follows = log.entries() == 0 || log.next() == Some(index);
        if index.get() == u64::MAX || !follows || !replayed.written.append(index, location.file) {
            return self.suspect(group);
        }
        let write = self.next_write;
        self.next_write = WriteId(write.0 + 1);
        self.cache.added(bytes.as_ref().map_or(0, Bytes::len));
        log.push(index, Slot { write, bytes, location: Some(location) });
        self.cache.synced(group, index, write);
        self.cache.evict(&mut self.logs);
    }

    /// Compares with what was replayed.
    fn checkpoint(&mut self, group: GroupId, checkpoint: Checkpoint) {
        let (Some(replayed), Some(log)) = (self.groups.get_mut(&group), self.logs.get_mut(&group))
        else {
            return;
        };
        match replayed.reconcile(&checkpoint) {
            Verdict::Agrees => {}
            Verdict::Contradicts => self.suspect(group),
            Verdict::BeginsAnew => {
                self.cache.dropped(log.clear());
                *log = GroupLog::from_checkpoint(checkpoint);
            }
        }
    }

    fn suspect(&mut self, group: GroupId) {
        let damage = self.damages.len().checked_sub(1);
        if let Some(replayed) = self.groups.get_mut(&group) {
            replayed.suspect(damage);
        }
    }

    fn lift(&mut self, group: GroupId) {
        if let Some(replayed) = self.groups.get_mut(&group) {
            replayed.suspicion = None;
        }
    }

    fn forget(&mut self, group: GroupId) {
        self.groups.remove(&group);
        if let Some(mut log) = self.logs.remove(&group) {
            self.cache.dropped(log.clear());
        }
    }

    /// Whether the records that are missing are known to be of certain groups only.
    pub(crate) const fn is_accounted(&self) -> bool {
        !self.unaccountable && self.lost == self.accounted
    }

    /// Groups that must not be served, and the damage each is blamed on.
    pub(crate) fn quarantined(&self) -> BTreeMap<GroupId, Option<usize>> {
        let accounted = self.is_accounted();
        let last = self.damages.len().checked_sub(1);
        let blame = |replayed: &Replayed| match replayed.blame() {
            None if !accounted && replayed.proven < self.lost_end => Some(last),
            blame => blame,
        };
        let groups = self.groups.iter();
        groups.filter_map(|(group, replayed)| Some((*group, blame(replayed)?))).collect()
    }
}
