//! Three nodes in one process, each with a reader, joined by memory.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::runtime::{Builder, Runtime};
use tokio::time::sleep;
use varve_columnar::BlockBuilder;
use varve_consensus::{
    DiskId, Host, HostOptions, HostSettings, JoinRequest, MessageKind, NewDisk, PeerError,
    PeerMessage, PeerTransport, ProposeError, ShardState,
};
use varve_env::sim::{SimClock, SimDisk};
use varve_env::{Blocking, Env, Network, Random};
use varve_types::{
    BatchDigest, BatchKey, HashRange, Level, NodeId, Record, ServiceHash, ShardId, TenantId,
    TimestampNs,
};
use varve_wal::{Wal, WalOptions};

use crate::read::Reader;

const TENANT: TenantId = TenantId(0);

/// Delivers messages between nodes that are not unplugged.
#[derive(Default)]
struct Switchboard {
    nodes: Mutex<BTreeMap<NodeId, Node>>,
    unplugged: Mutex<BTreeSet<NodeId>>,
    /// How long nodes take over their parts of searches.
    slow: Mutex<BTreeMap<NodeId, Duration>>,
    /// How many parts were asked for.
    asked: AtomicU64,
}

/// One node's way to the others.
struct Line {
    switchboard: Arc<Switchboard>,
    from: NodeId,
}

#[derive(Clone)]
pub(super) struct Node {
    pub(super) host: Host,
    pub(super) reader: Arc<Reader>,
}

#[async_trait]
impl PeerTransport for Line {
    async fn send(&self, to: NodeId, message: PeerMessage) -> Result<Bytes, PeerError> {
        sleep(Duration::from_micros(300)).await;
        let node = self.switchboard.nodes.lock().unwrap().get(&to).cloned();
        let unplugged = self.switchboard.unplugged.lock().unwrap().clone();
        let is_cut = unplugged.contains(&to) || unplugged.contains(&self.from);
        let node = node.filter(|_| !is_cut);
        let node = node.ok_or(PeerError::Unreachable { node: to, why: "unplugged".to_owned() })?;
        let answer = if message.kind == MessageKind::Query {
            self.switchboard.asked.fetch_add(1, Ordering::SeqCst);
            let slow = self.switchboard.slow.lock().unwrap().get(&to).copied();
            sleep(slow.unwrap_or_default()).await;
            node.reader.answer(message.body).await
        } else {
            node.host.receive(self.from, message).await.map_err(|error| error.to_string())
        };
        answer.map_err(PeerError::Refused)
    }
}

/// The nodes, and every record that was acknowledged, in the order of its time.
pub(super) struct World {
    switchboard: Arc<Switchboard>,
    pub(super) nodes: Vec<Node>,
    pub(super) stored: Vec<Record>,
    batches: u64,
}

/// A runtime in which time passes only when everybody waits.
pub(super) fn virtual_time() -> Runtime {
    varve_consensus::seed_this_thread(1);
    Builder::new_current_thread().enable_all().start_paused(true).build().unwrap()
}

async fn start(address: &str, new_disk: NewDisk, transport: Arc<dyn PeerTransport>) -> Node {
    let env = Env {
        disk: SimDisk::new().mount(),
        network: Network::turmoil(),
        random: Random::seeded(1),
        blocking: Blocking::inline(|| Duration::from_micros(50), Random::seeded(2)),
        clock: SimClock::new().clock(),
    };
    let mut wal = WalOptions::new(Arc::new(|_| {}));
    wal.file_bytes = 1 << 20;
    wal.reserve_bytes = 1 << 16;
    let (wal, _) = Wal::open(&env, Path::new("/data/wal"), wal).await.unwrap();
    let host = Host::start(HostOptions {
        env: env.clone(),
        dir: PathBuf::from("/data"),
        wal,
        groups_may_be_missing: false,
        address: address.to_owned(),
        zone: String::new(),
        version: String::new(),
        log_is_new: true,
        new_disk,
        transport,
        settings: HostSettings { free_bytes_min: 4 << 20, ..HostSettings::default() },
        on_fatal: Arc::new(|why| panic!("{why}")),
    });
    let host = host.await.unwrap();
    let reader = Arc::new(Reader::new(host.clone(), env, 512 << 20));
    Node { host, reader }
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

impl World {
    /// Three nodes. New windows have four shards with so many replicas each.
    pub(super) async fn new(replicas: u32) -> Self {
        let switchboard = Arc::<Switchboard>::default();
        let mut world = Self { switchboard, nodes: Vec::new(), stored: Vec::new(), batches: 0 };
        for number in 1..=3 {
            let address = format!("n{number}:1");
            let new_disk = match world.nodes.first() {
                None => NewDisk::Found,
                Some(first) => {
                    let request = JoinRequest {
                        cluster: None,
                        disk: DiskId(number),
                        address: address.clone(),
                        zone: String::new(),
                        version: String::new(),
                    };
                    NewDisk::Join(first.host.admit(request).await.unwrap())
                }
            };
            let from = NodeId(u64::try_from(number).unwrap());
            let switchboard = Arc::clone(&world.switchboard);
            let node = start(&address, new_disk, Arc::new(Line { switchboard, from })).await;
            assert_eq!(node.host.node(), from, "nodes are numbered as they come");
            world.switchboard.nodes.lock().unwrap().insert(from, node.clone());
            world.nodes.push(node);
        }
        let know = || world.nodes.iter().all(|node| node.host.catalog().nodes.len() == 3);
        eventually("all know of all", know).await;
        let host = &world.nodes[0].host;
        let mut settings = host.catalog().settings.clone();
        (settings.bucket_bits, settings.replicas) = (Some(2), replicas);
        host.change_settings(settings).await.unwrap();
        world
    }

    pub(super) fn plug(&self, node: &Node) {
        self.switchboard.unplugged.lock().unwrap().remove(&node.host.node());
    }

    pub(super) fn unplug(&self, node: &Node) {
        self.switchboard.unplugged.lock().unwrap().insert(node.host.node());
    }

    /// Has a node take so long over its parts of searches. All else it answers as before.
    pub(super) fn slow_down(&self, node: &Node, takes: Duration) {
        self.switchboard.slow.lock().unwrap().insert(node.host.node(), takes);
    }

    /// How many parts of searches nodes were asked for.
    pub(super) fn parts_asked_for(&self) -> u64 {
        self.switchboard.asked.load(Ordering::SeqCst)
    }

    /// Stores batches of a few records by way of one node.
    pub(super) async fn store(&mut self, by: usize, batches: u64) {
        for _ in 0..batches {
            self.batches += 1;
            let records = records(self.batches);
            self.send(by, &records).await;
            self.stored.extend(records);
        }
        self.stored.sort_by_key(|record| record.timestamp);
    }

    async fn send(&self, by: usize, records: &[Record]) {
        let host = &self.nodes[by].host;
        let mut todo: Vec<(HashRange, ShardId)> = host.catalog().write_targets();
        while let Some((range, shard)) = todo.pop() {
            let is_of = |record: &&Record| range.contains(ServiceHash::of(TENANT, &record.service));
            let records: Vec<Record> = records.iter().filter(is_of).cloned().collect();
            if records.is_empty() {
                continue;
            }
            let mut builder = BlockBuilder::new();
            let key = BatchKey::parse(TENANT, &format!("test:0:{}", self.batches)).unwrap();
            let digest = BatchDigest(self.batches.into());
            builder.push_part(key, digest, range, &records).unwrap();
            match host.propose_block(shard, builder.finish()).await {
                Ok(_) => {}
                Err(ProposeError::Sealed { successors, .. }) => {
                    todo.extend(successors.iter().map(|after| (after.range, after.shard)));
                }
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// Has the first shard give way to four.
    pub(super) async fn split(&self) {
        self.nodes[0].host.roll(ShardId(1)).await.unwrap();
        let is_split = || {
            let closed = |node: &Node| {
                let catalog = node.host.catalog();
                let is_closed = matches!(catalog.shards[&ShardId(1)].state, ShardState::Closed(_));
                is_closed && catalog.open_shards().count() == 4
            };
            self.nodes.iter().all(closed)
        };
        eventually("there are four shards", is_split).await;
    }
}

/// Records of many services, whose times are all different and not in order.
fn records(batch: u64) -> Vec<Record> {
    let record = |number: u64| {
        let time = (batch * 6 + number).wrapping_mul(0x9e37_79b9) % 1_000_003;
        Record {
            timestamp: Some(TimestampNs(1_700_000_000_000_000_000 + time.cast_signed())),
            service: format!("service-{number}").into(),
            level: Level::ALL[(time % 5) as usize],
            message: format!("batch {batch} took {} ms", time % 17).into(),
            ..Record::default()
        }
    };
    (0..6).map(record).collect()
}
