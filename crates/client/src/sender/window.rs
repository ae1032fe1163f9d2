//! What of a sender's batches has no answer yet: state and decisions, no input or output.

use std::collections::BTreeMap;

use tokio::time::Instant;
use varve_proto::v1;
use varve_types::{Sequence, limits};

use super::{Appended, Submission};
use crate::backoff::{Backoff, RetryPolicy};
use crate::error::{AppendError, Refusal};

/// Batches without an answer hold at most this, so that a window of large ones does not fill the
/// memory. One batch always passes.
const IN_FLIGHT_BYTES_MAX: usize = 32 << 20;

/// Batches without an answer, by sequence.
#[derive(Debug)]
pub(super) struct Window {
    policy: RetryPolicy,
    entries: BTreeMap<Sequence, Entry>,
    bytes: usize,
    /// The last batch taken, answered or not.
    last: Option<Sequence>,
    /// The first batch that failed for good. After it no more are taken.
    failed: Option<Sequence>,
}

#[derive(Debug)]
struct Entry {
    submission: Submission,
    state: State,
    backoff: Backoff,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// To be sent over the next connection.
    Unsent,
    /// Sent over this connection.
    Sent,
    /// To be sent again, over any connection, not before this.
    Waiting(Instant),
}

/// What an answer changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Settled {
    /// A batch has its result.
    Done,
    /// It is to be sent again.
    Again {
        /// Because of this.
        why: String,
        /// Another node may store it when this one cannot.
        elsewhere: bool,
    },
    /// The answer is for a batch that waits for none.
    Stray,
}

impl Window {
    pub(super) const fn new(policy: RetryPolicy) -> Self {
        Self { policy, entries: BTreeMap::new(), bytes: 0, last: None, failed: None }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(super) const fn failed(&self) -> Option<Sequence> {
        self.failed
    }

    /// Whether the next batch may be sent: the batch a window before it has its answer.
    pub(super) fn has_room(&self) -> bool {
        let lowest = self.entries.first_key_value().map(|(lowest, _)| lowest);
        self.failed.is_none()
            && lowest.zip(self.last).is_none_or(|(lowest, last)| {
                last.next().get() - lowest.get() < limits::PRODUCER_WINDOW
                    && self.bytes < IN_FLIGHT_BYTES_MAX
            })
    }

    pub(super) fn admit(&mut self, submission: Submission) {
        self.bytes += submission.bytes;
        self.last = Some(submission.sequence);
        let backoff = Backoff::new(self.policy);
        let entry = Entry { submission, state: State::Unsent, backoff };
        self.entries.insert(entry.submission.sequence, entry);
    }

    /// The requests to send now, in order; they count as sent.
    pub(super) fn take_due(&mut self, now: Instant) -> Vec<v1::AppendRequest> {
        let due = |state| match state {
            State::Unsent => true,
            State::Sent => false,
            State::Waiting(until) => until <= now,
        };
        self.entries
            .values_mut()
            .filter(|entry| due(entry.state))
            .map(|entry| {
                entry.state = State::Sent;
                entry.submission.request.clone()
            })
            .collect()
    }

    /// When the next batch is to be sent again.
    pub(super) fn next_retry(&self) -> Option<Instant> {
        let waits = self.entries.values().filter_map(|entry| match entry.state {
            State::Waiting(until) => Some(until),
            State::Unsent | State::Sent => None,
        });
        waits.min()
    }

    /// Whether some batch was sent over this connection and has no answer.
    pub(super) fn awaits_answer(&self) -> bool {
        self.entries.values().any(|entry| entry.state == State::Sent)
    }

    /// The connection is gone: what it carried is to be sent over the next one.
    pub(super) fn disconnected(&mut self) {
        for entry in self.entries.values_mut().filter(|entry| entry.state == State::Sent) {
            entry.state = State::Unsent;
        }
    }

    /// Takes the server's answer to one batch.
    pub(super) fn answer(&mut self, answer: v1::AppendStreamResponse, now: Instant) -> Settled {
        use v1::append_stream_response::Outcome;
        let Some(sequence) =
            Sequence::new(answer.sequence).filter(|s| self.entries.contains_key(s))
        else {
            return Settled::Stray;
        };
        let result = match answer.outcome {
            Some(Outcome::Accepted(response)) => Ok(Appended::stored(&response)),
            Some(Outcome::Error(error)) => {
                let refusal = Refusal::of_stream(error);
                if refusal.is_forgotten() {
                    Ok(Appended::Earlier)
                } else if refusal.retryable {
                    return self.wait(sequence, refusal, now);
                } else {
                    Err(refusal.into())
                }
            }
            None => Err(AppendError::Answer("it has no outcome".to_owned())),
        };
        self.settle(sequence, result);
        Settled::Done
    }

    fn wait(&mut self, sequence: Sequence, refusal: Refusal, now: Instant) -> Settled {
        if let Some(entry) = self.entries.get_mut(&sequence) {
            entry.state = State::Waiting(now + entry.backoff.next_wait(refusal.retry_after));
        }
        Settled::Again { elsewhere: refusal.may_pass_elsewhere(), why: refusal.message }
    }

    fn settle(&mut self, sequence: Sequence, result: Result<Appended, AppendError>) {
        let Some(entry) = self.entries.remove(&sequence) else { return };
        self.bytes -= entry.submission.bytes;
        if result.is_err() && self.failed.is_none() {
            self.failed = Some(sequence);
        }
        // Whoever dropped the `Ack` does not want to know.
        let _ = entry.submission.answer.send(result);
    }

    /// No connection will ever help: every batch without an answer fails like this.
    pub(super) fn fail_all(&mut self, error: &AppendError) {
        while let Some((&sequence, _)) = self.entries.first_key_value() {
            self.settle(sequence, Err(error.clone()));
        }
    }
}
