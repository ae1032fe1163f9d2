//! Applying the log: a pure, deterministic step from a state and an entry to an outcome.
//!
//! The state is a function of the entries alone. It reads no clock and no file, and no command
//! makes it panic: what the leader should have refused is rejected here in the same way on every
//! replica.

use std::ops::Range;

use bytes::Bytes;
use varve_columnar::Block;
use varve_mutants::Mutant;
use varve_types::{ContentDigest, LogIndex, RowNumber, ShardId, TimestampNs};

use crate::dedup::{Dedup, Incoming};
use crate::{Command, Outcome, PartOutcome, Phase, Position, Rejection, TailBlock};

/// What the entries so far have come to, but for the rows themselves.
#[derive(Clone, Debug)]
pub(crate) struct State {
    pub(crate) shard: ShardId,
    pub(crate) phase: Phase,
    pub(crate) applied: Option<LogIndex>,
    pub(crate) last_stamp: TimestampNs,
    pub(crate) rows: u64,
    pub(crate) digest: ContentDigest,
    pub(crate) volume: Volume,
    pub(crate) dedup: Dedup,
}

/// What the blocks that were kept so far come to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Volume {
    /// How many there were.
    pub blocks: u64,
    /// As they were encoded, bytes.
    pub bytes: u64,
}

impl State {
    pub(crate) fn new(shard: ShardId, phase: Phase) -> Self {
        Self {
            shard,
            phase,
            applied: None,
            last_stamp: TimestampNs::MIN,
            rows: 0,
            digest: ContentDigest::EMPTY,
            volume: Volume::default(),
            dedup: Dedup::default(),
        }
    }

    /// Takes one entry. Answers what came of it, and the block when it has rows to keep.
    pub(crate) fn apply(
        &mut self,
        index: LogIndex,
        stamp: TimestampNs,
        command: &Command,
        dedup_bytes_max: usize,
    ) -> (Outcome, Option<TailBlock>) {
        assert!(
            self.applied.is_none_or(|applied| applied < index),
            "BUG: shard {}: entry {index} applied after {:?}",
            self.shard,
            self.applied
        );
        self.applied = Some(index);
        self.last_stamp = self.last_stamp.max(stamp);
        if let Phase::Sealed { successors } = &self.phase
            && !Mutant::SealWithoutFence.is_planted()
        {
            let successors = successors.clone();
            return (Outcome::Rejected(Rejection::Sealed { successors }), None);
        }
        match (command, &self.phase) {
            (Command::Inherit { tables }, Phase::AwaitingInherit) => (self.inherit(tables), None),
            (Command::Inherit { .. }, _) => (Outcome::Inherited, None),
            (_, Phase::AwaitingInherit) => (Outcome::Rejected(Rejection::NotOpen), None),
            (Command::Seal { successors }, _) => {
                self.phase = Phase::Sealed { successors: successors.clone() };
                (Outcome::Sealed, None)
            }
            (Command::Block(bytes), _) => self.block(index, bytes, dedup_bytes_max),
        }
    }

    fn inherit(&mut self, tables: &[Bytes]) -> Outcome {
        let mut inherited = Dedup::default();
        let mut last_stamp = self.last_stamp;
        for (number, table) in tables.iter().enumerate() {
            match Dedup::decode(table) {
                Ok((table, stamp)) => {
                    inherited.merge(&table);
                    last_stamp = last_stamp.max(stamp);
                }
                Err(error) => {
                    let what = format!("inherited table {number}: {error}");
                    return Outcome::Rejected(Rejection::Corrupt { what });
                }
            }
        }
        if !Mutant::InheritSkipped.is_planted() {
            self.dedup = inherited;
        }
        self.last_stamp = last_stamp;
        self.phase = Phase::Open;
        Outcome::Inherited
    }

    fn block(
        &mut self,
        index: LogIndex,
        bytes: &Bytes,
        dedup_bytes_max: usize,
    ) -> (Outcome, Option<TailBlock>) {
        let block = match open_block(bytes) {
            Ok(block) => block,
            Err(what) => return (Outcome::Rejected(Rejection::Corrupt { what }), None),
        };
        self.dedup.forget_idle(self.last_stamp);
        let mut outcomes = Vec::with_capacity(block.parts().len());
        let mut dead: Vec<Range<u32>> = Vec::new();
        let mut stored_any = false;
        for part in block.parts() {
            let rows = part.rows.end - part.rows.start;
            let position =
                Position { shard: self.shard, index, row: RowNumber(part.rows.start), rows };
            let incoming = Incoming {
                key: &part.key,
                digest: part.batch_digest,
                range: part.range,
                position,
                stamp: self.last_stamp,
            };
            let outcome = self.dedup.take(&incoming, dedup_bytes_max);
            if matches!(outcome, PartOutcome::Stored { .. }) {
                stored_any = true;
                self.rows += u64::from(rows);
                self.digest += part.content.at(index);
            } else {
                bury(&mut dead, part.rows.clone());
            }
            outcomes.push(outcome);
        }
        let kept = stored_any
            .then(|| TailBlock::new(index, self.last_stamp, block, dead, bytes.len() as u64));
        if let Some(block) = &kept {
            self.volume.blocks += 1;
            self.volume.bytes += block.encoded_bytes();
        }
        (Outcome::Block(outcomes), kept)
    }
}

/// Opens a block whose parts are all of its rows, in order.
fn open_block(bytes: &Bytes) -> Result<Block, String> {
    let block = Block::open(bytes.clone()).map_err(|error| error.to_string())?;
    // Costs little, and a damaged page would make every flush fail, for ever.
    block.table().verify_checksums().map_err(|error| error.to_string())?;
    let mut next = 0;
    for part in block.parts() {
        if part.rows.start != next || part.rows.is_empty() {
            return Err("block: its parts are not its rows in order".to_owned());
        }
        next = part.rows.end;
    }
    if u64::from(next) != block.table().rows() {
        return Err("block: its parts are not all of its rows".to_owned());
    }
    Ok(block)
}

/// Adds rows to ascending dead ranges, joined with the last where they touch.
fn bury(dead: &mut Vec<Range<u32>>, rows: Range<u32>) {
    match dead.last_mut() {
        Some(last) if last.end == rows.start => last.end = rows.end,
        _ => dead.push(rows),
    }
}
