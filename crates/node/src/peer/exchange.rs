//! One connection of a caller: its requests are answered as they come, each by itself.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;

use bytes::Bytes;
use futures::Stream;
use tokio::sync::watch;
use tokio::task::{AbortHandle, coop::unconstrained};
use tonic::{Status, Streaming};
use varve_consensus::{CodecError, Incarnation, Lane, PeerMessage};
use varve_proto::v1::{Frame, frame};
use varve_types::NodeId;

use super::assembly::{Assembly, Malformed, Whole};
use super::outbox::{Flow, Outbox, Outgoing};
use super::stats::{PeerStats, add};
use super::{Directory, Receive};

/// Who calls.
#[derive(Clone, Copy, Debug)]
pub(super) struct Caller {
    pub(super) node: NodeId,
    pub(super) start: Incarnation,
    pub(super) lane: Lane,
}

/// The called side of a connection.
pub(super) struct Exchange {
    caller: Caller,
    directory: Directory,
    receiver: Arc<dyn Receive>,
    stats: Arc<PeerStats>,
    outbox: Outbox,
    /// Requests that are being answered.
    running: Mutex<HashMap<u64, AbortHandle>>,
}

/// Why a connection of a caller ended.
#[derive(Debug, thiserror::Error)]
enum Ended {
    #[error("it broke: {}", .0.message())]
    Broken(#[from] Status),
    #[error("what was sent is no message: {0}")]
    Malformed(#[from] Malformed),
    #[error("what was sent is no message: {0}")]
    Codec(#[from] CodecError),
    #[error("a message of another lane came by it")]
    OtherLane,
    #[error("the caller is no member any more: {0}")]
    NoMember(String),
    #[error("another process is this node by now")]
    Superseded,
}

type Answering = Pin<Box<dyn Future<Output = Result<Bytes, String>> + Send>>;

/// Ends the connection when it is dropped: the caller reads no more of it, or this node reads no
/// more of the caller, by whatever way it came to that.
struct EndOnDrop(Arc<Exchange>);

impl Drop for EndOnDrop {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// A request that is being answered. One that ends without an answer is refused, so that nobody
/// waits for it.
struct Request {
    exchange: Arc<Exchange>,
    number: u64,
    answer: Option<Result<Bytes, String>>,
}

impl Request {
    fn note(&mut self, answer: Result<Bytes, String>) {
        self.answer = Some(answer);
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        let broken = || Err("the node failed while it answered; its log says how".to_owned());
        let answer = self.answer.take().unwrap_or_else(broken);
        self.exchange.running().remove(&self.number);
        self.exchange.reply(self.number, answer);
    }
}

impl Exchange {
    pub(super) fn new(
        caller: Caller,
        directory: Directory,
        receiver: Arc<dyn Receive>,
        stats: Arc<PeerStats>,
    ) -> Self {
        let (outbox, running) = (Outbox::default(), Mutex::default());
        Self { caller, directory, receiver, stats, outbox, running }
    }

    /// Answers what comes, until the caller or this node ends it. The stream is the replies.
    pub(super) fn start(
        self,
        frames: Streaming<Frame>,
        mut stopped: watch::Receiver<bool>,
    ) -> impl Stream<Item = Frame> + Send + use<> {
        let exchange = Arc::new(self);
        let reading = EndOnDrop(Arc::clone(&exchange));
        tokio::spawn(async move {
            let exchange = &reading.0;
            let ended = tokio::select! {
                ended = exchange.read(frames) => ended,
                _ = stopped.wait_for(|&stop| stop) => Ok(()),
                () = exchange.outbox.closed() => Ok(()),
            };
            if let Err(ended) = ended {
                exchange.say(&ended);
            }
        });
        futures::stream::unfold(EndOnDrop(exchange), |replies| async move {
            let frame = replies.0.outbox.next().await?;
            Some((frame, replies))
        })
    }

    fn say(&self, ended: &Ended) {
        let (peer, lane) = (self.caller.node.get(), self.caller.lane.name());
        match ended {
            // Its own side says so, when it matters.
            Ended::Broken(_) => {
                tracing::debug!(peer, lane, "a connection of a peer ended: {ended}");
            }
            _ => tracing::error!(peer, lane, "a connection of a peer was ended: {ended}"),
        }
    }

    fn end(&self) {
        self.outbox.close();
        let running = std::mem::take(&mut *self.running());
        running.into_values().for_each(|request| request.abort());
    }

    fn running(&self) -> std::sync::MutexGuard<'_, HashMap<u64, AbortHandle>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn read(self: &Arc<Self>, mut frames: Streaming<Frame>) -> Result<(), Ended> {
        let mut assembly = Assembly::default();
        while let Some(frame) = frames.message().await? {
            let Some(frame::Content::Parts(parts)) = frame.content else {
                return Err(Malformed::NoParts.into());
            };
            let Caller { node, start, .. } = self.caller;
            self.receiver.check_peer(node).map_err(Ended::NoMember)?;
            if start < self.directory.last_start(node) && start.is_said() {
                return Err(Ended::Superseded);
            }
            for part in parts.parts {
                if part.cancelled {
                    assembly.forget(part.request);
                    if let Some(request) = self.running().remove(&part.request) {
                        request.abort();
                    }
                } else if let Some(whole) = assembly.take(part)? {
                    self.answer(whole).await?;
                }
            }
        }
        Ok(())
    }

    /// Begins to answer a request. A message of Raft has been polled once when this returns, so
    /// that it is in its group's channel in the order in which messages came: also when tokio
    /// thinks that this task has done enough, which would let a later one overtake it.
    async fn answer(self: &Arc<Self>, whole: Whole) -> Result<(), Ended> {
        let Whole { request, head, body, .. } = whole;
        let message = PeerMessage::from_parts(head, body)?;
        let Caller { node, lane, .. } = self.caller;
        if message.kind.lane() != lane {
            return Err(Ended::OtherLane);
        }
        let counts = self.stats.lane(lane);
        add(&counts.requests_received, 1);
        add(&counts.request_bytes_received, message.body.len());
        let receiver = Arc::clone(&self.receiver);
        let mut answering: Answering =
            Box::pin(async move { receiver.receive(node, message).await });
        if lane == Lane::Raft
            && let Poll::Ready(answer) = futures::poll!(unconstrained(&mut answering))
        {
            self.reply(request, answer);
            return Ok(());
        }
        let mut answered = Request { exchange: Arc::clone(self), number: request, answer: None };
        // The task waits for the lock before it takes itself out, so it is in by then.
        let mut running = self.running();
        let task = tokio::spawn(async move {
            answered.note(answering.await);
        });
        running.insert(request, task.abort_handle());
        Ok(())
    }

    fn reply(&self, request: u64, answer: Result<Bytes, String>) {
        let refused = answer.is_err();
        let body = answer.unwrap_or_else(Bytes::from);
        let reply = Outgoing { request, head: Bytes::new(), body, refused };
        self.outbox.push(Flow(request), reply);
    }
}
