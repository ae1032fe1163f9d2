//! A pipeline over a transport whose answers are given by hand.

use std::sync::{Arc, Mutex};

use crate::upkeep::Pace;
use async_trait::async_trait;
use bytes::Bytes;
use futures::channel::mpsc;
use openraft::EntryPayload;
use openraft::raft::StreamAppendError;
use tokio::sync::oneshot;
use varve_types::{GroupId, NodeId, ReplicaId};

use super::*;
use crate::codec::{decode_append, encode_append_reply};
use crate::network::{Links, PeerError, PeerMessage, PeerTransport};
use crate::raft_types::{Entry, Vote, log_id};

type Reply = Result<Bytes, PeerError>;

/// The first entry of a request, and who waits for its reply.
type Waiting = (u64, oneshot::Sender<Reply>);

/// Requests that were sent.
#[derive(Clone, Default)]
struct ByHand(Arc<Mutex<Vec<Waiting>>>);

#[async_trait]
impl PeerTransport for ByHand {
    async fn send(&self, _to: NodeId, message: PeerMessage) -> Reply {
        let (sender, reply) = oneshot::channel();
        let first = decode_append(message.body).unwrap().entries[0].log_id.index();
        self.0.lock().unwrap().push((first, sender));
        reply.await.unwrap()
    }
}

impl ByHand {
    fn sent(&self) -> Vec<u64> {
        self.0.lock().unwrap().iter().map(|(first, _)| *first).collect()
    }

    fn reply(&self, first: u64, reply: &AppendEntriesResponse<Types>) {
        self.answer(first, Ok(encode_append_reply(reply)));
    }

    fn answer(&self, first: u64, reply: Reply) {
        let mut waiting = self.0.lock().unwrap();
        let at = waiting.iter().position(|(sent, _)| *sent == first).unwrap();
        waiting.remove(at).1.send(reply).unwrap();
    }
}

fn request(index: u64) -> AppendEntriesRequest<Types> {
    let entry = |index| Entry { log_id: log_id(1, index), payload: EntryPayload::Blank };
    AppendEntriesRequest {
        vote: Vote::new_committed(1, 1),
        prev_log_id: index.checked_sub(1).map(|prev| log_id(1, prev)),
        entries: vec![entry(index)],
        leader_commit: None,
    }
}

type Answers = Pin<Box<dyn Stream<Item = Answer> + Send>>;
type Requests = mpsc::UnboundedSender<AppendEntriesRequest<Types>>;

fn pipeline() -> (ByHand, Requests, Answers) {
    let transport = ByHand::default();
    let links = Links {
        group: GroupId::CATALOG,
        from: ReplicaId(1),
        transport: Arc::new(transport.clone()),
        pace: Arc::new(Pace::new(1 << 20)),
    };
    let link = Link::new(links, ReplicaId(2), NodeId(2));
    let (requests, input) = mpsc::unbounded();
    (transport, requests, Box::pin(pipelined(link, input)))
}

/// What is there now without waiting.
fn now(answers: &mut Answers) -> Option<Option<Answer>> {
    use futures::FutureExt;
    answers.next().now_or_never()
}

#[tokio::test]
async fn requests_go_at_once_and_answers_come_in_their_order() {
    let (transport, requests, mut answers) = pipeline();
    assert!(now(&mut answers).is_none());
    assert!(transport.sent().is_empty(), "nothing goes before there is a request");
    for index in 1..=40 {
        requests.unbounded_send(request(index)).unwrap();
    }
    assert!(now(&mut answers).is_none());
    assert_eq!(transport.sent(), (1..=REQUESTS_MAX as u64).collect::<Vec<_>>());
    transport.reply(2, &AppendEntriesResponse::Success);
    assert!(now(&mut answers).is_none(), "the first has no reply yet");
    transport.reply(1, &AppendEntriesResponse::Success);
    for index in 1..=2 {
        let answer = answers.next().await.unwrap().unwrap().unwrap();
        assert_eq!(answer, Some(log_id(1, index)));
    }
    assert!(now(&mut answers).is_none());
    assert_eq!(transport.sent(), (3..=REQUESTS_MAX as u64 + 2).collect::<Vec<_>>());
    drop(requests);
    for index in 3..=40 {
        while !transport.sent().contains(&index) {
            assert!(now(&mut answers).is_none());
        }
        transport.reply(index, &AppendEntriesResponse::Success);
        assert!(answers.next().await.unwrap().is_ok());
    }
    assert!(answers.next().await.is_none());
}

#[tokio::test]
async fn an_answer_that_makes_the_rest_useless_is_the_last() {
    let conflict = encode_append_reply(&AppendEntriesResponse::Conflict);
    let part = encode_append_reply(&AppendEntriesResponse::PartialSuccess(Some(log_id(1, 4))));
    let down = PeerError::Unreachable { node: NodeId(2), why: "unplugged".to_owned() };
    for (reply, expected) in [
        (Ok(conflict), "Conflict"),
        (Ok(part), "Some"),
        (Err(down), "Unreachable"),
        (Ok(Bytes::from_static(b"\xff\xff")), "Network"),
    ] {
        let (transport, requests, mut answers) = pipeline();
        requests.unbounded_send(request(5)).unwrap();
        requests.unbounded_send(request(6)).unwrap();
        assert!(now(&mut answers).is_none());
        transport.answer(5, reply);
        let answer = answers.next().await.unwrap();
        assert!(format!("{answer:?}").contains(expected), "{answer:?}");
        assert!(answers.next().await.is_none(), "after {answer:?}");
        assert!(transport.0.lock().unwrap()[0].1.is_closed(), "the second is cancelled");
    }
}

#[tokio::test]
async fn a_conflict_before_the_first_entry_is_an_error_and_no_panic() {
    let (transport, requests, mut answers) = pipeline();
    requests.unbounded_send(request(0)).unwrap();
    assert!(now(&mut answers).is_none());
    transport.reply(0, &AppendEntriesResponse::Conflict);
    assert!(matches!(answers.next().await, Some(Err(RPCError::Network(_)))));
    let (transport, requests, mut answers) = pipeline();
    requests.unbounded_send(request(1)).unwrap();
    assert!(now(&mut answers).is_none());
    transport.reply(1, &AppendEntriesResponse::HigherVote(Vote::new(7, 3)));
    let answer = answers.next().await.unwrap().unwrap();
    assert_eq!(answer, Err(StreamAppendError::HigherVote(Vote::new(7, 3))));
}

#[tokio::test(start_paused = true)]
async fn it_waits_while_there_is_progress_and_no_longer() {
    let (transport, requests, mut answers) = pipeline();
    for index in 1..=4 {
        requests.unbounded_send(request(index)).unwrap();
    }
    for index in 1..=3 {
        assert!(tokio::time::timeout(IDLE_LIMIT / 2, answers.next()).await.is_err());
        transport.reply(index, &AppendEntriesResponse::Success);
        assert!(matches!(answers.next().await, Some(Ok(Ok(_)))));
    }
    let begun = Instant::now();
    assert!(matches!(answers.next().await, Some(Err(RPCError::Timeout(_)))));
    assert_eq!(begun.elapsed(), IDLE_LIMIT);
    assert!(answers.next().await.is_none());
}
