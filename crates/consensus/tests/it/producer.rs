//! A producer that numbers its batches, resends what was not acknowledged, and knows what must
//! be there.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use varve_columnar::BlockBuilder;
use varve_consensus::{Host, ProposeError, ShardRead};
use varve_shard::{Outcome, PartOutcome};
use varve_types::{
    BatchDigest, BatchKey, HashRange, Record, Resource, RowNumber, Sequence, ServiceHash, ShardId,
    TenantId, TimestampNs,
};

const TENANT: TenantId = TenantId(0);
/// Services of one batch: enough to fall into both halves of the hash space.
const SERVICES: u64 = 4;

/// The producer's batches so far.
#[derive(Default)]
pub(crate) struct Producer {
    next: u64,
    /// Sent, and not known to be stored.
    pub(crate) unknown: Vec<u64>,
    pub(crate) acked: Vec<u64>,
}

fn records(sequence: u64) -> Vec<Record> {
    let record = |service: u64| Record {
        timestamp: Some(TimestampNs(1_700_000_000_000_000_000 + sequence.cast_signed())),
        service: format!("service-{service}").into(),
        message: Bytes::from(format!("batch {sequence} of service {service}")),
        resource: Arc::new(Resource::default()),
        ..Record::default()
    };
    (0..SERVICES).map(record).collect()
}

fn block(sequence: u64, range: HashRange) -> Option<Bytes> {
    let wanted: Vec<Record> = records(sequence)
        .into_iter()
        .filter(|record| range.contains(ServiceHash::of(TENANT, &record.service)))
        .collect();
    if wanted.is_empty() {
        return None;
    }
    let mut builder = BlockBuilder::new();
    let key = BatchKey::parse(TENANT, &format!("producer:0:{sequence}")).unwrap();
    assert_eq!(key.sequence, Sequence::new(sequence).unwrap());
    builder.push_part(key, BatchDigest(sequence.into()), range, &wanted).unwrap();
    Some(builder.finish())
}

/// Sends what of a batch falls into a range, and follows where it is told to go.
async fn send(host: &Host, sequence: u64) -> Result<(), ProposeError> {
    let mut todo: Vec<(HashRange, ShardId)> = host.catalog().write_targets();
    while let Some((range, shard)) = todo.pop() {
        let Some(block) = block(sequence, range) else { continue };
        match host.propose_block(shard, block).await {
            Ok(commit) => match &commit.outcome {
                Outcome::Block(parts) => match &parts[..] {
                    [PartOutcome::Stored { .. } | PartOutcome::Duplicate { .. }] => {}
                    [PartOutcome::Uncovered { left, .. }] => {
                        todo.extend(left.iter().map(|range| (*range, shard)));
                    }
                    other => panic!("batch {sequence}: {other:?}"),
                },
                other => panic!("batch {sequence}: {other:?}"),
            },
            Err(ProposeError::Sealed { successors, .. }) => {
                for after in successors.iter().filter(|after| after.range.overlaps(range)) {
                    let narrower = if after.range.covers(range) { range } else { after.range };
                    todo.push((narrower, after.shard));
                }
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

impl Producer {
    /// One whose first batch comes after that number: several then share the producer's name.
    pub(crate) fn after(sequence: u64) -> Self {
        Self { next: sequence, ..Self::default() }
    }

    /// Sends a new batch.
    pub(crate) async fn send_one(&mut self, host: &Host) -> Result<(), ProposeError> {
        self.next += 1;
        self.unknown.push(self.next);
        send(host, self.next).await?;
        self.acked.push(self.next);
        self.unknown.pop();
        Ok(())
    }

    pub(crate) async fn send_many(&mut self, host: &Host, batches: u64) {
        for _ in 0..batches {
            self.send_one(host).await.unwrap();
        }
    }

    /// Sends again what was not acknowledged, and the last few that were.
    pub(crate) async fn resend(&mut self, host: &Host) {
        let known: Vec<u64> = self.acked.iter().rev().take(20).copied().collect();
        for sequence in known {
            send(host, sequence).await.unwrap();
        }
        while let Some(sequence) = self.unknown.first().copied() {
            send(host, sequence).await.unwrap();
            self.acked.push(sequence);
            self.unknown.remove(0);
        }
    }

    /// Every acknowledged row is there, once, and no other but those of unknown batches.
    pub(crate) async fn check(&self, host: &Host) {
        let reads = host.read_all().await.unwrap();
        let found = messages(&reads);
        for (message, times) in &found {
            assert_eq!(*times, 1, "{message:?} is stored {times} times");
        }
        let total: u64 = reads.iter().map(|read| read.view.rows).sum();
        assert_eq!(total, found.len() as u64, "rows that are counted and rows that are there");
        let mut left = found;
        for sequence in &self.acked {
            for record in records(*sequence) {
                assert!(left.remove(&record.message).is_some(), "{:?} is gone", record.message);
            }
        }
        for sequence in &self.unknown {
            for record in records(*sequence) {
                left.remove(&record.message);
            }
        }
        assert!(left.is_empty(), "nobody sent {left:?}");
    }
}

/// All live messages, and how often each is there.
fn messages(reads: &[ShardRead]) -> BTreeMap<Bytes, u64> {
    let mut found: BTreeMap<Bytes, u64> = BTreeMap::new();
    for read in reads {
        for block in &read.view.tail {
            let table = block.block().table();
            let mut row = 0;
            for group in 0..table.groups().len() {
                for record in table.all_records(group).unwrap() {
                    if block.is_live(RowNumber(row)) {
                        *found.entry(record.message).or_default() += 1;
                    }
                    row += 1;
                }
            }
        }
        for segment in read.view.segments.iter() {
            let table = segment.table();
            for group in 0..table.groups().len() {
                for record in table.all_records(group).unwrap() {
                    *found.entry(record.message).or_default() += 1;
                }
            }
        }
    }
    found
}
