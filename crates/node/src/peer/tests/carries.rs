//! Messages arrive whole, in order, beside each other, and not after they were given up.

use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::future::join_all;
use tokio::time::{Instant, timeout};
use varve_consensus::{MessageKind, PeerError, PeerTransport};
use varve_types::NodeId;

use super::world::{FakeNode, eventually, message, peers_to};

const TWO: NodeId = NodeId(2);

#[tokio::test]
async fn a_reply_is_what_was_answered_and_a_refusal_is_told() {
    let node = FakeNode::start(2).await;
    let peers = peers_to(node.address);
    for bytes in [8, 1 << 10, 64 << 10, (64 << 10) + 1, 3 << 20, 40 << 20] {
        for kind in [MessageKind::Append, MessageKind::Propose, MessageKind::Files] {
            let sent = message(kind, 1, 9, bytes);
            assert_eq!(peers.send(TWO, sent.clone()).await, Ok(sent.body), "{bytes} bytes");
        }
    }
    let refused = peers.send(TWO, message(MessageKind::Vote, 1, 1, 8)).await;
    assert_eq!(refused, Err(PeerError::Refused("no vote".to_owned())));
    let connections = |lane| node.stats.lane(lane).requests_received.load(Ordering::SeqCst);
    assert_eq!(varve_consensus::Lane::ALL.map(connections), [7, 6, 6]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_of_a_group_are_received_in_the_order_in_which_they_were_sent() {
    let node = FakeNode::start(2).await;
    let peers = peers_to(node.address);
    // Some are large: those behind them wait, without a connection and with one. Many small ones
    // are read at once.
    let size = |number: u64| if number.is_multiple_of(150) { 700 << 10 } else { 100 };
    for round in 0..2 {
        let numbers = round * 1000..(round + 1) * 1000;
        let send = |number| peers.send(TWO, message(MessageKind::Append, 5, number, size(number)));
        let replies = join_all(numbers.map(send)).await;
        assert!(replies.iter().all(Result::is_ok), "{replies:?}");
    }
    assert_eq!(node.order(), (0..2000).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_small_message_does_not_wait_for_a_large_one() {
    let node = FakeNode::start(2).await;
    let peers = peers_to(node.address);
    peers.send(TWO, message(MessageKind::Propose, 1, 0, 8)).await.unwrap();
    let large = join_all(
        (1..=3).map(|number| peers.send(TWO, message(MessageKind::Propose, 1, number, 30 << 20))),
    );
    let small = async {
        tokio::time::sleep(Duration::from_millis(1)).await;
        peers.send(TWO, message(MessageKind::Propose, 1, 4, 8)).await
    };
    let (large, small) = tokio::join!(large, small);
    assert!(large.iter().all(Result::is_ok) && small.is_ok());
    let order = node.order();
    assert_eq!(order[..2], [0, 4], "{order:?}");
}

#[tokio::test]
async fn a_heartbeat_does_not_wait_for_files_that_fill_their_lane() {
    let node = FakeNode::start(2).await;
    let peers = peers_to(node.address);
    for kind in [MessageKind::Append, MessageKind::Files] {
        peers.send(TWO, message(kind, 1, 0, 8)).await.unwrap();
    }
    let files = join_all(
        (1..=4).map(|number| peers.send(TWO, message(MessageKind::Files, 1, number, 60 << 20))),
    );
    let heartbeat = async {
        tokio::time::sleep(Duration::from_millis(1)).await;
        peers.send(TWO, message(MessageKind::Append, 1, 9, 8)).await
    };
    let (files, heartbeat) = tokio::join!(files, heartbeat);
    assert!(files.iter().all(Result::is_ok) && heartbeat.is_ok());
    let order = node.order();
    assert_eq!(order[..3], [0, 0, 9], "{order:?}");
}

#[tokio::test]
async fn a_request_that_is_given_up_is_cancelled_at_the_other_side() {
    let node = FakeNode::start(2).await;
    let peers = peers_to(node.address);
    let waits = timeout(
        Duration::from_millis(300),
        peers.send(TWO, message(MessageKind::Control, 1, 1, 8)),
    );
    let (given_up, ()) = tokio::join!(
        waits,
        eventually("it runs", || node.seen.running.load(Ordering::SeqCst) == 1)
    );
    assert!(given_up.is_err());
    eventually("it ended", || node.seen.running.load(Ordering::SeqCst) == 0).await;
    // What was given up before all of it was sent never runs, and the connection goes on.
    let large = peers.send(TWO, message(MessageKind::Propose, 1, 2, 100 << 20));
    assert!(timeout(Duration::from_millis(5), large).await.is_err());
    peers.send(TWO, message(MessageKind::Propose, 1, 3, 8)).await.unwrap();
    assert_eq!(node.order(), [1, 3]);
}

#[tokio::test]
async fn who_fails_while_it_answers_says_so() {
    let node = FakeNode::start(2).await;
    let peers = peers_to(node.address);
    let failed = peers.send(TWO, message(MessageKind::ReadIndex, 1, 1, 8)).await;
    assert!(
        matches!(&failed, Err(PeerError::Refused(why)) if why.contains("failed")),
        "{failed:?}"
    );
    peers.send(TWO, message(MessageKind::Propose, 1, 2, 8)).await.unwrap();
}

#[tokio::test]
async fn a_peer_that_is_down_fails_at_once_and_is_found_when_it_is_back() {
    let node = FakeNode::start(2).await;
    let peers = peers_to(node.address);
    peers.send(TWO, message(MessageKind::Append, 1, 1, 8)).await.unwrap();
    let waiting = peers.send(TWO, message(MessageKind::Control, 1, 1, 8));
    let address = {
        let stopping = async {
            eventually("it runs", || node.seen.running.load(Ordering::SeqCst) == 1).await;
            node.stop().await
        };
        let (broken, address) = tokio::join!(waiting, stopping);
        assert!(matches!(broken, Err(PeerError::Unreachable { .. })), "{broken:?}");
        address
    };
    let begun = Instant::now();
    for _ in 0..1000 {
        let sent = peers.send(TWO, message(MessageKind::Append, 1, 1, 8)).await;
        assert!(matches!(sent, Err(PeerError::Unreachable { .. })), "{sent:?}");
    }
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    let node = FakeNode::start_at(address, 2, super::world::CLUSTER).await;
    let begun = Instant::now();
    while peers.send(TWO, message(MessageKind::Append, 1, 2, 8)).await.is_err() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
    assert_eq!(node.order(), [2]);
}

#[tokio::test]
async fn what_is_larger_than_the_budget_goes_alone_and_what_is_too_large_is_refused() {
    let node = FakeNode::start(2).await;
    let peers = peers_to(node.address);
    let send = |number| peers.send(TWO, message(MessageKind::Files, 1, number, 20 << 20));
    let replies = join_all((1..=3).map(send)).await;
    assert!(replies.iter().all(Result::is_ok));
    assert_eq!(node.order(), [1, 2, 3]);
    let too_large = message(MessageKind::Files, 1, 4, (256 << 20) + 1);
    let refused = peers.send(TWO, too_large).await.unwrap_err().to_string();
    assert!(refused.contains("too large"), "{refused}");
}
