//! A shard applies whatever its log says, is written out, and comes back as the same shard.

use std::path::Path;

use bytes::Bytes;
use varve_env::sim::SimDisk;
use varve_shard::{Command, Origin, Shard, ShardOptions};
use varve_types::{LogIndex, ShardId, TimestampNs};

use crate::formats::{envelope, table};
use crate::script::Script;
use crate::{Memory, Target};

const SHARD: ShardId = ShardId(7);
const DIR: &str = "/data/shard-7";
/// The kinds of commands that have checksums within.
const BLOCK: u8 = 1;
const INHERIT: u8 = 3;

/// Commands, each behind its length.
pub(super) const LOG: Target = Target {
    name: "shard_log",
    run: apply,
    mend: Some(mend),
    memory: Memory { bytes: 192 << 20, per_byte: 256 },
};

fn mend(mut input: &mut [u8]) {
    while let [low, high, rest @ ..] = input {
        let len = usize::from(u16::from_le_bytes([*low, *high])).min(rest.len());
        let (command, after) = rest.split_at_mut(len);
        match command {
            [_, BLOCK, block @ ..] => table::mend(block),
            // One table, whose length takes one byte.
            [_, INHERIT, 1, 0..=127, table @ ..] => envelope::mend_shard_file(table),
            // One table, whose length takes two.
            [_, INHERIT, 1, _, _, table @ ..] => envelope::mend_shard_file(table),
            _ => {}
        }
        input = after;
    }
}

fn apply(input: &[u8]) {
    let disk = SimDisk::new();
    let mut script = Script::new(input);
    let origin = if script.is_empty() { Origin::First } else { origin(&mut script) };
    let mut shard = open(&disk, origin).expect("a folder that is empty opens");
    for number in 1.. {
        if script.is_empty() {
            break;
        }
        let index = LogIndex(number);
        if let Ok(command) = Command::decode(&Bytes::copy_from_slice(script.chunk())) {
            assert_eq!(Command::decode(&command.encode()).as_ref(), Ok(&command));
            let _ = shard.apply(index, TimestampNs(1_000 * number.cast_signed()), &command);
        }
        shard.note_applied(index, Bytes::from_static(b"position"));
    }
    let said = shard.summary();
    let Some(job) = shard.flush_job() else { return };
    let written = job.run();
    if shard.finish_flush(written).is_err() {
        return;
    }
    assert_eq!(shard.summary().rows, said.rows, "writing out changed the rows");
    let again = open(&disk, origin).expect("what was written out opens");
    let (again, shard) = (again.summary(), shard.summary());
    assert_eq!((again.rows, again.digest), (shard.rows, shard.digest), "it is another shard");
    assert_eq!((again.rows, again.digest), (said.rows, said.digest), "it is another shard");
}

/// The first byte says whether the shard is a successor.
fn origin(script: &mut Script<'_>) -> Origin {
    if script.byte().is_multiple_of(2) { Origin::First } else { Origin::Successor }
}

fn open(disk: &SimDisk, origin: Origin) -> Result<Shard, varve_shard::OpenError> {
    Shard::open(disk.mount(), Path::new(DIR), SHARD, ShardOptions::default(), origin)
}
