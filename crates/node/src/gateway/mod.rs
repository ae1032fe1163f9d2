//! From a batch to its acknowledgement: keys, routing by service hash, and the answers of shards.
//!
//! The gateway holds no state that must survive: keys it gives out are named after this boot,
//! routes come from the catalog, and a batch whose outcome is unknown is reported with the key
//! under which it may be sent again.

mod bucket;
mod budget;
mod error;
mod lanes;

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use futures::future::join_all;
use tokio::time::{Instant, sleep, timeout_at};
use varve_consensus::{Host, ProposeError};
use varve_env::Env;
use varve_ingest::{Batch, BatchSize};
use varve_mutants::Mutant;
use varve_shard::{PartOutcome, StoredRange};
use varve_types::{
    Attribute, BatchDigest, BatchKey, HashRange, Record, RecordId, RowNumber, ServiceHash, ShardId,
};

use self::bucket::{Bucket, Part, PartReply};
pub(crate) use self::budget::{Budget, Reservation};
pub(crate) use self::error::AppendError;
use self::lanes::Lanes;
use crate::metrics::{self, Protocol};

/// How long to wait before asking the catalog again for a route that is about to change.
const ROUTE_RETRY: Duration = Duration::from_millis(2);

/// An acknowledged batch: durable on a quorum, and visible to the next query.
#[derive(Clone, Debug, Default)]
pub(crate) struct Appended {
    /// Records stored, or found stored already.
    pub accepted: usize,
    /// What they take, decoded.
    pub bytes: usize,
    /// Every part of it had been stored before.
    pub duplicate: bool,
    /// Where the records are.
    pub placements: Vec<StoredRange>,
    /// In the order of the records; empty unless asked for.
    pub ids: Vec<RecordId>,
}

/// Takes batches.
pub(crate) struct Gateway {
    host: Host,
    env: Env,
    lanes: Lanes,
    budget: Budget,
    request_timeout: Duration,
    /// Batches that wait for their acknowledgement.
    waiting: AtomicU64,
    buckets: Mutex<BTreeMap<ShardId, Bucket>>,
}

impl Gateway {
    /// A gateway to the shards that `host` knows of.
    #[must_use]
    pub(crate) fn new(host: Host, env: Env, budget: Budget, request_timeout: Duration) -> Self {
        let lanes = Lanes::new(env.random.next_u64());
        let (waiting, buckets) = (AtomicU64::new(0), Mutex::default());
        Self { host, env, lanes, budget, request_timeout, waiting, buckets }
    }

    /// How many batches wait for their acknowledgement.
    #[must_use]
    pub(crate) fn waiting_batches(&self) -> u64 {
        self.waiting.load(Ordering::Relaxed)
    }

    /// The memory that requests may take.
    #[must_use]
    pub(crate) const fn budget(&self) -> &Budget {
        &self.budget
    }

    /// Stores a batch, and answers when it is durable.
    ///
    /// # Errors
    ///
    /// See [`AppendError`]; after [`AppendError::Unconfirmed`] the batch may or may not be stored.
    pub(crate) async fn append(
        &self,
        batch: Batch,
        want_ids: bool,
        protocol: Protocol,
    ) -> Result<Appended, AppendError> {
        let received = Instant::now();
        let _waits = Waits::new(&self.waiting);
        let result = match batch.key {
            Some(key) => {
                let records = batch.records;
                self.append_piece(key, batch.digest, records, want_ids).await
            }
            None => self.append_without_key(batch, want_ids).await,
        };
        if let Ok(appended) = &result {
            metrics::appended(protocol, appended, received.elapsed());
        }
        result
    }

    /// Gives a batch keys of our own, in pieces that may have one.
    async fn append_without_key(
        &self,
        batch: Batch,
        want_ids: bool,
    ) -> Result<Appended, AppendError> {
        let tenant = batch.tenant;
        let mut whole = Appended { duplicate: true, ..Appended::default() };
        let pieces = varve_ingest::cut(batch.records);
        let cut = pieces.len() > 1;
        for records in pieces {
            let ticket = self.lanes.next_key(tenant);
            let rows = whole.accepted..whole.accepted + records.len();
            let digest = if cut { varve_ingest::batch_digest(&records) } else { batch.digest };
            let key = ticket.key().clone();
            match self.append_piece(key, digest, records, want_ids).await {
                Ok(appended) => {
                    ticket.acknowledged();
                    whole.extend(appended);
                }
                Err(error) if cut => return Err(with_rows(error, rows)),
                Err(error) => return Err(error),
            }
        }
        Ok(whole)
    }

    async fn append_piece(
        &self,
        key: BatchKey,
        digest: BatchDigest,
        mut records: Vec<Record>,
        want_ids: bool,
    ) -> Result<Appended, AppendError> {
        let bytes = BatchSize::of(&records);
        let _held = self.budget.reserve(bytes + overhead_bytes(&records))?;
        let now = self.env.clock.now();
        for record in &mut records {
            record.timestamp.get_or_insert(now);
        }
        let records = records.into();
        let batch = Routed { key, digest, records, bytes, hashes: OnceLock::new() };
        let deadline = Instant::now() + self.request_timeout;
        let mut last_failure = String::from("no answer from the shard");
        match timeout_at(deadline, self.store(&batch, &mut last_failure)).await {
            Ok(Ok((placements, duplicate))) => {
                let ids = if want_ids { batch.ids(&placements) } else { Vec::new() };
                Ok(Appended { accepted: batch.records.len(), bytes, duplicate, placements, ids })
            }
            Ok(Err(error)) => Err(error),
            Err(_) if Mutant::TimeoutAcknowledged.is_planted() => Ok(Appended::default()),
            Err(_) => {
                Err(AppendError::Unconfirmed { key: batch.key, why: last_failure, records: None })
            }
        }
    }

    /// Sends the batch's rows to their shards, again and again as shards are sealed and succeeded,
    /// until every row is stored.
    async fn store(
        &self,
        batch: &Routed,
        last_failure: &mut String,
    ) -> Result<(Vec<StoredRange>, bool), AppendError> {
        let mut left = vec![HashRange::WHOLE];
        let mut placements = Vec::new();
        let mut duplicate = true;
        // Whether some of it may be stored that nobody confirmed.
        let mut unconfirmed = false;
        while !left.is_empty() {
            let (sent, mut again) = self.send(batch, &left);
            let mut wait = !again.is_empty();
            let mut refused = None;
            for (range, reply) in join_all(sent).await {
                match reply {
                    PartReply::Applied(outcome) => {
                        duplicate &= matches!(
                            outcome,
                            PartOutcome::Duplicate { .. } | PartOutcome::Uncovered { .. }
                        );
                        again.extend(batch.settle(outcome, range, &mut placements)?);
                    }
                    PartReply::Moved => {
                        again.push(range);
                        wait = true;
                    }
                    PartReply::Failed(error) if let Some(refusal) = refusal(&error) => {
                        refused = Some(refusal);
                    }
                    PartReply::Failed(error) => {
                        unconfirmed |= error.may_be_stored();
                        *last_failure = error.to_string();
                        again.push(range);
                        wait = true;
                    }
                }
            }
            match refused {
                None => left = again,
                Some(refusal) if placements.is_empty() && !unconfirmed => return Err(refusal),
                // Another shard has stored its part, or may have: only under the same key is it safe to send
                // the batch again.
                Some(refusal) => {
                    let (key, why) = (batch.key.clone(), refusal.to_string());
                    return Err(AppendError::Unconfirmed { key, why, records: None });
                }
            }
            if wait {
                sleep(ROUTE_RETRY).await;
            }
        }
        Ok((placements, duplicate))
    }

    /// Queues the batch's rows of `ranges` at the shards that take them. Answers what to wait for,
    /// and the ranges that no shard takes at the moment.
    fn send(
        &self,
        batch: &Routed,
        ranges: &[HashRange],
    ) -> (Vec<impl Future<Output = (HashRange, PartReply)> + use<>>, Vec<HashRange>) {
        let targets = self.host.catalog().write_targets();
        let mut sent = Vec::new();
        let mut unrouted = Vec::new();
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        buckets.retain(|shard, _| targets.iter().any(|(_, target)| target == shard));
        for &range in ranges {
            let mut routed = Vec::new();
            for &(target, shard) in targets.iter().filter(|(target, _)| target.overlaps(range)) {
                let piece = if target.covers(range) { range } else { target };
                routed.push(piece);
                let Some(part) = batch.part(piece) else { continue };
                let bucket = buckets
                    .entry(shard)
                    .or_insert_with(|| Bucket::start(self.host.clone(), self.env.clone(), shard));
                let reply = bucket.submit(part);
                // A queue that ended before it sent the part on says that the shard is closed.
                sent.push(async move { (piece, reply.await.unwrap_or(PartReply::Moved)) });
            }
            unrouted.extend(range.without(&routed).into_iter().filter(|&r| batch.has_rows(r)));
        }
        (sent, unrouted)
    }
}

/// Counts a batch for as long as somebody waits for it: whoever stops waiting drops this too.
struct Waits<'a>(&'a AtomicU64);

impl<'a> Waits<'a> {
    fn new(waiting: &'a AtomicU64) -> Self {
        waiting.fetch_add(1, Ordering::Relaxed);
        Self(waiting)
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What makes it useless to offer a block again at once; it was not stored.
fn refusal(error: &ProposeError) -> Option<AppendError> {
    match error {
        ProposeError::DiskFull => Some(AppendError::DiskFull),
        ProposeError::Overloaded(_) => Some(AppendError::TailsFull),
        ProposeError::Refused(why) => Some(AppendError::Refused { why: why.clone() }),
        _ => None,
    }
}

/// What records take in memory beside their text.
fn overhead_bytes(records: &[Record]) -> usize {
    let attributes = records.iter().map(|record| record.attributes.len()).sum::<usize>();
    size_of_val(records) + attributes * size_of::<Attribute>()
}

/// A batch on its way.
struct Routed {
    key: BatchKey,
    digest: BatchDigest,
    records: Arc<[Record]>,
    /// What all of them take, decoded.
    bytes: usize,
    /// Of each record, once they are asked for: one shard takes all without.
    hashes: OnceLock<Vec<ServiceHash>>,
}

impl Routed {
    fn hashes(&self) -> &[ServiceHash] {
        let hash = |record: &Record| ServiceHash::of(self.key.producer.tenant, &record.service);
        self.hashes.get_or_init(|| self.records.iter().map(hash).collect())
    }

    fn has_rows(&self, range: HashRange) -> bool {
        self.hashes().iter().any(|hash| range.contains(*hash))
    }

    /// The part of the batch in a range, or `None` when no row lies in it.
    fn part(&self, range: HashRange) -> Option<Part> {
        let (records, bytes) = if range == HashRange::WHOLE {
            (Arc::clone(&self.records), self.bytes)
        } else {
            let all = self.records.iter().zip(self.hashes());
            let inside = all.filter(|(_, hash)| range.contains(**hash));
            let records: Arc<[Record]> = inside.map(|(record, _)| record.clone()).collect();
            let bytes = BatchSize::of(&records);
            (records, bytes)
        };
        if records.is_empty() {
            return None;
        }
        Some(Part { key: self.key.clone(), digest: self.digest, range, records, bytes })
    }

    /// Takes a shard's decision: notes where rows are, and answers the ranges still to be stored.
    fn settle(
        &self,
        outcome: PartOutcome,
        range: HashRange,
        placements: &mut Vec<StoredRange>,
    ) -> Result<Vec<HashRange>, AppendError> {
        match outcome {
            PartOutcome::Stored { position } => {
                placements.push(StoredRange { range, position });
                Ok(Vec::new())
            }
            PartOutcome::Duplicate { stored } => {
                placements.extend(stored);
                Ok(Vec::new())
            }
            PartOutcome::Uncovered { stored, left } => {
                placements.extend(stored);
                Ok(left)
            }
            PartOutcome::Conflict => Err(AppendError::Conflict { key: self.key.clone() }),
            PartOutcome::Forgotten { lowest } => {
                Err(AppendError::Forgotten { key: self.key.clone(), lowest })
            }
            PartOutcome::TooManyProducers => Err(AppendError::TooManyProducers),
        }
    }

    /// The id of every record, in order: the n-th row of the batch in a placement's range is the
    /// n-th row after the placement's first.
    fn ids(&self, placements: &[StoredRange]) -> Vec<RecordId> {
        let mut seen = vec![0; placements.len()];
        self.hashes()
            .iter()
            .filter_map(|hash| {
                let at = placements.iter().position(|place| place.range.contains(*hash))?;
                let first = placements[at].position;
                let row = RowNumber(first.row.get() + seen[at]);
                seen[at] += 1;
                Some(RecordId { shard: first.shard, index: first.index, row })
            })
            .collect()
    }
}

impl Appended {
    fn extend(&mut self, piece: Self) {
        self.accepted += piece.accepted;
        self.bytes += piece.bytes;
        self.duplicate &= piece.duplicate;
        self.placements.extend(piece.placements);
        self.ids.extend(piece.ids);
    }
}

/// Says which of a request's records an error's key is for.
fn with_rows(error: AppendError, rows: Range<usize>) -> AppendError {
    match error {
        AppendError::Unconfirmed { key, why, .. } => {
            AppendError::Unconfirmed { key, why, records: Some(rows) }
        }
        other => other,
    }
}
