//! Where a tail is cut into segments: by decoded bytes, compressible or not, and by columns.

use std::sync::Arc;

use bytes::Bytes;
use varve_columnar::BlockBuilder;
use varve_env::disk::RealDisk;
use varve_env::sim::SimDisk;
use varve_env::{Disk, Random};
use varve_shard::{Command, Origin, Shard, ShardOptions};
use varve_types::{
    Attribute, BatchDigest, BatchKey, HashRange, LogIndex, Record, TenantId, TimestampNs, Value,
};

use crate::world;

fn block(sequence: u64, records: &[Record]) -> Command {
    let mut builder = BlockBuilder::new();
    let key = BatchKey::parse(TenantId(0), &format!("p:0:{sequence}")).expect("a key");
    builder.push_part(key, BatchDigest(0), HashRange::WHOLE, records).expect("fits");
    Command::Block(builder.finish())
}

fn record(at: usize, message: Bytes) -> Record {
    let timestamp = Some(TimestampNs(at as i64));
    Record { timestamp, service: "s".into(), message, ..Record::default() }
}

/// Writes blocks out in one flush and answers the rows of each segment, after a restart.
fn segments(disk: &Arc<dyn Disk>, dir: &std::path::Path, blocks: &[Command]) -> Vec<u64> {
    let options = ShardOptions { segment_raw_bytes_max: 1 << 20, ..ShardOptions::default() };
    let open = || {
        Shard::open(Arc::clone(disk), dir, world::SHARD, options.clone(), Origin::First)
            .expect("opens")
    };
    let mut shard = open();
    for (at, block) in blocks.iter().enumerate() {
        let index = LogIndex(at as u64 + 1);
        shard.apply(index, TimestampNs(0), block);
        shard.note_applied(index, world::position(index));
    }
    let digest = shard.view().digest;
    world::flush(&mut shard).expect("flushes");
    let shard = open();
    assert_eq!(shard.view().digest, digest);
    let view = shard.view();
    for segment in view.segments.iter() {
        segment.verify().expect("is whole");
    }
    view.segments.iter().map(|segment| segment.meta().rows).collect()
}

#[test]
fn segments_hold_about_as_much_decoded_however_well_it_compresses() {
    let random = Random::seeded(1);
    let noise = |_| random.next_u64().to_le_bytes();
    let blocks = |message: &dyn Fn() -> Bytes| -> Vec<Command> {
        let records = |_| (0..100).map(|at| record(at, message())).collect::<Vec<_>>();
        (1..=8).map(|sequence| block(sequence, &records(sequence))).collect()
    };
    // Eight blocks of 100 rows of about 4 KiB: two fit in 1 MiB.
    let same = blocks(&|| Bytes::from(vec![b'x'; 4096]));
    let noisy = blocks(&|| (0..512).flat_map(noise).collect());
    for blocks in [same, noisy] {
        let rows = segments(&SimDisk::new().mount(), world::dir(), &blocks);
        assert_eq!(rows, [200, 200, 200, 200]);
    }
    let large =
        vec![block(1, &[record(0, vec![0; 3 << 20].into())]), block(2, &[record(1, Bytes::new())])];
    let dir = tempfile::tempdir().expect("makes");
    let disk: Arc<dyn Disk> = Arc::new(RealDisk);
    let rows = segments(&disk, &dir.path().join("shards/7/0"), &large);
    assert_eq!(rows, [1, 1], "a block beyond the bound has a segment of its own");
}

#[test]
fn a_segment_has_no_more_columns_than_a_footer_may_list() {
    let wide = |sequence: u64| {
        let records = |at: usize| Record {
            attributes: (0..400)
                .map(|n| Attribute {
                    name: format!("{sequence}.{at:03}.{n:03}").into(),
                    value: Value::Int(1),
                })
                .collect(),
            ..record(at, Bytes::new())
        };
        block(sequence, &(0..75).map(records).collect::<Vec<_>>())
    };
    // 30,000 columns each: two fit.
    let blocks: Vec<Command> = (1..=3).map(wide).collect();
    let options = ShardOptions::default();
    let disk = SimDisk::new().mount();
    let mut shard =
        Shard::open(disk, world::dir(), world::SHARD, options, Origin::First).expect("opens");
    for (at, block) in blocks.iter().enumerate() {
        let index = LogIndex(at as u64 + 1);
        shard.apply(index, TimestampNs(0), block);
        shard.note_applied(index, world::position(index));
    }
    world::flush(&mut shard).expect("flushes");
    let rows: Vec<u64> = shard.view().segments.iter().map(|segment| segment.meta().rows).collect();
    assert_eq!(rows, [150, 75]);
}

/// A tail that grew while nothing was written out leaves memory piece by piece, and each piece is
/// durable as of its own entry.
#[test]
fn a_large_tail_is_written_out_piece_by_piece() {
    let blocks: Vec<_> = (1..=20).map(|n| vec![world::whole(0, n), world::whole(1, n)]).collect();
    let log = world::log_of(&blocks);
    let disk = SimDisk::new();
    let options = ShardOptions { flush_bytes: 2_000, ..world::small() };
    let open = || {
        let (disk, options) = (disk.mount(), options.clone());
        Shard::open(disk, world::dir(), world::SHARD, options, Origin::First).expect("opens")
    };
    let mut shard = open();
    log.iter().for_each(|entry| drop(world::feed(&mut shard, entry)));
    let rows = world::rows(&shard.view());
    let mut flushes = 0;
    while shard.needs_flush() {
        let before = shard.tail_bytes();
        world::flush(&mut shard).expect("flushes");
        let piece = before - shard.tail_bytes();
        assert!((1_000..4_000).contains(&piece), "{piece} bytes at once");
        assert_eq!(world::rows(&shard.view()), rows);
        flushes += 1;
        // What is durable now and the log after it are all there is.
        let mut again = open();
        let durable = again.applied().map(|applied| applied.index);
        assert_eq!(durable, shard.durable().map(|applied| applied.index));
        for entry in log.iter().filter(|entry| Some(entry.index) > durable) {
            world::feed(&mut again, entry);
        }
        assert_eq!(world::rows(&again.view()), rows);
        assert_eq!(again.export_dedup(), shard.export_dedup());
    }
    assert!(flushes > 2, "{flushes} flushes");
    shard.ask_flush();
    world::flush(&mut shard).expect("flushes");
    assert_eq!((shard.tail_bytes(), shard.needs_flush()), (0, false));
}

#[test]
fn what_was_asked_for_is_written_out_to_the_end() {
    let blocks: Vec<_> = (1..=20).map(|n| vec![world::whole(0, n), world::whole(1, n)]).collect();
    let disk = SimDisk::new();
    let options = ShardOptions { flush_bytes: 2_000, ..world::small() };
    let mut shard = Shard::open(disk.mount(), world::dir(), world::SHARD, options, Origin::First)
        .expect("opens");
    for entry in world::log_of(&blocks) {
        world::feed(&mut shard, &entry);
    }
    shard.ask_flush();
    // One that fails gives its piece to the next.
    disk.set_capacity(Some(100));
    world::flush(&mut shard).expect_err("is refused");
    disk.set_capacity(None);
    while shard.needs_flush() {
        world::flush(&mut shard).expect("flushes");
    }
    assert_eq!(shard.tail_bytes(), 0);
    assert_eq!(shard.durable().map(|durable| durable.index), Some(LogIndex(20)));
}
