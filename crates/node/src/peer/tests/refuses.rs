//! Who is no peer gets no further than the handshake, and nobody else is hurt.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, timeout};
use varve_consensus::{ClusterId, MessageKind, PeerError, PeerTransport, Starts};
use varve_env::Env;
use varve_proto::v1::peer_service_client::PeerServiceClient;
use varve_proto::v1::{Frame, Hello, Introduction, Part, Parts, Rejected, frame};
use varve_types::NodeId;

use super::world::{
    CLUSTER, FakeNode, Log, eventually, message, peers_as, peers_to, peers_with, started,
    with_clock_off,
};
use crate::peer::dial::dial;
use crate::peer::handshake::{Check, Side, encode_u128};
use crate::peer::{Directory, Identity, Peers};

const TWO: NodeId = NodeId(2);
const MINUTE_NS: i64 = 60_000_000_000;

async fn why_not(peers: &Peers) -> String {
    let sent = peers.send(TWO, message(MessageKind::Append, 1, 1, 8)).await;
    match sent {
        Err(PeerError::Unreachable { why, .. }) => why,
        other => panic!("{other:?}"),
    }
}

fn assert_says(text: &str, words: &[&str]) {
    assert!(words.iter().all(|word| text.contains(word)), "{words:?} in {text}");
}

#[tokio::test]
async fn another_cluster_another_node_and_another_time_are_refused_with_both_values() {
    let log = Log::of_this_thread();
    let node = FakeNode::start(2).await;
    let peers = peers_with(node.address, ClusterId(8), Env::real());
    let why = why_not(&peers).await;
    assert_says(&why, &["node 1 is of cluster", &ClusterId(8).to_string(), &CLUSTER.to_string()]);

    let third = FakeNode::start(3).await;
    let why = why_not(&peers_to(third.address)).await;
    assert_says(&why, &["node 3", "node 2 was called", "advertise_peer"]);

    for off in [-6 * MINUTE_NS, 6 * MINUTE_NS] {
        let why = why_not(&peers_with(node.address, CLUSTER, with_clock_off(off))).await;
        assert_says(&why, &["the clock here says", "s apart, and at most 300 s", "time server"]);
    }
    let close = peers_with(node.address, CLUSTER, with_clock_off(4 * MINUTE_NS));
    assert!(close.send(TWO, message(MessageKind::Append, 1, 7, 8)).await.is_ok());
    assert_eq!(node.order(), [7]);
    assert_eq!(node.stats.handshakes_refused.load(Ordering::SeqCst), 3);

    // Who refuses says so as well, each of it once.
    let refused = log.lines_with("a peer is refused");
    assert_eq!(refused.len(), 3, "{refused:?}");
    assert_says(&refused[0], &["ERROR", "node 1 is of cluster", &CLUSTER.to_string()]);
    assert_says(&refused[1], &["ERROR", "node 3", "node 2 was called"]);
    assert_says(&refused[2], &["ERROR", "the clock here says", "time server"]);
}

#[tokio::test]
async fn a_node_that_was_removed_is_refused_also_on_the_connection_that_it_has() {
    let node = FakeNode::start(2).await;
    let peers = peers_to(node.address);
    peers.send(TWO, message(MessageKind::Append, 1, 1, 8)).await.unwrap();
    node.seen.strangers.lock().unwrap().push(NodeId(1));
    assert!(peers.send(TWO, message(MessageKind::Append, 1, 2, 8)).await.is_err());
    // It is given a moment, because one that was just admitted looks the same.
    let begun = Instant::now();
    while !why_not(&peers).await.contains("node 1 was removed") {
        assert!(begun.elapsed() < Duration::from_secs(5));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(node.order(), [1]);
    node.seen.strangers.lock().unwrap().clear();
    while peers.send(TWO, message(MessageKind::Append, 1, 3, 8)).await.is_err() {
        assert!(begun.elapsed() < Duration::from_secs(10));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Node 1's transport as it was started then, and why it had to end.
fn peers_started(this: u64, before: u64, node: &FakeNode) -> (Peers, Arc<Mutex<Option<String>>>) {
    let ended = Arc::<Mutex<Option<String>>>::default();
    let note = Arc::clone(&ended);
    let on_fatal = Arc::new(move |why: &str| *note.lock().unwrap() = Some(why.to_owned()));
    (peers_as(started(this, before), node.address, Env::real(), on_fatal), ended)
}

#[tokio::test]
async fn of_two_processes_that_are_one_node_one_is_refused_and_ends() {
    let any = "127.0.0.1:0".parse().unwrap();
    let original = FakeNode::start_as(any, started(5, 4), Directory::default()).await;
    let directory = Directory::default();
    directory.set_addresses([(NodeId(1), original.address.to_string())].into());
    let two = Identity { node: TWO, ..started(1, 0) };
    let node = FakeNode::start_as(any, two, directory).await;
    let append = |number| message(MessageKind::Append, 1, number, 8);
    let (first, first_ended) = peers_started(5, 4, &node);
    first.send(TWO, append(1)).await.unwrap();

    // A copy of its disk is started while it runs.
    let (copy, copy_ended) = peers_started(9, 5, &node);
    let address = original.address.to_string();
    assert_says(&why_not(&copy).await, &["node 1 runs already", &address, "empty data directory"]);
    eventually("the copy ends", || copy_ended.lock().unwrap().is_some()).await;
    first.send(TWO, append(2)).await.unwrap();

    // Where nobody answers any more the copy is the node, and what ran before is not.
    original.stop().await;
    let (copy, copy_ended) = peers_started(9, 5, &node);
    copy.send(TWO, append(3)).await.unwrap();
    assert!(first.send(TWO, append(4)).await.is_err());
    let begun = Instant::now();
    while first_ended.lock().unwrap().is_none() {
        assert!(begun.elapsed() < Duration::from_secs(5));
        let _ = first.send(TWO, append(4)).await;
    }
    assert_says(first_ended.lock().unwrap().as_ref().unwrap(), &["node 1", "is a copy"]);
    // A disk that missed a start is known by it, and one that missed none is the node.
    let (third, third_ended) = peers_started(12, 5, &node);
    assert!(third.send(TWO, append(5)).await.is_err());
    eventually("it ends", || third_ended.lock().unwrap().is_some()).await;
    let (again, _) = peers_started(11, 9, &node);
    again.send(TWO, append(6)).await.unwrap();
    assert_eq!(node.order(), [1, 2, 3, 6]);
    assert_eq!(*copy_ended.lock().unwrap(), None);
}

#[tokio::test]
async fn garbage_and_half_frames_end_their_connection_and_nothing_else() {
    let node = FakeNode::start(2).await;
    let peers = peers_to(node.address);
    peers.send(TWO, message(MessageKind::Append, 1, 1, 8)).await.unwrap();
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    let garbage: [&[u8]; 5] = [
        b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        &[0; 4096],
        &preface[..10],
        preface,
        &[preface, &[0xff; 512][..]].concat(),
    ];
    for bytes in garbage {
        let mut socket = Env::real().network.connect(&node.address.to_string()).await.unwrap();
        socket.write_all(bytes).await.unwrap();
        socket.shutdown().await.unwrap();
        let mut answer = Vec::new();
        // Whether by an end or a reset: the other side does not keep it.
        let ended = timeout(Duration::from_secs(5), socket.read_to_end(&mut answer)).await;
        assert!(ended.is_ok(), "{bytes:?}");
    }
    peers.send(TWO, message(MessageKind::Append, 1, 2, 8)).await.unwrap();
    assert_eq!(node.order(), [1, 2]);
}

fn introduction() -> Introduction {
    let identity = Identity { cluster: CLUSTER, node: NodeId(1), starts: Starts::default() };
    Side::here(identity, &Env::real().clock).encode()
}

fn hello(introduction: Introduction, lane: u32) -> Frame {
    let hello = Hello { introduction: Some(introduction), to: 2, lane };
    Frame { content: Some(frame::Content::Hello(hello)) }
}

fn part(part: Part) -> Frame {
    Frame { content: Some(frame::Content::Parts(Parts { parts: vec![part] })) }
}

/// What a node answers to these frames, until it ends the stream.
async fn answers(node: &FakeNode, frames: Vec<Frame>) -> Vec<Option<frame::Content>> {
    let channel = dial(&Env::real(), &node.address.to_string()).await.unwrap();
    let frames = futures::StreamExt::chain(
        futures::stream::iter(frames),
        // The caller keeps its side open: it is for the node to end the stream.
        futures::stream::pending(),
    );
    let mut replies = PeerServiceClient::new(channel).exchange(frames).await.unwrap().into_inner();
    let mut answers = Vec::new();
    let read = async {
        while let Ok(Some(frame)) = replies.message().await {
            answers.push(frame.content);
        }
    };
    timeout(Duration::from_secs(5), read).await.unwrap();
    answers
}

fn rejection(answers: &[Option<frame::Content>]) -> (Check, String) {
    match answers {
        [Some(frame::Content::Rejected(Rejected { check, reason }))] => {
            (Check::from_number(*check), reason.clone())
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_handshake_that_is_none_is_rejected() {
    let node = FakeNode::start(2).await;
    for (protocol_min, protocol_max, words) in
        [(9, 12, ["9 to 12", "update this node"]), (0, 0, ["0 to 0", "update the other node"])]
    {
        let other = Introduction { protocol_min, protocol_max, ..introduction() };
        let (check, why) = rejection(&answers(&node, vec![hello(other, 1)]).await);
        assert_eq!(check, Check::Protocol);
        assert_says(&why, &["protocols 1 to 1"]);
        assert_says(&why, &words);
    }
    let short = Introduction { cluster: encode_u128(7).slice(1..), ..introduction() };
    for frames in [
        vec![hello(short, 1)],
        vec![hello(introduction(), 0)],
        vec![hello(introduction(), 9)],
        vec![part(Part::default())],
        vec![Frame { content: None }],
    ] {
        assert_eq!(rejection(&answers(&node, frames).await).0, Check::Form);
    }
    assert!(node.order().is_empty(), "{:?}", node.order());
}

#[tokio::test]
async fn what_is_no_message_ends_the_connection() {
    let node = FakeNode::start(2).await;
    let good = message(MessageKind::Append, 1, 4, 8);
    let whole = |head: bytes::Bytes| {
        part(Part { request: 1, head, body: good.body.clone(), last: true, ..Part::default() })
    };
    let mut unknown = good.head().to_vec();
    unknown[1] = 77;
    for frame in [
        whole(unknown.into()),
        whole(good.head().slice(..5)),
        whole(message(MessageKind::Files, 1, 4, 8).head()),
        part(Part { request: 1, head: good.head(), ..Part::default() }),
        Frame { content: None },
        hello(introduction(), 1),
    ] {
        let answers = answers(&node, vec![hello(introduction(), 1), frame]).await;
        assert!(matches!(&answers[..], [Some(frame::Content::Welcome(_))]), "{answers:?}");
    }
    eventually("nothing runs", || node.seen.running.load(Ordering::SeqCst) == 0).await;
    assert!(node.order().is_empty(), "{:?}", node.order());
}
