//! What a shard remembers of producers, so that a batch is stored once.
//!
//! Per producer the parts of the last 256 sequences, by number: the range under which each was
//! stored, where, and the digest of the whole batch. The table is a value of the log: the same
//! entries make the same table on every replica. It reads no clock (idle producers are forgotten
//! by the stamps in entries) and iterates only ordered maps.
//!
//! Copies are cheap: producers are shared until one of the copies changes them, so that a flush
//! encodes the table as it was while applying goes on.

mod format;
mod producer;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use varve_types::{BatchDigest, BatchKey, HashRange, ProducerKey, TimestampNs, limits};

use crate::{PartOutcome, Position};
use producer::{Producer, StoredPart};

/// What one producer costs beside its name and its parts: map entries, its place in the queue.
const PRODUCER_BYTES: usize = 256;

/// The producers a shard knows.
#[derive(Clone, Debug, Default)]
pub(crate) struct Dedup {
    producers: BTreeMap<ProducerKey, Arc<Producer>>,
    /// Each producer once, under a stamp not after its last; put right when its turn comes.
    idle: BTreeSet<(TimestampNs, ProducerKey)>,
    bytes: usize,
}

/// One part of a block, as far as remembering goes.
pub(crate) struct Incoming<'a> {
    pub(crate) key: &'a BatchKey,
    pub(crate) digest: BatchDigest,
    pub(crate) range: HashRange,
    pub(crate) position: Position,
    pub(crate) stamp: TimestampNs,
}

impl Dedup {
    /// About how much memory the table takes: a pure function of what it remembers, so that
    /// replicas agree on when it is full.
    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn producers(&self) -> usize {
        self.producers.len()
    }

    /// Decides what becomes of a part, and remembers it when it is stored. New producers are
    /// refused once the table takes `bytes_max` or more.
    pub(crate) fn take(&mut self, part: &Incoming<'_>, bytes_max: usize) -> PartOutcome {
        let Some(known) = self.producers.get_mut(&part.key.producer) else {
            if self.bytes >= bytes_max {
                return PartOutcome::TooManyProducers;
            }
            self.insert(part.key.producer.clone(), Producer::new(part.stored(), part.stamp));
            return PartOutcome::Stored { position: part.position };
        };
        let known = Arc::make_mut(known);
        known.touch(part.stamp);
        if let Some(settled) = known.recall(part.key.sequence, part.digest, part.range) {
            return settled;
        }
        let before = known.bytes();
        known.remember(part.stored());
        self.bytes = self.bytes - before + known.bytes();
        PartOutcome::Stored { position: part.position }
    }

    /// Forgets the producers that were idle for seven days at `now`.
    pub(crate) fn forget_idle(&mut self, now: TimestampNs) {
        let horizon = now.saturating_add_ns(-limits::PRODUCER_IDLE_NS);
        while self.idle.first().is_some_and(|(queued, _)| *queued <= horizon) {
            let Some((_, key)) = self.idle.pop_first() else { return };
            let Some(producer) = self.producers.get(&key) else {
                continue;
            };
            if producer.last_seen() > horizon {
                self.idle.insert((producer.last_seen(), key));
            } else {
                self.bytes -= cost(&key, producer);
                self.producers.remove(&key);
            }
        }
    }

    /// Takes over what another table remembers. The order in which tables are merged does not
    /// matter.
    pub(crate) fn merge(&mut self, other: &Self) {
        for (key, producer) in &other.producers {
            match self.producers.get_mut(key) {
                None => self.insert(key.clone(), Producer::clone(producer)),
                Some(known) => {
                    let known = Arc::make_mut(known);
                    let before = known.bytes();
                    known.merge(producer);
                    self.bytes = self.bytes - before + known.bytes();
                }
            }
        }
    }

    fn insert(&mut self, key: ProducerKey, producer: Producer) {
        self.bytes += cost(&key, &producer);
        self.idle.insert((producer.last_seen(), key.clone()));
        self.producers.insert(key, Arc::new(producer));
    }
}

/// Two tables are equal when they remember the same, whatever their queues look like.
impl PartialEq for Dedup {
    fn eq(&self, other: &Self) -> bool {
        self.producers == other.producers && self.bytes == other.bytes
    }
}

impl Incoming<'_> {
    const fn stored(&self) -> StoredPart {
        StoredPart {
            sequence: self.key.sequence,
            range: self.range,
            position: self.position,
            digest: self.digest,
        }
    }
}

fn cost(key: &ProducerKey, producer: &Producer) -> usize {
    PRODUCER_BYTES + key.producer.as_str().len() + producer.bytes()
}
