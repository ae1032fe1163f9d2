//! Three hosts in one process, joined by memory.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::time::sleep;
use varve_consensus::{
    DiskId, Host, JoinRequest, MessageKind, NewDisk, PeerError, PeerMessage, PeerTransport,
    ProposeError, ShardState,
};
use varve_env::sim::SimDisk;
use varve_types::{NodeId, ShardId};

use crate::computer::{options, virtual_time};
use crate::producer::Producer;

/// All hosts share one switchboard, which does not know who sends; nothing here asks.
const ANYONE: NodeId = NodeId(0);

/// Delivers messages to the hosts it knows, after a little while.
#[derive(Clone, Default)]
struct Switchboard {
    hosts: Arc<Mutex<BTreeMap<NodeId, Host>>>,
    installs: Arc<AtomicU64>,
}

#[async_trait]
impl PeerTransport for Switchboard {
    async fn send(&self, to: NodeId, message: PeerMessage) -> Result<Bytes, PeerError> {
        sleep(Duration::from_micros(300)).await;
        let host = self.hosts.lock().unwrap().get(&to).cloned();
        let unplugged = || PeerError::Unreachable { node: to, why: "unplugged".to_owned() };
        let host = host.ok_or_else(unplugged)?;
        if message.kind == MessageKind::SnapshotInstall {
            self.installs.fetch_add(1, Ordering::SeqCst);
        }
        let message = PeerMessage::from_parts(message.head(), message.body).unwrap();
        let received = host.receive(ANYONE, message).await;
        received.map_err(|error| PeerError::Refused(error.to_string()))
    }
}

impl Switchboard {
    fn plug(&self, host: &Host) {
        self.hosts.lock().unwrap().insert(host.node(), host.clone());
    }

    fn unplug(&self, node: NodeId) {
        self.hosts.lock().unwrap().remove(&node);
    }
}

/// A disk of its own for each address.
fn joiner(address: &str) -> JoinRequest {
    let disk = address.bytes().fold(0, |number, byte| number << 8 | u128::from(byte));
    JoinRequest {
        cluster: None,
        disk: DiskId(disk),
        address: address.to_owned(),
        zone: String::new(),
        version: String::new(),
    }
}

async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..3000 {
        if holds() {
            return;
        }
        sleep(Duration::from_millis(20)).await;
    }
    panic!("after a minute still not so: {what}");
}

/// Three nodes, the first of which founded the cluster, and a shard on all of them.
async fn three(switchboard: &Switchboard) -> Vec<Host> {
    let transport: Arc<dyn PeerTransport> = Arc::new(switchboard.clone());
    let founding = options(&SimDisk::new(), "n1:1", NewDisk::Found, Arc::clone(&transport)).await;
    let first = Host::start(founding).await.unwrap();
    switchboard.plug(&first);
    let mut hosts = vec![first];
    for address in ["n2:1", "n3:1"] {
        let joining = NewDisk::Join(hosts[0].admit(joiner(address)).await.unwrap());
        let joining = options(&SimDisk::new(), address, joining, Arc::clone(&transport)).await;
        let host = Host::start(joining).await.unwrap();
        switchboard.plug(&host);
        hosts.push(host);
    }
    eventually("all know of all", || hosts.iter().all(|host| host.catalog().nodes.len() == 3))
        .await;
    hosts
}

fn leader_of(hosts: &[Host], shard: ShardId) -> Option<usize> {
    hosts.iter().position(|host| {
        host.status().iter().any(|s| s.shard == shard && s.leader == Some(host.node()))
    })
}

#[test]
fn three_voters_agree_survive_one_and_close_alike() {
    virtual_time().block_on(async {
        let switchboard = Switchboard::default();
        let hosts = three(&switchboard).await;
        let mut settings = hosts[0].catalog().settings.clone();
        settings.bucket_bits = Some(0);
        hosts[0].change_settings(settings).await.unwrap();
        let mut producer = Producer::default();
        producer.send_many(&hosts[0], 5).await;
        hosts[0].roll(ShardId(1)).await.unwrap();

        // Shard 2 has a replica on each node.
        let shard = ShardId(2);
        assert_eq!(hosts[0].catalog().shards[&shard].replicas.len(), 3);
        eventually("shard 2 is led", || leader_of(&hosts, shard).is_some()).await;
        let leader = leader_of(&hosts, shard).unwrap();
        producer.send_many(&hosts[leader], 20).await;
        let follower = &hosts[(leader + 1) % 3];
        let refused = producer.send_one(follower).await.unwrap_err();
        assert!(
            matches!(refused, ProposeError::NotLeader { leader: Some(at), .. } if at == hosts[leader].node()),
            "{refused:?}"
        );
        producer.resend(&hosts[leader]).await;
        eventually("all applied the same", || {
            let of = |host: &Host| {
                let status = host.status().into_iter().find(|s| s.shard == shard).unwrap();
                status.here.map(|here| (here.rows, here.digest, here.applied))
            };
            of(&hosts[0]).is_some() && hosts.iter().all(|host| of(host) == of(&hosts[0]))
        })
        .await;

        // One follower of the shard, and not the catalog's leader, goes.
        let gone = (0..3).find(|at| *at != leader && *at != 0).unwrap();
        switchboard.unplug(hosts[gone].node());
        producer.send_many(&hosts[leader], 20).await;
        switchboard.plug(&hosts[gone]);
        eventually("the one that was away catches up", || {
            let rows = |host: &Host| {
                let status = host.status().into_iter().find(|s| s.shard == shard).unwrap();
                status.here.map(|here| here.rows)
            };
            rows(&hosts[gone]) == rows(&hosts[leader])
        })
        .await;

        // Closing takes all three, since all can be reached.
        hosts[leader].roll(shard).await.unwrap();
        let catalog = hosts[0].catalog_now().await.unwrap();
        let ShardState::Closed(closed) = &catalog.shards[&shard].state else {
            panic!("{:?}", catalog.shards[&shard].state)
        };
        assert_eq!(closed.holders.len(), 3);
        assert_eq!(closed.rows, 41 * 4);
    });
}

#[test]
fn a_follower_that_missed_what_was_purged_is_sent_a_snapshot() {
    virtual_time().block_on(async {
        let switchboard = Switchboard::default();
        let hosts = three(&switchboard).await;
        let mut settings = hosts[0].catalog().settings.clone();
        settings.bucket_bits = Some(0);
        hosts[0].change_settings(settings).await.unwrap();
        let mut producer = Producer::default();
        producer.send_many(&hosts[0], 5).await;
        hosts[0].roll(ShardId(1)).await.unwrap();
        let shard = ShardId(2);
        eventually("shard 2 is led", || leader_of(&hosts, shard).is_some()).await;
        let leader = leader_of(&hosts, shard).unwrap();
        let gone = (0..3).find(|at| *at != leader && *at != 0).unwrap();
        switchboard.unplug(hosts[gone].node());
        // Enough for several flushes, each of which lets the log be purged.
        producer.send_many(&hosts[leader], 300).await;
        let segments = |host: &Host| {
            let status = host.status().into_iter().find(|s| s.shard == shard).unwrap();
            status.here.map_or(0, |here| here.segments)
        };
        eventually("the leader wrote segments", || segments(&hosts[leader]) > 1).await;
        assert_eq!(switchboard.installs.load(Ordering::SeqCst), 0);
        switchboard.plug(&hosts[gone]);
        eventually("the one that was away has the same", || {
            let of = |host: &Host| {
                let status = host.status().into_iter().find(|s| s.shard == shard).unwrap();
                status.here.map(|here| (here.rows, here.digest))
            };
            of(&hosts[gone]) == of(&hosts[leader])
        })
        .await;
        assert!(switchboard.installs.load(Ordering::SeqCst) > 0, "no snapshot was sent");
        hosts[leader].roll(shard).await.unwrap();
    });
}

#[test]
fn a_node_that_joins_late_is_sent_the_catalog_whole() {
    virtual_time().block_on(async {
        let switchboard = Switchboard::default();
        let transport: Arc<dyn PeerTransport> = Arc::new(switchboard.clone());
        let founding =
            options(&SimDisk::new(), "n1:1", NewDisk::Found, Arc::clone(&transport)).await;
        let first = Host::start(founding).await.unwrap();
        switchboard.plug(&first);
        for seconds in 0..400 {
            let mut settings = first.catalog().settings.clone();
            settings.window_age_ns = (3600 + seconds) * 1_000_000_000;
            first.change_settings(settings).await.unwrap();
        }
        // Time to save the catalog, which lets its log be purged.
        sleep(Duration::from_secs(3)).await;
        let joining = NewDisk::Join(first.admit(joiner("n2:1")).await.unwrap());
        let disk = SimDisk::new();
        let joining = options(&disk, "n2:1", joining, Arc::clone(&transport)).await;
        let second = Host::start(joining).await.unwrap();
        switchboard.plug(&second);
        eventually("a snapshot is sent", || switchboard.installs.load(Ordering::SeqCst) > 0).await;
        eventually("the catalogs are equal", || second.catalog() == first.catalog()).await;
    });
}
