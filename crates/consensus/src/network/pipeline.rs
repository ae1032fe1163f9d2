//! Several appends to one follower under way at a time, and their answers in order.
//!
//! Nothing goes anywhere before the first request is there: a follower that is down is then tried
//! as often as requests come, which pause, and not as often as streams are opened. What a stream
//! waits for is bounded by progress, and not for each request: many large ones behind a slow disk
//! or link are no reason to send them again.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use futures::stream::{FuturesOrdered, Stream, StreamExt};
use openraft::errors::{NetworkError, RPCError};
use openraft::raft::{AppendEntriesRequest, AppendEntriesResponse, StreamAppendResult};
use tokio::time::{Instant, sleep_until};
use varve_mutants::Mutant;

use super::MessageKind;
use super::link::Link;
use crate::codec::{self, CodecError, decode_append_reply};
use crate::raft_types::{LogId, Types};

/// How many requests may be under way.
const REQUESTS_MAX: usize = 32;
/// How many bytes of requests may be under way; one goes beyond it.
const BYTES_MAX: usize = 16 << 20;
/// How long no answer may come while requests are under way.
const IDLE_LIMIT: Duration = Duration::from_secs(5);

type Answer = Result<StreamAppendResult<Types>, RPCError<Types>>;

/// An answer, and what it is an answer to.
struct Answered {
    answer: Answer,
    /// Whether all of the request was taken, so that those behind it may be.
    is_whole: bool,
    bytes: usize,
}

struct Pipeline<S> {
    link: Link,
    /// `None` once it has ended.
    input: Option<S>,
    under_way: FuturesOrdered<Pin<Box<dyn Future<Output = Answered> + Send>>>,
    bytes: usize,
    /// When the last answer came, or the first request went.
    progress: Instant,
}

/// Sends the requests of a stream as they come, and answers them in order. Ends with the first
/// answer that makes those behind it useless.
pub(super) fn pipelined<S>(link: Link, input: S) -> impl Stream<Item = Answer> + Send + 'static
where
    S: Stream<Item = AppendEntriesRequest<Types>> + Send + Unpin + 'static,
{
    let (under_way, progress) = (FuturesOrdered::new(), Instant::now());
    let pipeline = Pipeline { link, input: Some(input), under_way, bytes: 0, progress };
    futures::stream::unfold(Some(pipeline), |pipeline| async {
        let mut pipeline = pipeline?;
        let (answer, goes_on) = pipeline.next().await?;
        Some((answer, goes_on.then_some(pipeline)))
    })
}

impl<S> Pipeline<S>
where
    S: Stream<Item = AppendEntriesRequest<Types>> + Send + Unpin + 'static,
{
    /// The next answer, and whether more may follow.
    async fn next(&mut self) -> Option<(Answer, bool)> {
        loop {
            if self.under_way.is_empty() {
                let request = self.input.as_mut()?.next().await;
                self.progress = Instant::now();
                self.take(request).await;
                continue;
            }
            let Self { input, under_way, progress, .. } = self;
            let has_room = under_way.len() < REQUESTS_MAX && self.bytes < BYTES_MAX;
            let request = async {
                match input {
                    Some(input) if has_room => input.next().await,
                    Some(_) | None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                Some(answered) = under_way.next() => {
                    *progress = Instant::now();
                    self.bytes -= answered.bytes;
                    return Some((answered.answer, answered.is_whole));
                }
                request = request => self.take(request).await,
                () = sleep_until(*progress + IDLE_LIMIT) => {
                    return Some((Err(self.link.append_timeout(IDLE_LIMIT)), false));
                }
            }
        }
    }

    /// Sends a request on, or notes that there are no more.
    async fn take(&mut self, request: Option<AppendEntriesRequest<Types>>) {
        let Some(request) = request else {
            self.input = None;
            return;
        };
        let (prev, last) = (request.prev_log_id, last_of(&request));
        let body = codec::encode_append(&request);
        let bytes = body.len();
        self.bytes += bytes;
        let link = self.link.clone();
        let mut sent: Pin<Box<dyn Future<Output = Answered> + Send>> = Box::pin(async move {
            let answer = match link.exchange(MessageKind::Append, body).await {
                Ok(reply) => decode_append_reply(reply)
                    .and_then(|reply| understood(reply, prev, last))
                    .map_err(|error| RPCError::Network(NetworkError::new(&error))),
                Err(_) if Mutant::CommitOnMinority.is_planted() => Ok(Ok(last)),
                Err(error) => Err(error),
            };
            let is_whole = matches!(&answer, Ok(Ok(matching)) if *matching == last);
            Answered { answer, is_whole, bytes }
        });
        // The first poll is what hands it to the transport, in the order of the requests.
        match futures::poll!(&mut sent) {
            std::task::Poll::Ready(answered) => {
                self.under_way.push_back(Box::pin(std::future::ready(answered)));
            }
            std::task::Poll::Pending => self.under_way.push_back(sent),
        }
    }
}

/// The last entry that a follower has which took all of a request.
fn last_of(request: &AppendEntriesRequest<Types>) -> Option<LogId> {
    request.entries.last().map(|entry| entry.log_id).or(request.prev_log_id)
}

/// What a reply says of a request.
fn understood(
    reply: AppendEntriesResponse<Types>,
    prev: Option<LogId>,
    last: Option<LogId>,
) -> Result<StreamAppendResult<Types>, CodecError> {
    if reply.is_conflict() && prev.is_none() {
        // Nothing comes before the first entry, so nothing can be in conflict with it.
        return Err(CodecError::Impossible { what: "append reply", field: "conflict" });
    }
    Ok(reply.into_stream_result(prev, last))
}

#[cfg(test)]
mod tests;
