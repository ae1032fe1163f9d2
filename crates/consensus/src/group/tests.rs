//! A group whose core panics, and one that was left in the middle of a change of its members.

use openraft::EntryPayload;
use openraft::storage::RaftLogStorageExt as _;
use openraft::testing::log::StoreBuilder as _;

use super::*;
use crate::log_store::tests::Builder;
use crate::network::NoPeers;
use crate::raft_types::{Entry, Membership, log_id};
use crate::upkeep::Pace;

/// The only replica of a group, on this log.
async fn alone(log: LogStore, machine: Machine) -> Group {
    let (transport, pace) = (Arc::new(NoPeers), Arc::new(Pace::new(1)));
    let links = Links { group: GroupId::CATALOG, from: ReplicaId(1), transport, pace };
    let clock = varve_env::Env::real().clock;
    Group::start(GroupId::CATALOG, links, log, machine, clock).await.unwrap()
}

#[tokio::test]
async fn a_change_of_members_that_was_left_half_done_is_ended() {
    let (_wal, mut log, machine) = Builder.build().await.unwrap();
    // The first of two steps: both the old and the new members must agree to all.
    let (one, place) = (BTreeSet::from([1]), BTreeMap::from([(1, Place(NodeId(1)))]));
    let joint = Membership::new(vec![one.clone(), one], place).unwrap();
    let payload = EntryPayload::Membership(joint);
    log.blocking_append([Entry { log_id: log_id(0, 0), payload }]).await.unwrap();
    let group = alone(log, machine).await;
    group.elect_if_alone().await.unwrap();
    let seats = [(ReplicaId(1), NodeId(1))];
    let ended = async {
        while group.settled_voters().is_empty() {
            // It is refused until the replica leads.
            let _ = group.seat(&seats).await;
            sleep(RETRY).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), ended).await.unwrap();
    assert_eq!(group.seat(&seats).await, Ok(true));
    assert_eq!(group.settled_voters(), BTreeSet::from([ReplicaId(1)]));
    group.shutdown().await;
}

#[tokio::test]
async fn a_core_that_panicked_has_stopped_and_leads_nothing() {
    let (_wal, log, machine) = Builder.build().await.unwrap();
    let group = alone(log, machine).await;
    group.initialize(vec![(ReplicaId(1), NodeId(1))]).await.unwrap();
    while !group.leads() {
        sleep(RETRY).await;
    }
    assert_eq!(group.stopped(), None);
    let panicked = group.raft.with_raft_state(|_| panic!("on purpose")).await;
    assert!(panicked.is_err());
    assert!(group.stopped().is_some_and(|why| why.contains("panicked")), "{:?}", group.stopped());
    assert!(!group.leads());
    tokio::time::timeout(Duration::from_secs(10), group.shutdown()).await.unwrap();
}

#[tokio::test]
async fn reads_that_wait_at_the_same_time_share_a_round_that_began_after_they_came() {
    const READERS: usize = 100;
    let (_wal, log, machine) = Builder.build().await.unwrap();
    let group = alone(log, machine).await;
    let limit = Duration::from_secs(10);
    // It cannot lead yet, and does not have others wait for that.
    assert!(matches!(group.read_index(limit).await, Err(GroupError::NotLeader(None))));
    group.initialize(vec![(ReplicaId(1), NodeId(1))]).await.unwrap();
    while !group.leads() {
        sleep(RETRY).await;
    }
    let before = group.read_index(limit).await.unwrap();
    let rounds = || group.rounds_begun.load(Ordering::SeqCst);
    assert_eq!(rounds(), 2);
    // The first begins a round, and all others come while it runs: it may show too little to them.
    let reads = futures::future::join_all((0..READERS).map(|_| group.read_index(limit))).await;
    assert!(reads.iter().all(|read| *read.as_ref().unwrap() >= before), "{reads:?}");
    assert_eq!(rounds(), 4);
    group.shutdown().await;
}
