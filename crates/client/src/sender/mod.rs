//! Sending many batches: pipelined, in order of sequence, each stored once whatever breaks.
//!
//! A [`Sender`] numbers batches and hands them to a task of its own, which keeps one stream to the
//! node open. Up to [`varve_types::limits::PRODUCER_WINDOW`] batches wait for their answers at a time; what was
//! not answered when a connection breaks is sent again, under the same key, over the next one. The
//! server recognises what it has stored, so nothing is stored twice and nothing is left out.
//!
//! A batch that the server refuses for good ends the sender: going on would push the refused
//! sequence out of the server's memory, where a later resend could not be told from one that was
//! stored.

mod driver;
mod window;

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use tokio::sync::{mpsc, oneshot};
use varve_proto::v1;
use varve_types::{BatchKey, ProducerKey, Record, Sequence};

use crate::batch::record_bytes;
use crate::client::{Client, append_request};
use crate::error::AppendError;

/// What became of a batch that was not refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Appended {
    /// It is on the disks of a quorum, and visible to the next query.
    Stored {
        /// Records stored, or found stored already.
        records: u64,
        /// It had been stored before.
        duplicate: bool,
    },
    /// It is so old that the server has forgotten it. A producer that keeps to the window, as
    /// [`Sender`] does, had it acknowledged in an earlier run; its content was not compared.
    Earlier,
}

/// Sends the batches of one producer.
#[derive(Debug)]
pub struct Sender {
    producer: ProducerKey,
    next: Sequence,
    submissions: mpsc::Sender<Submission>,
    failed: Arc<OnceLock<Sequence>>,
}

/// The answer to one batch, as a future. Dropping it does not take the batch back.
#[derive(Debug)]
pub struct Ack {
    sequence: Sequence,
    answer: oneshot::Receiver<Result<Appended, AppendError>>,
}

/// A batch on its way.
#[derive(Debug)]
struct Submission {
    sequence: Sequence,
    bytes: usize,
    request: v1::AppendRequest,
    answer: oneshot::Sender<Result<Appended, AppendError>>,
}

impl Appended {
    pub(crate) fn stored(response: &v1::AppendResponse) -> Self {
        Self::Stored { records: response.accepted, duplicate: response.duplicate }
    }
}

impl Sender {
    /// A sender of a producer's batches, numbered from 1. Call it within a tokio runtime.
    ///
    /// The producer's earlier batches must be sent again, in the same order and with the same
    /// content, before new ones: they are found stored.
    #[must_use]
    pub fn new(client: Client, producer: ProducerKey) -> Self {
        let (submissions, receiver) = mpsc::channel(1);
        let failed = Arc::new(OnceLock::new());
        tokio::spawn(driver::run(client, receiver, Arc::clone(&failed)));
        Self { producer, next: Sequence::FIRST, submissions, failed }
    }

    /// Sends a batch under the next sequence. Waits while the window is full; the answer comes by
    /// the [`Ack`].
    ///
    /// # Errors
    ///
    /// [`AppendError::Stopped`] after a batch failed for good.
    pub async fn send(&mut self, records: &[Record]) -> Result<Ack, AppendError> {
        let sequence = self.next;
        let key = BatchKey { producer: self.producer.clone(), sequence };
        let bytes = records.iter().map(record_bytes).sum();
        let (answer, receiver) = oneshot::channel();
        let request = append_request(&key, records);
        let submission = Submission { sequence, bytes, request, answer };
        if self.submissions.send(submission).await.is_err() {
            let sequence = self.failed.get().copied().unwrap_or(sequence);
            return Err(AppendError::Stopped { sequence });
        }
        self.next = sequence.next();
        Ok(Ack { sequence, answer: receiver })
    }
}

impl Ack {
    /// Which batch.
    #[must_use]
    pub const fn sequence(&self) -> Sequence {
        self.sequence
    }
}

impl Future for Ack {
    type Output = Result<Appended, AppendError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let sequence = self.sequence;
        // The task is gone without an answer only when the runtime shuts down.
        Pin::new(&mut self.answer)
            .poll(context)
            .map(|answer| answer.unwrap_or(Err(AppendError::Stopped { sequence })))
    }
}
