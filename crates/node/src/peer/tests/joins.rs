//! A disk asks until it is taken in, or told that it never will be.

use std::time::Duration;

use tokio::time::timeout;
use varve_consensus::{DiskId, JoinRequest};
use varve_env::Env;
use varve_proto::v1;
use varve_proto::v1::join_response::Outcome;
use varve_proto::v1::peer_service_client::PeerServiceClient;
use varve_types::NodeId;

use super::world::{CLUSTER, FakeNode, with_clock_off};
use crate::peer::dial::dial;
use crate::peer::handshake::{PROTOCOL_MAX, VERSION, encode_u128};
use crate::peer::join;

fn request(disk: u128) -> JoinRequest {
    let (address, zone) = ("127.0.0.1:4".to_owned(), "a".to_owned());
    JoinRequest { cluster: None, disk: DiskId(disk), address, zone, version: "1".to_owned() }
}

#[tokio::test]
async fn one_of_the_seeds_that_answers_is_enough() {
    let node = FakeNode::start(2).await;
    // Nobody listens on the first, and the second is the joiner itself.
    let seeds = ["127.0.0.1:1", "127.0.0.1:4", &node.address.to_string()].map(str::to_owned);
    let admission = join(&Env::real(), &seeds, &request(1), false).await.unwrap().unwrap();
    assert_eq!(
        (admission.cluster, admission.node, admission.disk),
        (CLUSTER, NodeId(9), DiskId(1))
    );
    assert_eq!(admission.catalog.len(), 5 << 20);
}

#[tokio::test]
async fn a_refusal_that_stays_ends_it_and_one_that_may_pass_does_not() {
    let node = FakeNode::start(2).await;
    let seeds = [node.address.to_string()];
    let why = join(&Env::real(), &seeds, &request(3), false).await.unwrap_err();
    assert!(why.contains("127.0.0.1:4 is in use"), "{why}");
    let hour_ns = 3_600_000_000_000;
    let why = join(&with_clock_off(hour_ns), &seeds, &request(1), false).await.unwrap_err();
    assert!(why.contains("let both follow a time server"), "{why}");
    let (env, not_yet) = (Env::real(), request(2));
    let asking = join(&env, &seeds, &not_yet, false);
    assert!(timeout(Duration::from_millis(700), asking).await.is_err());
}

#[tokio::test]
async fn a_founder_founds_where_nobody_answers_and_not_where_a_cluster_is() {
    let node = FakeNode::start(2).await;
    let env = Env::real();
    let nobody = ["127.0.0.1:1".to_owned()];
    assert!(join(&env, &nobody, &request(1), true).await.unwrap().is_none());
    let somebody = ["127.0.0.1:1".to_owned(), node.address.to_string()];
    let admission = join(&env, &somebody, &request(1), true).await.unwrap();
    assert_eq!(admission.unwrap().cluster, CLUSTER);
    // A cluster that cannot take it in just now is one all the same.
    let not_yet = request(2);
    let asking = join(&env, &somebody, &not_yet, true);
    assert!(timeout(Duration::from_millis(700), asking).await.is_err());
}

#[tokio::test]
async fn a_version_too_old_or_too_new_is_refused_with_what_to_update() {
    let node = FakeNode::start(2).await;
    let channel = dial(&Env::real(), &node.address.to_string()).await.unwrap();
    let mut client = PeerServiceClient::new(channel);
    for ((protocol_min, protocol_max), version, remedy) in [
        ((0, 0), "0.0.1", "update the other node"),
        ((PROTOCOL_MAX + 1, PROTOCOL_MAX + 3), "9.0.0", "update this node"),
    ] {
        let request = v1::JoinRequest {
            disk: encode_u128(1),
            address: "127.0.0.1:4".to_owned(),
            protocol_min,
            protocol_max,
            version: version.to_owned(),
            clock_ns: Env::real().clock.now().get(),
            ..v1::JoinRequest::default()
        };
        let answered = client.join(request).await.unwrap().into_inner().outcome;
        let Some(Outcome::Refused(refused)) = answered else { panic!("{answered:?}") };
        assert!(!refused.may_pass, "{refused:?}");
        for words in [version, VERSION, remedy, &format!("{protocol_min} to {protocol_max}")] {
            assert!(refused.reason.contains(words), "{words} in {}", refused.reason);
        }
    }
}
