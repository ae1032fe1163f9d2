//! Nodes that join, leave, and are gone for good.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};
use varve_consensus::{
    CatalogError, Host, MessageKind, NewDisk, NodeState, PeerTransport, Role, ShardState,
};
use varve_env::sim::SimDisk;
use varve_types::{NodeId, ShardId};

use crate::computer::{options, virtual_time};
use crate::producer::Producer;
use crate::switchboard::{Switchboard, eventually, joiner};

/// Hosts `1..=count`, the first of which founded the cluster.
async fn cluster(switchboard: &Switchboard, count: usize) -> Vec<Host> {
    let transport: Arc<dyn PeerTransport> = Arc::new(switchboard.clone());
    let founding = options(&SimDisk::new(), "n1:1", NewDisk::Found, transport).await;
    let first = Host::start(founding).await.unwrap();
    switchboard.plug(&first);
    let mut hosts = vec![first];
    for number in 2..=count {
        hosts.push(join(switchboard, &hosts[0], number).await);
    }
    settled(&hosts).await;
    hosts
}

async fn join(switchboard: &Switchboard, via: &Host, number: usize) -> Host {
    let transport: Arc<dyn PeerTransport> = Arc::new(switchboard.clone());
    let address = format!("n{number}:1");
    let admission = via.admit(joiner(&address)).await.unwrap();
    let joining = options(&SimDisk::new(), &address, NewDisk::Join(admission), transport).await;
    let host = Host::start(joining).await.unwrap();
    switchboard.plug(&host);
    host
}

async fn settled(hosts: &[Host]) {
    eventually("all are ready", || hosts.iter().all(|host| host.readiness().is_ok())).await;
}

fn holders(host: &Host, shard: u64) -> Vec<u64> {
    let catalog = host.catalog();
    let mut nodes: Vec<u64> =
        catalog.shards[&ShardId(shard)].replicas.values().map(|node| node.get()).collect();
    nodes.sort_unstable();
    nodes
}

#[test]
fn a_node_that_has_a_seat_and_heard_of_no_leader_yet_starts_again() {
    virtual_time().block_on(async {
        let switchboard = Switchboard::default();
        let mut hosts = cluster(&switchboard, 2).await;
        // It learns what it is to hold, by asking; what leaders tell it does not come.
        switchboard
            .censor(|to, message| to != NodeId(3) || matches!(message.kind, MessageKind::Catalog));
        let disk = SimDisk::new();
        let transport: Arc<dyn PeerTransport> = Arc::new(switchboard.clone());
        let admission = NewDisk::Join(hosts[0].admit(joiner("n3:1")).await.unwrap());
        let joining = options(&disk, "n3:1", admission, Arc::clone(&transport)).await;
        let third = Host::start(joining).await.unwrap();
        switchboard.plug(&third);
        let mount = disk.mount();
        eventually("it has a seat and a replica", || {
            let shards = mount.list(Path::new("/data/shards"));
            mount.exists(Path::new("/data/seat")) && shards.is_ok_and(|shards| !shards.is_empty())
        })
        .await;
        switchboard.unplug(third.node());
        third.shutdown().await;
        switchboard.censor(|_, _| true);
        let again = options(&disk, "n3:1", NewDisk::Found, transport).await;
        let third = Host::start(again).await.unwrap();
        switchboard.plug(&third);
        hosts.push(third);
        settled(&hosts).await;
        assert_eq!(holders(&hosts[2], 1), [1, 2, 3]);
    });
}

#[test]
fn a_node_that_joins_has_everything_within_ten_seconds() {
    virtual_time().block_on(async {
        let switchboard = Switchboard::default();
        let mut hosts = cluster(&switchboard, 1).await;
        let mut producer = Producer::default();
        producer.send_many(&hosts[0], 50).await;
        for number in 2..=3 {
            let began = Instant::now();
            hosts.push(join(&switchboard, &hosts[0], number).await);
            settled(&hosts).await;
            assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
            producer.send_many(&hosts[0], 10).await;
        }
        assert_eq!(holders(&hosts[0], 1), [1, 2, 3]);
        // The founder goes: the others have all, and go on.
        switchboard.unplug(hosts[0].node());
        hosts[0].shutdown().await;
        let rest = &hosts[1..];
        let led = || rest.iter().find(|host| leads(host, 1));
        eventually("another leads", || led().is_some()).await;
        let leader = led().unwrap();
        producer.send_many(leader, 10).await;
        producer.resend(leader).await;
        producer.check(leader).await;
        let began = Instant::now();
        let mut settings = leader.catalog().settings.clone();
        settings.window_bytes += 1;
        leader.change_settings(settings).await.unwrap();
        assert!(began.elapsed() < Duration::from_secs(5));
    });
}

fn leads(host: &Host, shard: u64) -> bool {
    let status = host.status().into_iter().find(|status| status.shard == ShardId(shard));
    status.is_some_and(|status| status.leader == Some(host.node()))
}

#[test]
fn five_nodes_keep_the_catalog_and_others_watch_it() {
    virtual_time().block_on(async {
        let switchboard = Switchboard::default();
        let hosts = cluster(&switchboard, 6).await;
        let members = hosts[0].catalog().replicas.len();
        assert_eq!(members, 5);
        let watcher = &hosts[5];
        let roles: Vec<Role> = hosts[0].nodes().await.iter().map(|node| node.metadata).collect();
        assert_eq!(roles.iter().filter(|role| **role == Role::Watcher).count(), 1);
        // It changes the catalog, and sees what others change, as members do.
        let mut settings = watcher.catalog().settings.clone();
        settings.window_bytes = 1 << 30;
        watcher.change_settings(settings).await.unwrap();
        let seen = watcher.catalog_now().await.unwrap();
        assert_eq!(seen.settings.window_bytes, 1 << 30);
        let applied = hosts[1].catalog_now().await.unwrap().applied;
        eventually("it has all changes", || watcher.catalog().applied >= applied).await;
        // A member is gone for good: the watcher takes its place.
        let mut settings = seen.settings.clone();
        settings.node_lost_after_ns = 10 * 1_000_000_000;
        watcher.change_settings(settings).await.unwrap();
        switchboard.unplug(hosts[1].node());
        hosts[1].shutdown().await;
        let is_member = || hosts[0].catalog().replicas.values().any(|node| *node == watcher.node());
        eventually("the watcher becomes a member", is_member).await;
        let gone = || hosts[0].catalog().replicas.values().all(|node| *node != hosts[1].node());
        eventually("the one that is gone is none", gone).await;
        assert_eq!(hosts[0].nodes().await[1].state, NodeState::Lost);
    });
}

#[test]
fn a_node_is_drained_and_removed_and_told_so() {
    virtual_time().block_on(async {
        let switchboard = Switchboard::default();
        let hosts = cluster(&switchboard, 4).await;
        let mut producer = Producer::default();
        producer.send_many(&hosts[0], 20).await;
        let leaving = hosts[0].node();
        let refused = hosts[1].remove(leaving).await.unwrap_err().to_string();
        assert!(refused.contains("drain it"), "{refused}");
        hosts[1].set_draining(leaving, true).await.unwrap();
        let again = hosts[1].set_draining(hosts[2].node(), true).await.unwrap_err();
        assert!(matches!(&again, CatalogError::Refused(why) if why.contains("add a node first")));
        let empty = || {
            let catalog = hosts[1].catalog();
            catalog.shards.values().all(|shard| shard.replica_on(leaving).is_none())
                && catalog.replicas.values().all(|node| *node != leaving)
        };
        eventually("it holds nothing", empty).await;
        assert_eq!(holders(&hosts[1], 1), [2, 3, 4]);
        hosts[1].remove(leaving).await.unwrap();
        eventually("it is known here", || hosts[1].check_peer(leaving).is_err()).await;
        assert!(hosts[1].check_peer(leaving).unwrap_err().contains("removed"));
        hosts[1].check_peer(NodeId(99)).unwrap();
        let led = || hosts[1..].iter().find(|host| leads(host, 1));
        eventually("another leads", || led().is_some()).await;
        producer.send_many(led().unwrap(), 10).await;
        producer.resend(led().unwrap()).await;
        producer.check(led().unwrap()).await;
        switchboard.unplug(leaving);
    });
}

#[test]
fn what_a_lost_node_held_is_replaced() {
    virtual_time().block_on(async {
        let switchboard = Switchboard::default();
        let mut hosts = cluster(&switchboard, 3).await;
        let mut producer = Producer::default();
        producer.send_many(&hosts[0], 20).await;
        let mut settings = hosts[0].catalog().settings.clone();
        settings.node_lost_after_ns = 10 * 1_000_000_000;
        hosts[0].change_settings(settings).await.unwrap();
        let lost = hosts.remove(2);
        switchboard.unplug(lost.node());
        lost.shutdown().await;
        hosts.push(join(&switchboard, &hosts[0], 4).await);
        let replaced = || {
            let catalog = hosts[0].catalog();
            let shards = catalog.shards.values();
            shards.clone().all(|shard| shard.replica_on(lost.node()).is_none())
                && shards.clone().all(|shard| shard.staying().count() == 3)
        };
        eventually("everything is held three times", replaced).await;
        settled(&hosts).await;
        let led = || hosts.iter().find(|host| leads(host, 1));
        eventually("somebody leads", || led().is_some()).await;
        producer.send_many(led().unwrap(), 10).await;
        producer.check(led().unwrap()).await;
    });
}

#[test]
fn an_address_belongs_to_one_node_until_it_is_gone_from_there() {
    virtual_time().block_on(async {
        let switchboard = Switchboard::default();
        let hosts = cluster(&switchboard, 2).await;
        let mut other = joiner("n2:1");
        other.disk = varve_consensus::DiskId(7);
        let refused = hosts[0].admit(other.clone()).await.unwrap_err().to_string();
        assert!(refused.contains("n2:1 is that of node 2"), "{refused}");
        // The same disk that asks again is the same node.
        assert_eq!(hosts[0].admit(joiner("n2:1")).await.unwrap().node, NodeId(2));
        let mut stranger = joiner("n3:1");
        stranger.cluster = Some(varve_consensus::ClusterId(1));
        let refused = hosts[0].admit(stranger).await.unwrap_err().to_string();
        assert!(refused.contains("wants to join cluster"), "{refused}");
        // A new disk where the node was: the old one has no address any more.
        switchboard.unplug(NodeId(2));
        hosts[1].shutdown().await;
        // The catalog's group had two voters: without the second nothing can change.
        let waits = tokio::time::timeout(Duration::from_secs(3), hosts[0].admit(other)).await;
        assert!(waits.is_err());
    });
}

#[test]
fn leaders_spread_over_nodes_after_a_rollover() {
    virtual_time().block_on(async {
        let switchboard = Switchboard::default();
        let hosts = cluster(&switchboard, 3).await;
        let mut producer = Producer::default();
        let led = |shard| hosts.iter().find(|host| leads(host, shard));
        producer.send_many(led(1).unwrap(), 5).await;
        hosts[1].seal_all().await.unwrap();
        let open: Vec<ShardId> = hosts[0].catalog().open_shards().map(|(id, _)| id).collect();
        assert_eq!(open.len(), 8, "three nodes have eight buckets");
        eventually("each node leads two or three", || {
            let counts = hosts
                .iter()
                .map(|host| open.iter().filter(|shard| leads(host, shard.get())).count());
            counts.clone().sum::<usize>() == 8 && counts.clone().all(|count| count >= 2)
        })
        .await;
        // A node that is about to stop leads nothing.
        hosts[2].hand_over(Duration::from_secs(5)).await;
        eventually("it leads nothing", || open.iter().all(|shard| !leads(&hosts[2], shard.get())))
            .await;
        sleep(Duration::from_secs(5)).await;
        assert!(open.iter().all(|shard| !leads(&hosts[2], shard.get())));
        let moved = open[0];
        let to = hosts[1].node();
        hosts[0].transfer_leader(moved, to).await.unwrap();
        let closed = hosts[0].catalog().shards[&ShardId(1)].state.clone();
        assert!(matches!(closed, ShardState::Closed(_)));
        let refused = hosts[0].transfer_leader(ShardId(1), to).await.unwrap_err();
        assert!(refused.to_string().contains("closed"), "{refused}");
    });
}
