//! A shard's life: inheriting, taking writes, being sealed; and what each batch is told.

use expect_test::expect;
use varve_env::sim::SimDisk;
use varve_shard::{Command, Origin, Outcome, PartOutcome, Rejection, Shard, Successor};
use varve_types::{HashRange, LogIndex, ShardId, TimestampNs};

use crate::world::{self, PartOf, whole};

fn shard(origin: Origin) -> Shard {
    world::open(&SimDisk::new().mount(), origin)
}

/// Applies a command as the next entry.
fn apply(shard: &mut Shard, command: &Command) -> Outcome {
    let index = shard.view().applied.map_or(LogIndex(1), LogIndex::next);
    let outcome = shard.apply(index, TimestampNs(index.get() as i64), command);
    shard.note_applied(index, world::position(index));
    outcome
}

fn put(shard: &mut Shard, parts: &[PartOf]) -> String {
    match apply(shard, &Command::Block(world::block(parts))) {
        Outcome::Block(parts) => parts.iter().map(told).collect::<Vec<_>>().join("; "),
        other => format!("{other:?}"),
    }
}

fn told(part: &PartOutcome) -> String {
    match part {
        PartOutcome::Stored { position } => {
            format!(
                "stored {}/{}/{}+{}",
                position.shard, position.index, position.row, position.rows
            )
        }
        PartOutcome::Duplicate { stored } => {
            let positions = stored.iter().map(|part| part.position);
            let each = positions.map(|p| format!("{}/{}/{}+{}", p.shard, p.index, p.row, p.rows));
            format!("duplicate of {}", each.collect::<Vec<_>>().join(", "))
        }
        PartOutcome::Uncovered { left, .. } => {
            let left: Vec<String> = left.iter().map(ToString::to_string).collect();
            format!("left {}", left.join(", "))
        }
        other => format!("{other:?}"),
    }
}

fn halves() -> [HashRange; 2] {
    HashRange::WHOLE.halves().expect("divides")
}

#[test]
fn each_part_is_told_what_became_of_it() {
    let mut shard = shard(Origin::First);
    let [left, right] = halves();
    let at = |range, sequence| PartOf { range, ..whole(1, sequence) };
    let told = [
        ("two parts, one twice", put(&mut shard, &[whole(0, 1), whole(1, 1), whole(0, 1)])),
        ("a resend", put(&mut shard, &[whole(1, 1)])),
        ("another batch under the key", put(&mut shard, &[PartOf { digest: 1, ..whole(1, 1) }])),
        ("half of a batch", put(&mut shard, &[at(left, 2)])),
        ("all of it, after ranges grew", put(&mut shard, &[whole(1, 2)])),
        ("the other half", put(&mut shard, &[at(right, 2)])),
        ("all of it again", put(&mut shard, &[whole(1, 2)])),
        ("a half of what is whole", put(&mut shard, &[at(right, 1)])),
        ("far ahead, then far behind", put(&mut shard, &[whole(1, 400), whole(1, 2)])),
    ]
    .map(|(what, told)| format!("{what}: {told}\n"))
    .concat();
    expect![[r#"
        two parts, one twice: stored 7/1/0+4; stored 7/1/4+4; duplicate of 7/1/0+4
        a resend: duplicate of 7/1/4+4
        another batch under the key: Conflict
        half of a batch: stored 7/4/0+2
        all of it, after ranges grew: left 1/1
        the other half: stored 7/6/0+2
        all of it again: duplicate of 7/4/0+2, 7/6/0+2
        a half of what is whole: duplicate of 7/1/4+4
        far ahead, then far behind: stored 7/9/0+4; Forgotten { lowest: Sequence(145) }
    "#]]
    .assert_eq(&told);
    assert_eq!(world::rows(&shard.view()).len(), 4 * 4);
}

#[test]
fn successors_refuse_until_they_inherit_and_then_know_what_their_predecessors_knew() {
    let [left, right] = halves();
    let mut olds = [left, right].map(|range| {
        let mut old = shard(Origin::First);
        if range == right {
            put(&mut old, &[whole(3, 1)]);
        }
        assert!(put(&mut old, &[PartOf { range, ..whole(0, 1) }]).starts_with("stored"));
        let successors = vec![Successor { shard: ShardId(9), range }];
        assert_eq!(apply(&mut old, &Command::Seal { successors }), Outcome::Sealed);
        old
    });
    let sealed = put(&mut olds[0], &[whole(5, 1)]);
    assert!(sealed.contains("Sealed") && sealed.contains("ShardId(9)"), "{sealed}");
    assert!(matches!(
        apply(&mut olds[0], &Command::Seal { successors: Vec::new() }),
        Outcome::Rejected(Rejection::Sealed { successors }) if successors[0].shard == ShardId(9)
    ));
    let rows = olds[0].view().rows;

    let mut new = shard(Origin::Successor);
    let not_open = Outcome::Rejected(Rejection::NotOpen);
    let block = Command::Block(world::block(&[whole(0, 1)]));
    assert_eq!(apply(&mut new, &block), not_open);
    assert_eq!(apply(&mut new, &Command::Seal { successors: Vec::new() }), not_open);
    let rotten = Command::Inherit { tables: vec![olds[0].export_dedup(), vec![1, 2, 3].into()] };
    assert!(matches!(apply(&mut new, &rotten), Outcome::Rejected(Rejection::Corrupt { .. })));
    assert_eq!(apply(&mut new, &block), not_open);
    let inherit = Command::Inherit { tables: olds.iter().map(Shard::export_dedup).collect() };
    assert_eq!(apply(&mut new, &inherit), Outcome::Inherited);
    assert_eq!(put(&mut new, &[whole(0, 1)]), "duplicate of 7/1/0+2, 7/2/0+2");
    assert!(put(&mut new, &[whole(0, 2)]).starts_with("stored"));
    assert_eq!(apply(&mut new, &inherit), Outcome::Inherited, "again changes nothing");
    assert!(put(&mut new, &[whole(0, 2)]).starts_with("duplicate"));
    assert_eq!((olds[0].view().rows, new.view().rows), (rows, 4));
}

#[test]
fn stamps_never_go_back_not_even_over_an_inheritance_or_a_restart() {
    let stamped = |shard: &Shard| {
        world::rows(&shard.view()).into_values().map(|(created_at, _)| created_at.get()).max()
    };
    let mut old = shard(Origin::First);
    let block = |sequence| Command::Block(world::block(&[whole(0, sequence)]));
    old.apply(LogIndex(1), TimestampNs(900), &block(1));
    old.apply(LogIndex(2), TimestampNs(100), &block(2));
    assert_eq!(stamped(&old), Some(900));

    let disk = SimDisk::new().mount();
    let mut new = world::open(&disk, Origin::Successor);
    let inherit = Command::Inherit { tables: vec![old.export_dedup()] };
    new.apply(LogIndex(1), TimestampNs(300), &inherit);
    new.note_applied(LogIndex(1), world::position(LogIndex(1)));
    world::flush(&mut new).expect("flushes");
    let mut new = world::open(&disk, Origin::Successor);
    new.apply(LogIndex(2), TimestampNs(400), &block(3));
    assert_eq!(stamped(&new), Some(900));
}

#[test]
fn bytes_that_are_no_block_are_rejected_alike_and_change_nothing() {
    let good = world::block(&[whole(0, 1), whole(1, 1)]);
    for at in (0..good.len()).step_by(3) {
        let [mut a, mut b] = [shard(Origin::First), shard(Origin::First)];
        let mut bytes = good.to_vec();
        bytes[at] ^= 0x10;
        let rotten = Command::Block(bytes.into());
        let outcome = apply(&mut a, &rotten);
        assert_eq!(outcome, apply(&mut b, &rotten));
        if matches!(outcome, Outcome::Rejected(Rejection::Corrupt { .. })) {
            assert_eq!((a.view().rows, a.export_dedup()), (0, apply_nothing().export_dedup()));
        }
    }
    let cut = Command::Block(good.slice(..good.len() - 1));
    assert!(matches!(
        apply(&mut shard(Origin::First), &cut),
        Outcome::Rejected(Rejection::Corrupt { .. })
    ));
}

/// A shard that took one entry without effect.
fn apply_nothing() -> Shard {
    let mut shard = shard(Origin::First);
    apply(&mut shard, &Command::Block(Vec::new().into()));
    shard
}

#[test]
fn a_sealed_shard_closes_once_all_of_it_is_durable() {
    let mut shard = shard(Origin::First);
    put(&mut shard, &[whole(0, 1), whole(1, 1)]);
    assert!(!shard.needs_flush());
    apply(&mut shard, &Command::Seal { successors: Vec::new() });
    assert!(shard.needs_flush());
    assert_eq!(shard.closed(), None);
    world::flush(&mut shard).expect("flushes");
    let closed = shard.closed().expect("is closed");
    assert_eq!((closed.rows, closed.digest), (8, shard.view().digest));
    assert!(closed.hours.encode().len() <= varve_shard::EVENT_SPANS_BYTES_MAX);
    assert!(!shard.needs_flush());
    let summary = shard.summary();
    let hours = shard.view().event_hours().expect("reads");
    assert_eq!((hours.rows(), summary.segment_bytes, summary.tail_blocks), (8, closed.bytes, 0));
}
