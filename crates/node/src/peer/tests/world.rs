//! Nodes that answer messages as their bodies say.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::{mpsc, watch};
use varve_consensus::{
    Admission, ClusterId, DiskId, Incarnation, JoinError, JoinRequest, MessageKind, PeerMessage,
    Starts,
};
use varve_env::{Clock, Env};
use varve_types::{GroupId, NodeId, ShardId, TimestampNs};

use crate::peer::stats::PeerStats;
use crate::peer::{Directory, Identity, Peers, Receive, serve};
use crate::server::OnFatal;

pub(super) const CLUSTER: ClusterId = ClusterId(7);

/// What a fake node saw.
pub(super) struct Seen {
    /// The first 8 bytes of bodies, through a channel as that of a Raft group.
    arrived: mpsc::Sender<u64>,
    order: Mutex<(mpsc::Receiver<u64>, Vec<u64>)>,
    /// Requests that are answered or waiting now.
    pub(super) running: AtomicU64,
    /// Senders that this node refuses.
    pub(super) strangers: Mutex<Vec<NodeId>>,
}

impl Default for Seen {
    fn default() -> Self {
        let (arrived, arriving) = mpsc::channel(1 << 16);
        let order = Mutex::new((arriving, Vec::new()));
        Self { arrived, order, running: AtomicU64::default(), strangers: Mutex::default() }
    }
}

struct Fake {
    identity: Identity,
    seen: Arc<Seen>,
}

struct Running<'a>(&'a AtomicU64);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[async_trait]
impl Receive for Fake {
    fn identity(&self) -> Identity {
        self.identity
    }

    fn check_peer(&self, from: NodeId) -> Result<(), String> {
        if self.seen.strangers.lock().unwrap().contains(&from) {
            return Err(format!("node {from} was removed from the cluster"));
        }
        Ok(())
    }

    /// Takes in disk 1, not yet disk 2, and never others.
    async fn admit(&self, request: JoinRequest) -> Result<Admission, JoinError> {
        match request.disk {
            DiskId(1) => Ok(Admission {
                cluster: self.identity.cluster,
                node: NodeId(9),
                disk: request.disk,
                catalog: Bytes::from(vec![7; 5 << 20]),
            }),
            DiskId(2) => Err(JoinError::Unavailable("nobody leads".to_owned())),
            _ => Err(JoinError::Rejected(format!("{} is in use", request.address))),
        }
    }

    /// Answers the same bytes; those of a `Vote` are refused, `Control` waits for ever, and
    /// `ReadIndex` panics.
    async fn receive(&self, _from: NodeId, message: PeerMessage) -> Result<Bytes, String> {
        let number = message.body.first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes));
        self.seen.arrived.send(number).await.unwrap();
        self.seen.running.fetch_add(1, Ordering::SeqCst);
        let _running = Running(&self.seen.running);
        match message.kind {
            MessageKind::Vote => Err("no vote".to_owned()),
            MessageKind::ReadIndex => panic!("on purpose"),
            MessageKind::Control => std::future::pending().await,
            _ => {
                tokio::time::sleep(Duration::from_millis(1)).await;
                Ok(message.body)
            }
        }
    }
}

/// A fake node that is served.
pub(super) struct FakeNode {
    pub(super) address: SocketAddr,
    pub(super) seen: Arc<Seen>,
    pub(super) stats: Arc<PeerStats>,
    stop: watch::Sender<bool>,
    served: tokio::task::JoinHandle<()>,
}

impl FakeNode {
    pub(super) async fn start(node: u64) -> Self {
        Self::start_at("127.0.0.1:0".parse().unwrap(), node, CLUSTER).await
    }

    pub(super) async fn start_at(address: SocketAddr, node: u64, cluster: ClusterId) -> Self {
        let identity = Identity { cluster, node: NodeId(node), starts: Starts::default() };
        Self::start_as(address, identity, Directory::default()).await
    }

    /// A node that knows of others.
    pub(super) async fn start_as(
        address: SocketAddr,
        identity: Identity,
        directory: Directory,
    ) -> Self {
        let env = Env::real();
        let listener = env.network.listen(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Seen::default());
        let receiver = Arc::new(Fake { identity, seen: Arc::clone(&seen) });
        let stats = Arc::new(PeerStats::default());
        let (stop, stopped) = watch::channel(false);
        let world = (env, directory);
        let serving = serve(listener, world, receiver, Arc::clone(&stats), stopped);
        let served = tokio::spawn(async move { serving.await.unwrap() });
        Self { address, seen, stats, stop, served }
    }

    pub(super) async fn stop(self) -> SocketAddr {
        self.stop.send(true).unwrap();
        tokio::time::timeout(Duration::from_secs(10), self.served).await.unwrap().unwrap();
        self.address
    }

    pub(super) fn order(&self) -> Vec<u64> {
        let mut order = self.seen.order.lock().unwrap();
        let (arriving, order) = &mut *order;
        order.extend(std::iter::from_fn(|| arriving.try_recv().ok()));
        order.clone()
    }
}

/// Node 1's transport, which knows node 2 at an address.
pub(super) fn peers_to(address: SocketAddr) -> Peers {
    peers_with(address, CLUSTER, Env::real())
}

pub(super) fn peers_with(address: SocketAddr, cluster: ClusterId, env: Env) -> Peers {
    let identity = Identity { cluster, node: NodeId(1), starts: Starts::default() };
    peers_as(identity, address, env, Arc::new(|why| panic!("{why}")))
}

/// A node's transport, which knows node 2 at an address.
pub(super) fn peers_as(
    identity: Identity,
    address: SocketAddr,
    env: Env,
    on_fatal: OnFatal,
) -> Peers {
    let directory = Directory::default();
    directory.set_addresses([(NodeId(2), address.to_string())].into());
    let peers = Peers::new(env, directory, Arc::default(), on_fatal);
    peers.introduce(identity);
    peers
}

/// Node 1 as a process that was started then, on a disk where one before was.
pub(super) fn started(this: u64, before: u64) -> Identity {
    let starts = Starts { this: Incarnation(this), before: Some(Incarnation(before)) };
    Identity { cluster: CLUSTER, node: NodeId(1), starts }
}

/// The machine's world with another clock.
pub(super) fn with_clock_off(by_ns: i64) -> Env {
    let real = Env::real();
    let clock = real.clock.clone();
    Env { clock: Clock::from_fn(move || TimestampNs(clock.now().get() + by_ns)), ..real }
}

/// What the nodes of this thread log.
#[derive(Clone, Default)]
pub(super) struct Log(Arc<Mutex<Vec<u8>>>);

/// A log that is kept until it is dropped.
pub(super) struct KeptLog {
    log: Log,
    _kept: tracing::subscriber::DefaultGuard,
}

impl Log {
    pub(super) fn of_this_thread() -> KeptLog {
        let log = Self::default();
        let writer = log.clone();
        let subscriber =
            tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
        KeptLog { log, _kept: tracing::subscriber::set_default(subscriber) }
    }
}

impl KeptLog {
    pub(super) fn lines_with(&self, words: &str) -> Vec<String> {
        let bytes = self.log.0.lock().unwrap().clone();
        let text = String::from_utf8(bytes).unwrap();
        text.lines().filter(|line| line.contains(words)).map(str::to_owned).collect()
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A message of a shard's group whose body begins with a number.
pub(super) fn message(kind: MessageKind, shard: u64, number: u64, bytes: usize) -> PeerMessage {
    let mut body = number.to_be_bytes().to_vec();
    body.extend((body.len()..bytes.max(8)).map(|at| (at % 251) as u8));
    PeerMessage::to_node(kind, GroupId::shard(ShardId(shard)), body.into())
}

/// Waits until something is so, at most for ten seconds.
pub(super) async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..1000 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("after ten seconds still not so: {what}");
}
