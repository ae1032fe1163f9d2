//! What lies on disks and in logs.

use std::io::Write;

use bytes::Bytes;
use varve_shard::{Command, EventHours, Outcome, PartOutcome, Rejection, Successor};
use varve_types::{HashRange, ShardId, TimestampNs};

use super::{chunks, fixture};

pub(super) fn manifests() -> Vec<Vec<u8>> {
    let versions = ["v1", "v2", "v3"];
    versions
        .map(|version| fixture(&format!("crates/shard/tests/fixtures/manifest-{version}")))
        .into()
}

pub(super) fn dedup() -> Vec<u8> {
    fixture("crates/shard/tests/fixtures/dedup-v1")
}

pub(super) fn event_hours() -> Vec<Vec<u8>> {
    let mut hours = EventHours::default();
    for day in [-40_000, 0, 1, 2, 700] {
        hours.add(TimestampNs(day * 24 * 3_600_000_000_000), 3);
    }
    // As a manifest has them: a unit, how many, and from one to the next.
    let counted = [0, 3, 2, 1, 4, 200, 1, 1, 9];
    // A record of the cache: its version, and numbers.
    let record = [&[1][..], &[7; 73], &[0; 4]].concat();
    vec![hours.spans().encode(), counted.to_vec(), record]
}

fn successors() -> Vec<Successor> {
    let [low, high] = [0, 1].map(|prefix| HashRange::new(1, prefix).expect("half of all"));
    vec![Successor { shard: ShardId(8), range: low }, Successor { shard: ShardId(9), range: high }]
}

pub(super) fn outcomes() -> Vec<Vec<u8>> {
    let outcomes = [
        Outcome::Block(Vec::<PartOutcome>::new()),
        Outcome::Sealed,
        Outcome::Inherited,
        Outcome::Rejected(Rejection::Sealed { successors: successors() }),
    ];
    outcomes.iter().map(|outcome| outcome.encode().to_vec()).collect()
}

/// The logs of a shard from its first entry to its seal, and of one that inherits.
pub(super) fn logs() -> Vec<Vec<u8>> {
    let block = Command::Block(Bytes::from(varve_fuzz::sound_tables()[0].clone())).encode();
    let inherit = Command::Inherit { tables: vec![dedup().into()] }.encode();
    let seal = Command::Seal { successors: successors() }.encode();
    let log = |origin: u8, commands: &[&Bytes]| {
        [vec![origin], chunks(commands.iter().map(|command| &command[..]))].concat()
    };
    vec![log(0, &[&block, &block, &seal, &block]), log(1, &[&inherit, &block, &seal])]
}

pub(super) fn compressed() -> Vec<Vec<u8>> {
    let body = br#"{"service":"api","message":"one line"}"#.repeat(3);
    let mut gzip = flate2::write::GzEncoder::new(vec![0], flate2::Compression::fast());
    gzip.write_all(&body).expect("to memory");
    let zstd = zstd::encode_all(&body[..], 1).expect("to memory");
    vec![gzip.finish().expect("to memory"), [vec![1], zstd].concat()]
}
