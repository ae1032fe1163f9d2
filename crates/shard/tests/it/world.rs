//! Logs to apply, and ways to look at what came of them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use varve_columnar::{BlockBuilder, ColumnId, Table};
use varve_env::Disk;
use varve_env::sim::SimDisk;
use varve_shard::{
    Command, FlushError, MergeError, MergeOptions, Origin, Outcome, Shard, ShardOptions, ShardView,
};
use varve_types::{
    BatchDigest, BatchKey, HashRange, Level, LogIndex, Record, RowNumber, ShardId, TenantId,
    TimestampNs,
};

pub(crate) const SHARD: ShardId = ShardId(7);
pub(crate) const LEAF_BITS: u8 = 2;

/// One entry of a log; without a command it is one of Raft's own.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) index: LogIndex,
    pub(crate) stamp: TimestampNs,
    pub(crate) command: Option<Command>,
}

/// One part of a block: a batch has a row for each leaf of the hash space in its range.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PartOf {
    pub(crate) producer: u8,
    pub(crate) sequence: u64,
    pub(crate) digest: u8,
    pub(crate) range: HashRange,
}

pub(crate) fn whole(producer: u8, sequence: u64) -> PartOf {
    PartOf { producer, sequence, digest: 0, range: HashRange::WHOLE }
}

fn records(part: &PartOf) -> Vec<Record> {
    HashRange::split_space(LEAF_BITS)
        .filter(|leaf| part.range.covers(*leaf))
        .map(|leaf| {
            let n = part.sequence * 16 + leaf.prefix();
            Record {
                timestamp: Some(TimestampNs((n * n) as i64 * 100_000_000_000)),
                service: ["api", "billing"][usize::from(part.producer) % 2].into(),
                level: Level::Info,
                message: format!("p{}:{}:{leaf} d{}", part.producer, part.sequence, part.digest)
                    .into(),
                ..Record::default()
            }
        })
        .collect()
}

pub(crate) fn block(parts: &[PartOf]) -> Bytes {
    let mut builder = BlockBuilder::new();
    for part in parts {
        let key = format!("p{}:0:{}", part.producer, part.sequence);
        let key = BatchKey::parse(TenantId(0), &key).expect("a key");
        let digest = BatchDigest(u128::from(part.digest));
        builder.push_part(key, digest, part.range, &records(part)).expect("fits");
    }
    builder.finish()
}

pub(crate) fn position(index: LogIndex) -> Bytes {
    format!("log id of {index}").into()
}

pub(crate) fn small() -> ShardOptions {
    // A few blocks make a segment, so that one flush writes several; and a few segments are merged.
    let merge = MergeOptions { fan_in: 3, ..MergeOptions::default() };
    ShardOptions { segment_raw_bytes_max: 4_000, merge, ..ShardOptions::default() }
}

pub(crate) fn open(disk: &Arc<dyn Disk>, origin: Origin) -> Shard {
    Shard::open(Arc::clone(disk), dir(), SHARD, small(), origin).expect("opens")
}

pub(crate) fn dir() -> &'static Path {
    Path::new("/data/shard-7")
}

pub(crate) fn feed(shard: &mut Shard, entry: &Entry) -> Option<Outcome> {
    let outcome =
        entry.command.as_ref().map(|command| shard.apply(entry.index, entry.stamp, command));
    shard.note_applied(entry.index, position(entry.index));
    outcome
}

/// A log of blocks and nothing else, stamped by the index.
pub(crate) fn log_of(blocks: &[Vec<PartOf>]) -> Vec<Entry> {
    let entry = |(at, parts): (usize, &Vec<PartOf>)| Entry {
        index: LogIndex(at as u64 + 1),
        stamp: TimestampNs(1_000 * at as i64),
        command: Some(Command::Block(block(parts))),
    };
    blocks.iter().enumerate().map(entry).collect()
}

/// Opens what a crash left, applies the log from there, and looks.
pub(crate) fn recover(disk: &SimDisk, log: &[Entry], promised: Option<LogIndex>) -> Shard {
    let mut shard = open(&disk.mount(), Origin::First);
    let durable = shard.applied().map(|applied| applied.index);
    assert!(durable >= promised, "{durable:?} is before {promised:?}");
    for entry in log.iter().filter(|entry| Some(entry.index) > durable) {
        feed(&mut shard, entry);
    }
    shard
}

/// Asserts that two shards have come to the same.
pub(crate) fn same(shard: &Shard, wanted: &Shard) {
    assert_eq!(rows(&shard.view()), rows(&wanted.view()));
    assert_eq!(shard.view().digest, wanted.view().digest);
    assert_eq!(shard.export_dedup(), wanted.export_dedup());
}

/// Writes the tail out, if there is anything to write.
pub(crate) fn flush(shard: &mut Shard) -> Result<(), FlushError> {
    match shard.flush_job() {
        Some(job) => {
            let result = job.run();
            shard.finish_flush(result)
        }
        None => Ok(()),
    }
}

/// Merges what is to be merged, until nothing is; answers how many merges that took.
pub(crate) fn merge_all(shard: &mut Shard, closed: bool) -> Result<usize, MergeError> {
    let mut merges = 0;
    while let Some(mut job) = shard.merge_job(closed, &BTreeSet::new())? {
        while !job.is_done() {
            job.step()?;
        }
        let swap = shard.swap_job(job.finish()?)?;
        let result = swap.run();
        shard.finish_swap(result)?;
        merges += 1;
    }
    assert_eq!(shard.merges_waiting(closed), 0);
    Ok(merges)
}

/// What is known of a stored row.
pub(crate) type Rows = BTreeMap<(LogIndex, RowNumber), (TimestampNs, String)>;

/// All rows of a view by their place; panics when a place or a message is there twice.
pub(crate) fn rows(view: &ShardView) -> Rows {
    let rows = rows_by_place(view);
    let mut messages: Vec<&String> = rows.values().map(|(_, message)| message).collect();
    messages.sort();
    messages.dedup();
    assert_eq!(messages.len(), rows.len(), "a row was stored twice");
    rows
}

/// All rows of a view by their place; panics when a place is there twice.
pub(crate) fn rows_by_place(view: &ShardView) -> Rows {
    let mut rows = Rows::new();
    let mut add = |index, row, created_at, message| {
        let before = rows.insert((index, row), (created_at, message));
        assert!(before.is_none(), "row {row} of entry {index} is there twice");
    };
    for block in &view.tail {
        for (row, record) in all_records(block.block().table()).into_iter().enumerate() {
            let row = RowNumber(row as u32);
            if block.is_live(row) {
                add(block.index(), row, block.created_at(), text(&record));
            }
        }
    }
    for segment in view.segments.iter() {
        let table = segment.table();
        let places = [ColumnId::Index, ColumnId::Row, ColumnId::CreatedAt];
        let [indexes, numbers, stamps] = places.map(|column| numbers(table, &column));
        for (at, record) in all_records(table).iter().enumerate() {
            let index = LogIndex(indexes[at] as u64);
            add(index, RowNumber(numbers[at] as u32), TimestampNs(stamps[at]), text(record));
        }
    }
    assert_eq!(view.rows, rows.len() as u64, "the rows are counted");
    rows
}

/// The messages of a table.
pub(crate) fn messages(table: &Table) -> Vec<String> {
    all_records(table).iter().map(text).collect()
}

fn all_records(table: &Table) -> Vec<Record> {
    let groups = 0..table.groups().len();
    groups.flat_map(|group| table.all_records(group).expect("reads")).collect()
}

fn numbers(table: &Table, column: &ColumnId) -> Vec<i64> {
    let read = |group| table.read(group, column).expect("reads").expect("is there");
    let groups = (0..table.groups().len()).map(read);
    groups.flat_map(|column| column.iter_ints().map(|(_, n)| n).collect::<Vec<_>>()).collect()
}

fn text(record: &Record) -> String {
    String::from_utf8(record.message.to_vec()).expect("UTF-8")
}
