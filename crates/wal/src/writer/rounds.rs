//! Writing one round.

use std::sync::Arc;

use bytes::Bytes;
use tokio::time::Instant;
use varve_mutants::Mutant;
use varve_types::{GroupId, LogIndex};

use super::Writer;
use crate::error::IoFailure;
use crate::folder::LogFile;
use crate::format::payload::encode_mark;
use crate::format::record::{Kind, record_bytes};
use crate::format::synced_slot::{self, SLOTS};
use crate::format::{Counter, FileSequence, RecordSequence};
use crate::index::{Location, WriteId};
use crate::queue::{Item, Request, Work};
use crate::round::{Content, Round};
use crate::written::WrittenGroup;

/// A round's buffer up to this length is kept for the next.
const BUFFER_KEPT_BYTES: usize = 4 << 20;

/// Where an entry will be once its round is synced.
struct Placement {
    group: GroupId,
    index: LogIndex,
    write: WriteId,
    location: Location,
}

impl Writer {
    /// Writes one round of what is queued, or only a mark. On failure, answers with those that
    /// wait for it.
    pub(super) async fn write_round(&mut self) -> Result<(), (IoFailure, Vec<Item>)> {
        let front_bytes = self.shared.lock().queue.front_bytes();
        let first_bytes = self.mark_bytes() + front_bytes;
        if first_bytes + self.fresh_bytes() > self.room() {
            self.start_file(front_bytes).await.map_err(|failure| (failure, vec![]))?;
        }
        let file = Arc::clone(self.files.back().expect("BUG: a round has a file"));
        let offset = self.position.expect("BUG: the last file takes records");

        let mut round = Round::new(file.header.salt, offset, self.synced);
        let room = self.room() - self.mark_bytes() - self.fresh_bytes();
        let items = self.shared.lock().queue.take(room);
        if !items.is_empty() && items.iter().all(Item::is_answer) {
            answer(items);
            return Ok(());
        }
        self.push_mark(&mut round);
        let fresh = std::mem::take(&mut self.fresh);
        if fresh {
            self.push_checkpoints(&mut round);
        }
        let placements = self.push_items(&mut round, &items, file.header.sequence);
        self.unmarked = round.records() > 1;

        let (records, bytes) = (round.records(), round.bytes);
        let last = RecordSequence(round.next().0 - 1);
        let note = (records == 1).then(|| synced_slot::encode(file.header.salt, self.synced));
        let began = Instant::now();
        if let Err(failure) = self.write(round, file, note).await {
            return Err((failure, items));
        }
        (self.shared.options.on_round)(began.elapsed());
        self.synced = last;
        self.position = Some(offset + bytes as u64);
        self.publish(placements, records, bytes);
        let shrinks = items.iter().any(Item::shrinks);
        answer(items);
        if shrinks || fresh {
            self.maintain(fresh).await.map_err(|failure| (failure, vec![]))?;
        }
        Ok(())
    }

    pub(super) fn mark_bytes(&self) -> usize {
        record_bytes(16 * self.touched.len())
    }

    /// Bytes left in the last file.
    pub(super) fn room(&self) -> usize {
        match (self.files.back(), self.position) {
            (Some(file), Some(position)) => {
                usize::try_from(file.header.capacity - position).unwrap_or(usize::MAX)
            }
            _ => 0,
        }
    }

    /// What the next round must bring for a new file.
    fn fresh_bytes(&self) -> usize {
        if self.fresh { self.checkpoint_bytes() } else { 0 }
    }

    /// What the checkpoints of all groups take in a file.
    pub(super) fn checkpoint_bytes(&self) -> usize {
        self.groups.values().map(|group| record_bytes(group.checkpoint().encode().len())).sum()
    }

    fn push_mark(&mut self, round: &mut Round) {
        self.round = self.round.next();
        round.push(Content {
            kind: Kind::Mark,
            first: false,
            group: GroupId::from_number(0),
            counter: self.round,
            index: 0,
            payload: encode_mark(std::mem::take(&mut self.touched)),
        });
    }

    fn push_checkpoints(&mut self, round: &mut Round) {
        for (group, written) in &mut self.groups {
            written.counter = written.counter.next();
            self.touched.insert(*group, written.counter);
            round.push(Content {
                kind: Kind::Checkpoint,
                first: false,
                group: *group,
                counter: written.counter,
                index: 0,
                payload: written.checkpoint().encode(),
            });
        }
    }

    fn push_items(
        &mut self,
        round: &mut Round,
        items: &[Item],
        file: FileSequence,
    ) -> Vec<Placement> {
        let mut placements = Vec::with_capacity(items.len());
        for item in items {
            let Work::Record(request) = &item.work else { continue };
            let Request { group, kind, index, ref payload, write } = *request;
            let next = Counter(round.next().0);
            let mut first = false;
            let written = self.groups.entry(group).or_insert_with(|| {
                first = true;
                WrittenGroup::new(next)
            });
            if !first {
                written.counter = written.counter.next();
            }
            let counter = written.counter;
            self.touched.insert(group, counter);
            if kind == Kind::Remove {
                self.groups.remove(&group);
            } else {
                written.apply(kind, index, payload, file);
            }
            let payload = payload.clone();
            let payload_bytes = payload.len();
            let offset = round.push(Content { kind, first, group, counter, index, payload });
            if kind == Kind::Append {
                let payload_bytes = u32::try_from(payload_bytes)
                    .expect("BUG: an entry is shorter than a file, thus than u32::MAX");
                let location = Location { file, offset, payload_bytes };
                placements.push(Placement { group, index: LogIndex(index), write, location });
            }
        }
        placements
    }

    async fn write(
        &mut self,
        round: Round,
        file: Arc<LogFile>,
        note: Option<[u8; synced_slot::BYTES]>,
    ) -> Result<(), IoFailure> {
        let mut buffer = std::mem::take(&mut self.buffer);
        let job = move || {
            let sync = || file.file.sync_data().map_err(IoFailure::of("sync", &file.path));
            if Mutant::AckBeforeSync.is_planted() {
                sync()?;
            }
            round.encode(&mut buffer);
            file.file
                .write_all_at(&buffer, round.offset)
                .map_err(IoFailure::of("write to", &file.path))?;
            for (note, slot) in note.iter().flat_map(|note| SLOTS.map(|slot| (note, slot))) {
                let written = file.file.write_all_at(note, slot as u64);
                written.map_err(IoFailure::of("write to", &file.path))?;
            }
            if !Mutant::AckBeforeSync.is_planted() {
                sync()?;
            }
            Ok(buffer)
        };
        let buffer: Vec<u8> = self.shared.blocking.run(job).await?;
        if buffer.capacity() <= BUFFER_KEPT_BYTES {
            self.buffer = buffer;
        }
        Ok(())
    }

    /// Lets readers know where the entries are now.
    fn publish(&self, placements: Vec<Placement>, records: usize, bytes: usize) {
        let mut state = self.shared.lock();
        let state = &mut *state;
        for Placement { group, index, write, location } in placements {
            let log = state.groups.get_mut(&group);
            if let Some(slot) = log.and_then(|log| log.slot_mut(index, write)) {
                slot.location = Some(location);
                state.cache.synced(group, index, write);
            }
        }
        state.cache.evict(&mut state.groups);
        state.tally.rounds += 1;
        state.tally.records += records as u64;
        state.tally.written_bytes += bytes as u64;
    }
}

fn answer(items: Vec<Item>) {
    for item in items {
        if let Some(done) = item.done {
            done(match item.work {
                Work::Record(_) => Ok(()),
                Work::Answer(outcome) => outcome,
            });
        }
    }
}

impl WrittenGroup {
    /// Applies what the writer itself writes. Callers' requests were checked when they came.
    fn apply(&mut self, kind: Kind, index: u64, payload: &Bytes, file: FileSequence) {
        match kind {
            Kind::Vote => self.vote = Some(payload.clone()),
            Kind::Committed => self.committed = Some(payload.clone()),
            Kind::Append => assert!(
                self.append(LogIndex(index), file),
                "BUG: entry {index} was queued though it does not follow the log"
            ),
            Kind::Truncate => self.truncate(LogIndex(index)),
            Kind::Purge => self.purge(LogIndex(index), payload.clone()),
            Kind::Mark | Kind::Checkpoint | Kind::Remove => {}
        }
    }
}
