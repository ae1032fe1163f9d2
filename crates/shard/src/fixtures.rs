//! Files of every format version ever written, read for ever.

use std::collections::BTreeSet;

use bytes::Bytes;
use expect_test::expect;
use varve_types::{
    BatchDigest, BatchKey, ContentDigest, HashRange, LogIndex, RetentionClass, RowNumber, ShardId,
    TenantId, TimestampNs,
};

use crate::dedup::{Dedup, Incoming};
use crate::manifest::{Applied, DedupFile, Manifest, SegmentMeta, Stage};
use crate::{EventHours, FileHash, Phase, Position, Successor, Volume};

const MANIFEST_V1: &[u8] = include_bytes!("../tests/fixtures/manifest-v1");
const MANIFEST_V2: &[u8] = include_bytes!("../tests/fixtures/manifest-v2");
const MANIFEST_V3: &[u8] = include_bytes!("../tests/fixtures/manifest-v3");
const DEDUP_V1: &[u8] = include_bytes!("../tests/fixtures/dedup-v1");

const STAMP: TimestampNs = TimestampNs(1_780_000_000_123_456_789);

/// What the fixture says.
fn manifest() -> Manifest {
    let segment = |number: u64, rows: u64, class: u8, stage: Stage| {
        let mut hours = EventHours::default();
        hours.add(TimestampNs(-5), 1);
        hours.add(STAMP, rows - 1);
        SegmentMeta {
            name: format!("seg-{number:020}-0000000002.vseg"),
            rows,
            digest: ContentDigest(u128::from(rows) << 90 | 77),
            min_time: TimestampNs(-5),
            max_time: STAMP,
            bytes: 1_000 * rows,
            hash: FileHash(u128::MAX - 0xdead_beef),
            first_index: LogIndex(number),
            last_index: LogIndex(number + 9),
            hours,
            class: RetentionClass(class),
            stage,
        }
    };
    let [left, right] = HashRange::WHOLE.halves().expect("divides");
    Manifest {
        version: 3,
        shard: ShardId(7),
        applied: Some(Applied {
            index: LogIndex(40),
            position: Bytes::from_static(b"opaque to the shard"),
        }),
        phase: Phase::Sealed {
            successors: vec![
                Successor { shard: ShardId(8), range: left },
                Successor { shard: ShardId(900), range: right },
            ],
        },
        last_stamp: STAMP,
        rows: 400,
        digest: ContentDigest((400u128 << 90) + 154),
        volume: Volume { blocks: 37, bytes: 70_000 },
        dedup: DedupFile {
            name: "dedup-0000000003.vdup".into(),
            bytes: 300,
            hash: FileHash(5 << 100),
        },
        segments: vec![segment(1, 100, 0, Stage::Merged), segment(20, 300, 200, Stage::Final)],
    }
}

/// What the fixtures of older versions say, and the checksums that they have.
fn older_manifest() -> (Manifest, Option<Vec<u32>>) {
    let mut manifest = manifest();
    manifest.volume = Volume::default();
    manifest.dedup.hash = FileHash::default();
    manifest.segments.iter_mut().for_each(|segment| segment.hash = FileHash::default());
    (manifest, Some(vec![5, 0xdead_beef, 0xdead_beef]))
}

/// What the fixture's table remembers.
fn dedup() -> Dedup {
    let mut table = Dedup::default();
    let mut index = 0;
    for (tenant, producer) in [(0, "billing-7:3"), (0, "billing-7:4"), (70_000, "A.b_c:0")] {
        for sequence in [1u32, 2, 130, 255] {
            for range in HashRange::split_space(u8::from(sequence == 2)) {
                index += 3;
                let text = format!("{producer}:{sequence}");
                let key = BatchKey::parse(TenantId(tenant), &text).expect("a key");
                let position = Position {
                    shard: ShardId(7),
                    index: LogIndex(index),
                    row: RowNumber(200),
                    rows: 1_000,
                };
                let digest = BatchDigest(u128::MAX - u128::from(sequence));
                let stamp = TimestampNs(STAMP.get() - i64::from(tenant));
                let part = Incoming { key: &key, digest, range, position, stamp };
                table.take(&part, usize::MAX);
            }
        }
    }
    table
}

#[test]
fn every_version_of_the_manifest_and_of_the_dedup_file_is_read() {
    let (mut first, checksums) = older_manifest();
    for segment in &mut first.segments {
        (segment.class, segment.stage) = (RetentionClass(0), Stage::Flushed);
    }
    assert_eq!(Manifest::decode_any(MANIFEST_V1), Ok((first, checksums)));
    assert_eq!(Manifest::decode_any(MANIFEST_V2), Ok(older_manifest()));
    assert_eq!(Manifest::decode(MANIFEST_V3), Ok(manifest()));
    assert_eq!(Dedup::decode(DEDUP_V1), Ok((dedup(), STAMP)));
    assert_eq!(manifest().encode(), MANIFEST_V3, "version 3 is what is written");
    assert_eq!(dedup().encode(STAMP), DEDUP_V1, "version 1 is what is written");
}

#[test]
fn no_damage_to_a_manifest_goes_unseen_and_none_panics() {
    let mut said = BTreeSet::new();
    for (version, fixture) in [(1, MANIFEST_V1), (2, MANIFEST_V2), (3, MANIFEST_V3)] {
        let payload_end = fixture.len() - 4;
        for at in 0..fixture.len() {
            for flip in [0x01, 0x80, 0xff] {
                let mut bytes = fixture.to_vec();
                bytes[at] ^= flip;
                said.insert(Manifest::decode_any(&bytes).expect_err("is seen").what);
                if (18..payload_end).contains(&at) {
                    // Past the checksum, so that the structure's own checks are met too.
                    let framed = crate::frame::wrap(b"VARVEMAN", version, &bytes[18..payload_end]);
                    if let Err(error) = Manifest::decode_any(&framed) {
                        said.insert(error.what);
                    }
                }
            }
            said.insert(Manifest::decode_any(&fixture[..at]).expect_err("is seen").what);
        }
    }
    said.insert(Manifest::decode(MANIFEST_V2).expect_err("is older").what);
    let newer = crate::frame::wrap(b"VARVEMAN", 4, &[]);
    said.insert(Manifest::decode(&newer).expect_err("is newer").what);
    let mut endless = manifest();
    endless.dedup.bytes = u64::MAX;
    said.insert(Manifest::decode(&endless.encode()).expect_err("adds up to too much").what);
    let said: Vec<&str> = said.into_iter().collect();
    expect![[r#"
        a file's name that cannot be
        a hash range that cannot be
        a text is not UTF-8
        an event hour outside all time
        an unknown form of the applied position
        an unknown phase
        an unknown stage of a segment
        an unknown unit of event hours
        event hours do not ascend
        files that are together longer than any disk
        it counts more than there is
        it does not begin as this kind of file does
        it ends too early
        it is of an older version, without hashes
        its checksum does not match
        its format version is unknown: a newer release wrote it
        there are bytes after its end"#]]
    .assert_eq(&said.join("\n"));
}
