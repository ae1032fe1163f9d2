//! A group whose core panics.

use openraft::testing::log::StoreBuilder as _;

use super::*;
use crate::log_store::tests::Builder;
use crate::network::NoPeers;
use crate::upkeep::Pace;

#[tokio::test]
async fn a_core_that_panicked_has_stopped_and_leads_nothing() {
    let (_wal, log, machine) = Builder.build().await.unwrap();
    let (transport, pace) = (Arc::new(NoPeers), Arc::new(Pace::new(1)));
    let links = Links { group: GroupId::CATALOG, from: ReplicaId(1), transport, pace };
    let clock = varve_env::Env::real().clock;
    let group = Group::start(GroupId::CATALOG, links, log, machine, clock).await.unwrap();
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
