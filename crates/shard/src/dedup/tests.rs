//! The table against a naive one that keeps everything and looks at single leaves of the hash
//! space; and its bytes.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use varve_types::{
    BatchDigest, BatchKey, Epoch, HashRange, LogIndex, ProducerId, ProducerKey, RowNumber,
    Sequence, ShardId, TenantId, TimestampNs, limits,
};

use super::{Dedup, Incoming};
use crate::{PartOutcome, Position};

const LEAF_BITS: u8 = 3;
const DAY_NS: i64 = 24 * 3600 * 1_000_000_000;

fn leaves(range: HashRange) -> BTreeSet<HashRange> {
    HashRange::split_space(LEAF_BITS).filter(|leaf| range.covers(*leaf)).collect()
}

fn key(producer: u8, sequence: u64) -> BatchKey {
    let name = ["a", "b", "a-long-name.for_a-producer"][usize::from(producer) % 3];
    BatchKey {
        producer: ProducerKey {
            tenant: TenantId(u32::from(producer) / 6),
            producer: ProducerId::new(name).expect("a name"),
            epoch: Epoch(u32::from(producer) / 3 % 2),
        },
        sequence: Sequence::new(sequence).expect("from 1"),
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Remembered {
    sequence: u64,
    range: HashRange,
    digest: u8,
    position: Position,
}

#[derive(Clone, Debug, Default)]
struct Model(BTreeMap<ProducerKey, (TimestampNs, Vec<Remembered>)>);

#[derive(Debug, PartialEq)]
enum Decision {
    New,
    Duplicate(Vec<Position>),
    Left(BTreeSet<HashRange>),
    Conflict,
    Forgotten(u64),
}

impl Model {
    fn take(&mut self, producer: &ProducerKey, part: Remembered, now: TimestampNs) -> Decision {
        self.0.retain(|_, (seen, _)| now.get() - seen.get() < limits::PRODUCER_IDLE_NS);
        let (seen, parts) = self.0.entry(producer.clone()).or_insert((now, Vec::new()));
        *seen = now;
        let highest = parts.iter().map(|part| part.sequence).max().unwrap_or(0);
        if part.sequence + 256 <= highest {
            return Decision::Forgotten(highest - 255);
        }
        let same = parts.iter().filter(|known| known.sequence == part.sequence);
        let same: Vec<Remembered> = same.copied().collect();
        if same.iter().any(|known| known.digest != part.digest) {
            return Decision::Conflict;
        }
        let wanted = leaves(part.range);
        let stored: BTreeSet<_> = same.iter().flat_map(|known| leaves(known.range)).collect();
        if stored.is_disjoint(&wanted) {
            parts.push(part);
            return Decision::New;
        }
        let left: BTreeSet<_> = wanted.difference(&stored).copied().collect();
        if !left.is_empty() {
            return Decision::Left(left);
        }
        let over = same.iter().filter(|known| !leaves(known.range).is_disjoint(&wanted));
        let mut positions: Vec<Position> = over.map(|known| known.position).collect();
        positions.sort();
        positions.dedup();
        Decision::Duplicate(positions)
    }

    fn merge(&mut self, other: &Self) {
        for (producer, (seen, parts)) in &other.0 {
            let mine = self.0.entry(producer.clone()).or_insert((*seen, Vec::new()));
            mine.0 = mine.0.max(*seen);
            for part in parts {
                if !mine.1.contains(part) {
                    mine.1.push(*part);
                }
            }
        }
    }
}

fn decision(outcome: PartOutcome) -> Decision {
    match outcome {
        PartOutcome::Stored { .. } => Decision::New,
        PartOutcome::Duplicate { stored } => {
            let mut positions: Vec<Position> = stored.iter().map(|part| part.position).collect();
            positions.sort();
            positions.dedup();
            Decision::Duplicate(positions)
        }
        PartOutcome::Uncovered { left, .. } => {
            Decision::Left(left.into_iter().flat_map(leaves).collect())
        }
        PartOutcome::Conflict => Decision::Conflict,
        PartOutcome::Forgotten { lowest } => Decision::Forgotten(lowest.get()),
        PartOutcome::TooManyProducers => panic!("the budget is endless here"),
    }
}

#[derive(Clone, Debug)]
enum Op {
    Part {
        side: usize,
        producer: u8,
        sequence: u64,
        digest: u8,
        range: HashRange,
    },
    Wait {
        ns: i64,
    },
    /// Both sides are sealed, and their two successors inherit from both.
    Inherit,
    /// Both sides restart from their bytes.
    Restart,
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let range = (0..=LEAF_BITS).prop_flat_map(|bits| {
        (0..1u64 << bits).prop_map(move |prefix| HashRange::new(bits, prefix).expect("fits"))
    });
    let sequence = prop_oneof![6 => 1u64..6, 2 => 1u64..300, 1 => 250u64..600];
    let digest = prop_oneof![9 => Just(0u8), 1 => Just(1u8)];
    let part = (0..2usize, 0u8..8, sequence, digest, range).prop_map(
        |(side, producer, sequence, digest, range)| Op::Part {
            side,
            producer,
            sequence,
            digest,
            range,
        },
    );
    let op = prop_oneof![
        40 => part,
        2 => (0..8 * DAY_NS).prop_map(|ns| Op::Wait { ns }),
        1 => Just(Op::Inherit),
        1 => Just(Op::Restart),
    ];
    proptest::collection::vec(op, 0..200)
}

fn restarted(table: &Dedup, now: TimestampNs) -> Dedup {
    let bytes = table.encode(now);
    let (read, stamp) = Dedup::decode(&bytes).expect("reads back");
    assert_eq!(stamp, now);
    assert_eq!(&read, table);
    read
}

proptest! {
    #[test]
    fn it_decides_as_a_table_that_keeps_everything(ops in ops()) {
        let mut tables = [Dedup::default(), Dedup::default()];
        let mut models = [Model::default(), Model::default()];
        let mut now = TimestampNs(0);
        for (at, op) in ops.into_iter().enumerate() {
            match op {
                Op::Part { side, producer, sequence, digest, range } => {
                    let key = key(producer, sequence);
                    let position = Position {
                        shard: ShardId(side as u64 + 1),
                        index: LogIndex(at as u64),
                        row: RowNumber(7),
                        rows: 3,
                    };
                    tables[side].forget_idle(now);
                    let incoming = Incoming {
                        key: &key, digest: BatchDigest(digest.into()), range, position, stamp: now,
                    };
                    let got = decision(tables[side].take(&incoming, usize::MAX));
                    let part = Remembered { sequence, range, digest, position };
                    prop_assert_eq!(got, models[side].take(&key.producer, part, now));
                }
                Op::Wait { ns } => now = now.saturating_add_ns(ns),
                Op::Inherit => {
                    let (mut ab, mut ba) = (tables[0].clone(), tables[1].clone());
                    ab.merge(&tables[1]);
                    ba.merge(&tables[0]);
                    prop_assert_eq!(&ab, &ba, "the order of predecessors does not matter");
                    tables = [ab, ba];
                    let other = models[1].clone();
                    models[0].merge(&other);
                    models[1] = models[0].clone();
                }
                Op::Restart => tables = tables.map(|table| restarted(&table, now)),
            }
        }
        for table in &tables {
            restarted(table, now);
        }
    }

    #[test]
    fn no_bytes_make_reading_panic(
        bytes: Vec<u8>,
        flip in any::<proptest::sample::Index>(),
        bit in 0u8..8,
    ) {
        prop_assert!(Dedup::decode(&bytes).is_err());
        // Past the checksum, so that the structure's own checks are met too.
        let framed = crate::frame::wrap(b"VARVEDUP", 1, &bytes);
        let _ = Dedup::decode(&framed);
        let mut table = Dedup::default();
        for n in 1..40u8 {
            let position =
                Position { shard: ShardId(1), index: LogIndex(9), row: RowNumber(0), rows: 1 };
            let key = key(n % 5, u64::from(n));
            table.take(&Incoming {
                key: &key, digest: BatchDigest(1), range: HashRange::WHOLE, position,
                stamp: TimestampNs(5),
            }, usize::MAX);
        }
        let mut good = table.encode(TimestampNs(6));
        let at = flip.index(good.len());
        good[at] ^= 1 << bit;
        prop_assert!(Dedup::decode(&good).is_err(), "a flipped bit shows");
        let payload_end = good.len() - 4;
        if (18..payload_end).contains(&at) {
            let _ = Dedup::decode(&crate::frame::wrap(b"VARVEDUP", 1, &good[18..payload_end]));
        }
    }
}

fn take(table: &mut Dedup, producer: &str, sequence: u64, bytes_max: usize) -> PartOutcome {
    let key = BatchKey::parse(TenantId(0), &format!("{producer}:0:{sequence}")).expect("a key");
    let position =
        Position { shard: ShardId(1), index: LogIndex(sequence), row: RowNumber(0), rows: 1 };
    let (digest, range, stamp) = (BatchDigest(1), HashRange::WHOLE, TimestampNs(0));
    table.take(&Incoming { key: &key, digest, range, position, stamp }, bytes_max)
}

#[test]
fn a_full_table_refuses_new_producers_and_serves_those_it_knows() {
    let bytes_max = 100_000;
    let mut table = Dedup::default();
    let stored = |outcome: PartOutcome| matches!(outcome, PartOutcome::Stored { .. });
    let fitted =
        (0..).take_while(|n| stored(take(&mut table, &format!("p{n}"), 1, bytes_max))).count();
    assert!((100..1_000).contains(&fitted), "{fitted}");
    assert_eq!(take(&mut table, "another", 1, bytes_max), PartOutcome::TooManyProducers);
    assert!(stored(take(&mut table, "p0", 2, bytes_max)));
    let again = take(&mut table, "p1", 1, bytes_max);
    assert!(matches!(again, PartOutcome::Duplicate { .. }), "none is evicted: {again:?}");
    table.forget_idle(TimestampNs(limits::PRODUCER_IDLE_NS));
    assert_eq!((table.producers(), table.bytes()), (0, 0));
    assert!(stored(take(&mut table, "another", 1, bytes_max)));
}

#[test]
fn a_producer_takes_no_more_than_256_sequences() {
    let mut table = Dedup::default();
    for sequence in 1..=1_000 {
        take(&mut table, "p", sequence, usize::MAX);
    }
    assert!(table.bytes() < 256 * 100 + 1_000, "{}", table.bytes());
    assert!(matches!(take(&mut table, "p", 745, usize::MAX), PartOutcome::Duplicate { .. }));
    let lowest = Sequence::new(745).expect("from 1");
    assert_eq!(take(&mut table, "p", 744, usize::MAX), PartOutcome::Forgotten { lowest });
    take(&mut table, "p", u64::MAX, usize::MAX);
    assert!(matches!(take(&mut table, "p", 1_000, usize::MAX), PartOutcome::Forgotten { .. }));
}
