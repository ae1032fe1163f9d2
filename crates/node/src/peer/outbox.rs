//! What waits to be sent on one connection, and in which order it goes.
//!
//! Messages of one flow keep their order; flows take turns. Small messages go first, then pieces
//! of large ones, and of those at least one in each frame.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::Notify;
use varve_proto::v1::{Frame, Part, Parts, frame};

use super::{FRAME_BYTES, PIECE_BYTES, SMALL_BYTES};

/// What keeps its order: a Raft group's messages, or a request that is alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Flow(pub(super) u64);

/// A message on its way out.
#[derive(Debug)]
pub(super) struct Outgoing {
    /// The number of the request that it is, or answers.
    pub(super) request: u64,
    pub(super) head: Bytes,
    pub(super) body: Bytes,
    /// It is a text that says why there is no reply.
    pub(super) refused: bool,
}

/// The sending end of a connection. One stream takes frames from it.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    state: Mutex<State>,
    changed: Notify,
    closed: Notify,
}

#[derive(Debug, Default)]
struct State {
    closed: bool,
    cancelled: VecDeque<u64>,
    flows: HashMap<Flow, VecDeque<Started>>,
    /// Flows whose next message is small, and the others, each flow in one of the two.
    small: VecDeque<Flow>,
    large: VecDeque<Flow>,
}

#[derive(Debug)]
struct Started {
    message: Outgoing,
    sent_bytes: usize,
}

impl Outbox {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues a message. What is queued after the end goes nowhere.
    pub(super) fn push(&self, flow: Flow, message: Outgoing) {
        self.state().push(flow, message);
        self.changed.notify_one();
    }

    /// Nobody waits for the reply to a request any more: what is not sent of it stays here, and
    /// the other side is told when it knows of it.
    pub(super) fn cancel(&self, flow: Flow, request: u64) {
        self.state().cancel(flow, request);
        self.changed.notify_one();
    }

    /// Ends the stream at once, with all that waits.
    pub(super) fn close(&self) {
        let mut state = self.state();
        *state = State { closed: true, ..State::default() };
        drop(state);
        self.changed.notify_one();
        self.closed.notify_one();
    }

    /// Waits for [`Outbox::close`]. For one who waits.
    pub(super) async fn closed(&self) {
        self.closed.notified().await;
    }

    /// The next frame, as soon as there is one. `None` after the end.
    pub(super) async fn next(&self) -> Option<Frame> {
        loop {
            {
                let mut state = self.state();
                if state.closed {
                    return None;
                }
                let parts = state.take();
                if !parts.is_empty() {
                    return Some(Frame { content: Some(frame::Content::Parts(Parts { parts })) });
                }
            }
            self.changed.notified().await;
        }
    }
}

impl State {
    fn push(&mut self, flow: Flow, message: Outgoing) {
        if self.closed {
            return;
        }
        let waiting = self.flows.entry(flow).or_default();
        waiting.push_back(Started { message, sent_bytes: 0 });
        if waiting.len() == 1 {
            self.line_up(flow);
        }
    }

    /// Puts a flow at the end of the line in which its next message belongs.
    fn line_up(&mut self, flow: Flow) {
        let Some(next) = self.flows.get(&flow).and_then(VecDeque::front) else { return };
        let is_small = next.message.body.len() <= SMALL_BYTES;
        let line = if is_small { &mut self.small } else { &mut self.large };
        line.push_back(flow);
    }

    fn cancel(&mut self, flow: Flow, request: u64) {
        let Some(waiting) = self.flows.get_mut(&flow) else {
            return self.cancelled.push_back(request);
        };
        let at = waiting.iter().position(|started| started.message.request == request);
        let began = at.is_none_or(|at| waiting[at].sent_bytes > 0);
        if began {
            self.cancelled.push_back(request);
        }
        let Some(at) = at else { return };
        waiting.remove(at);
        if at == 0 {
            // Its next message may belong in the other line.
            self.small.retain(|other| *other != flow);
            self.large.retain(|other| *other != flow);
            if waiting.is_empty() {
                self.flows.remove(&flow);
            }
            self.line_up(flow);
        }
    }

    /// The parts of the next frame; none when nothing waits.
    fn take(&mut self) -> Vec<Part> {
        let cancelled = |request| Part { request, cancelled: true, ..Part::default() };
        let mut parts: Vec<_> = self.cancelled.drain(..).map(cancelled).collect();
        let mut bytes = 0;
        while bytes < FRAME_BYTES
            && let Some(flow) = self.small.pop_front()
        {
            bytes += self.take_piece(flow, &mut parts);
        }
        while let Some(flow) = self.large.pop_front() {
            bytes += self.take_piece(flow, &mut parts);
            if bytes >= FRAME_BYTES {
                break;
            }
        }
        parts
    }

    /// Takes a piece of a flow's next message, and answers about how many bytes that is.
    fn take_piece(&mut self, flow: Flow, parts: &mut Vec<Part>) -> usize {
        /// About what a part takes beside its body.
        const PART_BYTES: usize = 64;
        let waiting = self.flows.get_mut(&flow).expect("BUG: a flow in line has no message");
        let next = waiting.front_mut().expect("BUG: a flow in line has no message");
        let Outgoing { request, head, body, refused } = &mut next.message;
        let first = next.sent_bytes == 0;
        let end = body.len().min(next.sent_bytes + PIECE_BYTES);
        let piece = body.slice(next.sent_bytes..end);
        let (bytes, last) = (piece.len() + PART_BYTES, end == body.len());
        parts.push(Part {
            request: *request,
            head: if first { std::mem::take(head) } else { Bytes::new() },
            body: piece,
            last,
            cancelled: false,
            refused: *refused,
        });
        next.sent_bytes = end;
        if last {
            waiting.pop_front();
        }
        if waiting.is_empty() {
            self.flows.remove(&flow);
        }
        self.line_up(flow);
        bytes
    }
}
