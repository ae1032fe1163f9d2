//! One open shard's queue: parts are gathered while a block is in flight, and go as the next.
//!
//! No part waits when the shard is idle. While a block is in flight, the next one gathers until
//! it is full, is then encoded, and waits encoded; at most one block per shard is in flight, so
//! that a slow disk makes blocks larger instead of queues longer.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use varve_columnar::BlockBuilder;
use varve_consensus::{Host, ProposeError};
use varve_env::Env;
use varve_shard::{Outcome, PartOutcome};
use varve_types::{BatchDigest, BatchKey, HashRange, Record, ShardId, limits};

use crate::metrics;

/// The rows of one batch that go to one shard.
#[derive(Debug)]
pub(super) struct Part {
    /// The batch's key.
    pub key: BatchKey,
    /// The digest of the whole batch.
    pub digest: BatchDigest,
    /// Which of the batch's rows these are: those whose hash lies here.
    pub range: HashRange,
    /// The rows, in the batch's order.
    pub records: Arc<[Record]>,
    /// What they take, decoded, in bytes.
    pub bytes: usize,
}

/// What became of a part.
#[derive(Clone, Debug)]
pub(super) enum PartReply {
    /// The shard's state machine decided.
    Applied(PartOutcome),
    /// The shard takes no blocks: another does, or will.
    Moved,
    /// The block was not confirmed: it may be stored, or not.
    Failed(ProposeError),
}

/// A part, and who waits for it.
type Waiting = (Part, oneshot::Sender<PartReply>);

/// The sending end of a shard's queue. The queue ends when this is dropped.
#[derive(Debug)]
pub(super) struct Bucket {
    parts: mpsc::UnboundedSender<Waiting>,
}

impl Bucket {
    /// Starts a shard's queue.
    #[must_use]
    pub(super) fn start(host: Host, env: Env, shard: ShardId) -> Self {
        // Unbounded, because every part in it holds a reservation of the node's budget.
        let (sender, receiver) = mpsc::unbounded_channel();
        tokio::spawn(
            Worker { host, env, shard, parts: receiver, in_flight: None, held_over: None }.run(),
        );
        Self { parts: sender }
    }

    /// Queues a part; the answer comes through the receiver, which errs when the queue ended
    /// before the part was sent on.
    pub(super) fn submit(&self, part: Part) -> oneshot::Receiver<PartReply> {
        let (sender, receiver) = oneshot::channel();
        // When the worker is gone the sender is dropped with the part, and the receiver tells.
        let _ = self.parts.send((part, sender));
        receiver
    }
}

struct Worker {
    host: Host,
    env: Env,
    shard: ShardId,
    parts: mpsc::UnboundedReceiver<Waiting>,
    in_flight: Option<JoinHandle<()>>,
    /// A part that did not go into the block before it.
    held_over: Option<Waiting>,
}

/// Parts that will be one block.
#[derive(Default)]
struct Gathered {
    parts: Vec<Waiting>,
    bytes: usize,
    rows: usize,
    /// At least as many as the block will have.
    columns: usize,
}

impl Gathered {
    fn push(&mut self, waiting: Waiting) {
        self.bytes += waiting.0.bytes;
        self.rows += waiting.0.records.len();
        self.columns += columns_at_most(&waiting.0.records);
        self.parts.push(waiting);
    }

    /// Whether a part still goes in: a part alone always does.
    fn takes(&self, part: &Part) -> bool {
        self.parts.is_empty()
            || self.rows + part.records.len() <= limits::BLOCK_ROWS_MAX
                && self.columns + columns_at_most(&part.records) <= limits::COLUMNS_PER_SEGMENT_MAX
    }

    fn is_full(&self) -> bool {
        self.bytes >= limits::BLOCK_GATHER_BYTES
    }
}

/// A bound on the columns that records make: as many as they have attributes, unless that is more
/// than any batch may have.
fn columns_at_most(records: &[Record]) -> usize {
    let attributes = records.iter().map(|record| record.attributes.len()).sum::<usize>();
    attributes.min(limits::COLUMNS_PER_BATCH_MAX)
}

impl Worker {
    async fn run(mut self) {
        while let Some(gathered) = self.gather().await {
            let (block, waiting) = self.encode(gathered).await;
            if waiting.is_empty() {
                continue;
            }
            if let Some(in_flight) = self.in_flight.take() {
                // A panic in the task has dropped its senders: those who wait are told by that.
                let _ = in_flight.await;
            }
            let (host, shard) = (self.host.clone(), self.shard);
            self.in_flight = Some(tokio::spawn(async move {
                let outcome = host.propose_block(shard, block).await;
                answer(outcome.map(|commit| commit.outcome), waiting);
            }));
        }
    }

    /// Waits for parts, and for as long as a block is in flight, unless what is gathered is full.
    /// `None` when nobody can send parts any more.
    async fn gather(&mut self) -> Option<Gathered> {
        let mut gathered = Gathered::default();
        let first = match self.held_over.take() {
            Some(waiting) => waiting,
            None => self.parts.recv().await?,
        };
        gathered.push(first);
        loop {
            while !gathered.is_full() && self.held_over.is_none() {
                let Ok(waiting) = self.parts.try_recv() else { break };
                self.take(&mut gathered, waiting);
            }
            let Some(in_flight) = &mut self.in_flight else { return Some(gathered) };
            if gathered.is_full() || self.held_over.is_some() {
                return Some(gathered);
            }
            tokio::select! {
                biased;
                _ = in_flight => self.in_flight = None,
                waiting = self.parts.recv() => match waiting {
                    Some(waiting) => self.take(&mut gathered, waiting),
                    None => return Some(gathered),
                },
            }
        }
    }

    fn take(&mut self, gathered: &mut Gathered, waiting: Waiting) {
        if gathered.takes(&waiting.0) {
            gathered.push(waiting);
        } else {
            self.held_over = Some(waiting);
        }
    }

    /// Encodes what was gathered. Whoever sent a part that no block takes is told at once.
    async fn encode(&self, gathered: Gathered) -> (Bytes, Vec<Encoded>) {
        self.env
            .blocking
            .run(move || {
                let mut builder = BlockBuilder::new();
                let mut waiting = Vec::with_capacity(gathered.parts.len());
                for (part, reply) in gathered.parts {
                    match builder.push_part(part.key, part.digest, part.range, &part.records) {
                        Ok(()) => waiting.push(reply),
                        Err(error) => {
                            let error = ProposeError::Refused(error.to_string());
                            let _ = reply.send(PartReply::Failed(error));
                        }
                    }
                }
                metrics::block_rows(builder.rows());
                (builder.finish(), waiting)
            })
            .await
    }
}

/// Who waits for each part of an encoded block, in the block's order.
type Encoded = oneshot::Sender<PartReply>;

/// Tells everyone who waits what became of their part. Whoever stopped waiting is not told.
fn answer(outcome: Result<Outcome, ProposeError>, waiting: Vec<Encoded>) {
    match outcome {
        Ok(Outcome::Block(parts)) => {
            for (part, reply) in parts.into_iter().zip(waiting) {
                let _ = reply.send(PartReply::Applied(part));
            }
        }
        Err(ProposeError::Sealed { .. } | ProposeError::NotOpen(_)) => {
            for reply in waiting {
                let _ = reply.send(PartReply::Moved);
            }
        }
        Ok(other) => unreachable!("BUG: a block was answered with {other:?}"),
        Err(error) => {
            for reply in waiting {
                let _ = reply.send(PartReply::Failed(error.clone()));
            }
        }
    }
}
