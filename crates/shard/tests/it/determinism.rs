//! Replicas that flush and restart at different times agree on everything.

use std::sync::Arc;

use proptest::prelude::*;
use varve_env::Disk;
use varve_env::sim::SimDisk;
use varve_shard::{Command, FlushJob, Origin, Outcome, Shard, Successor};
use varve_types::{HashRange, LogIndex, ShardId, TimestampNs};

use crate::world::{self, Entry, LEAF_BITS, PartOf};

fn part() -> impl Strategy<Value = PartOf> {
    let range = (0..=LEAF_BITS).prop_flat_map(|bits| {
        (0..1u64 << bits).prop_map(move |prefix| HashRange::new(bits, prefix).expect("fits"))
    });
    let digest = prop_oneof![19 => Just(0u8), 1 => Just(1u8)];
    (0u8..4, 1u64..8, digest, range).prop_map(|(producer, sequence, digest, range)| PartOf {
        producer,
        sequence,
        digest,
        range,
    })
}

fn command() -> impl Strategy<Value = Option<Command>> {
    let block = proptest::collection::vec(part(), 1..5).prop_map(|parts| world::block(&parts));
    let rotten = (part(), any::<proptest::sample::Index>(), 1u8..).prop_map(|(part, at, flip)| {
        let mut bytes = world::block(&[part]).to_vec();
        let at = at.index(bytes.len());
        bytes[at] ^= flip;
        bytes.into()
    });
    prop_oneof![
        20 => block.prop_map(|bytes| Some(Command::Block(bytes))),
        1 => rotten.prop_map(|bytes| Some(Command::Block(bytes))),
        2 => Just(None),
        1 => Just(Some(Command::Inherit { tables: Vec::new() })),
    ]
}

const DAY_NS: i64 = 24 * 3600 * 1_000_000_000;

fn log() -> impl Strategy<Value = Vec<Entry>> {
    // Leaders' clocks go back, stand, and jump over the days after which producers are forgotten.
    let step = prop_oneof![10 => -1_000i64..1_000, 1 => Just(6 * DAY_NS)];
    proptest::collection::vec((command(), step), 1..40).prop_map(|entries| {
        let mut stamp = 0;
        let mut log = Vec::new();
        for (command, step) in entries {
            stamp += step;
            let index = LogIndex(log.len() as u64 + 1);
            log.push(Entry { index, stamp: TimestampNs(stamp), command });
        }
        let successors = vec![Successor { shard: ShardId(8), range: HashRange::WHOLE }];
        let command = Some(Command::Seal { successors });
        log.push(Entry {
            index: LogIndex(log.len() as u64 + 1),
            stamp: TimestampNs(stamp),
            command,
        });
        log
    })
}

/// What a replica does after an entry.
#[derive(Clone, Copy, Debug)]
enum Then {
    Nothing,
    TakeFlush,
    FinishFlush,
    Restart,
}

fn schedule() -> impl Strategy<Value = Vec<Then>> {
    let then = prop_oneof![
        6 => Just(Then::Nothing),
        3 => Just(Then::TakeFlush),
        3 => Just(Then::FinishFlush),
        1 => Just(Then::Restart),
    ];
    proptest::collection::vec(then, 1..12)
}

/// A forgotten producer's batch may come again, which is the stated end of the promise; the rows
/// are then compared by place alone.
fn seen(shard: &Shard) -> world::Rows {
    let view = shard.view();
    world::rows_by_place(&view)
}

fn replica(
    disk: &Arc<dyn Disk>,
    log: &[Entry],
    schedule: &[Then],
) -> (Shard, Vec<Option<Outcome>>) {
    let mut shard = world::open(disk, Origin::First);
    let mut outcomes: Vec<Option<Outcome>> = Vec::new();
    let mut job: Option<FlushJob> = None;
    for (at, entry) in log.iter().enumerate() {
        outcomes.push(world::feed(&mut shard, entry));
        match schedule[at % schedule.len()] {
            Then::Nothing => {}
            Then::TakeFlush => job = job.or_else(|| shard.flush_job()),
            Then::FinishFlush => {
                if let Some(job) = job.take() {
                    let before = (shard.view(), seen(&shard));
                    shard.finish_flush(job.run()).expect("flushes");
                    assert_eq!(seen(&shard), before.1, "a flush moves rows and changes none");
                    assert_eq!(world::rows_by_place(&before.0), before.1, "views stay as they are");
                }
            }
            Then::Restart => {
                job = None;
                shard = world::open(disk, Origin::First);
                let durable = shard.applied().map(|applied| {
                    assert_eq!(applied.position, world::position(applied.index));
                    applied.index
                });
                for (entry, outcome) in log[..=at].iter().zip(&outcomes) {
                    if Some(entry.index) > durable {
                        assert_eq!(&world::feed(&mut shard, entry), outcome);
                    }
                }
            }
        }
    }
    if let Some(job) = job {
        shard.finish_flush(job.run()).expect("flushes");
    }
    (shard, outcomes)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn replicas_agree_whatever_they_flush_when(log in log(), one in schedule(), other in schedule()) {
        let disks = [SimDisk::new().mount(), SimDisk::new().mount()];
        let (mut a, outcomes_a) = replica(&disks[0], &log, &one);
        let (mut b, outcomes_b) = replica(&disks[1], &log, &other);
        prop_assert_eq!(outcomes_a, outcomes_b);
        let state = |shard: &Shard| {
            let view = shard.view();
            let hours = view.event_hours().expect("reads");
            (view.applied, view.phase, view.rows, view.digest, hours, shard.export_dedup())
        };
        prop_assert_eq!(state(&a), state(&b));
        prop_assert_eq!(seen(&a), seen(&b));
        let before = state(&a);
        for shard in [&mut a, &mut b] {
            world::flush(shard).expect("flushes");
            prop_assert!(!shard.needs_flush());
            prop_assert_eq!((shard.tail_bytes(), shard.view().tail.len()), (0, 0));
            for segment in shard.view().segments.iter() {
                segment.verify().expect("is whole");
            }
        }
        prop_assert_eq!(&state(&a), &before);
        prop_assert_eq!(&state(&b), &before);
        let [closed_a, closed_b] = [&a, &b].map(|shard| shard.closed().expect("is sealed"));
        prop_assert_eq!(
            (closed_a.rows, closed_a.digest, closed_a.hours),
            (closed_b.rows, closed_b.digest, closed_b.hours)
        );
        let reopened = world::open(&disks[0], Origin::First);
        prop_assert_eq!(state(&reopened), before);
    }
}
