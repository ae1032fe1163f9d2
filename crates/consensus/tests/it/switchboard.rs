//! Hosts in one process, joined by memory.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::time::sleep;
use varve_consensus::{
    DiskId, Host, HostSettings, JoinRequest, MessageKind, NewDisk, PeerError, PeerMessage,
    PeerTransport,
};
use varve_env::sim::SimDisk;
use varve_types::{NodeId, ShardId};

use crate::computer::{options, settings};

/// Who sends does not matter here.
const ANYONE: NodeId = NodeId(0);

/// Delivers messages to the hosts it knows, after a little while.
#[derive(Clone, Default)]
pub(crate) struct Switchboard {
    hosts: Arc<Mutex<BTreeMap<NodeId, Host>>>,
    pub(crate) installs: Arc<AtomicU64>,
    censor: Arc<Mutex<Option<Censor>>>,
    forger: Arc<Mutex<Option<Forger>>>,
    refusing: Arc<Mutex<Option<Refusing>>>,
    refused: Arc<AtomicU64>,
}

/// Sees each message before it is delivered, and says whether it may be.
type Censor = Box<dyn FnMut(NodeId, &PeerMessage) -> bool + Send>;

/// Says which messages a node answers with an error.
type Refusing = Box<dyn Fn(NodeId, &PeerMessage) -> bool + Send>;

/// Sees each answer before it is delivered, and says what is delivered instead.
type Forger = Box<dyn FnMut(NodeId, &PeerMessage, Bytes) -> Bytes + Send>;

#[async_trait]
impl PeerTransport for Switchboard {
    async fn send(&self, to: NodeId, message: PeerMessage) -> Result<Bytes, PeerError> {
        sleep(Duration::from_micros(300)).await;
        let host = self.hosts.lock().unwrap().get(&to).cloned();
        let unplugged = || PeerError::Unreachable { node: to, why: "unplugged".to_owned() };
        let host = host.ok_or_else(unplugged)?;
        if let Some(censor) = &mut *self.censor.lock().unwrap()
            && !censor(to, &message)
        {
            return Err(unplugged());
        }
        if self.refusing.lock().unwrap().as_ref().is_some_and(|refuses| refuses(to, &message)) {
            self.refused.fetch_add(1, Ordering::SeqCst);
            return Err(PeerError::Refused("it is of a kind that is not known here".to_owned()));
        }
        if message.kind == MessageKind::SnapshotInstall {
            self.installs.fetch_add(1, Ordering::SeqCst);
        }
        let asked = message.clone();
        let message = PeerMessage::from_parts(message.head(), message.body).unwrap();
        let received = host.receive(ANYONE, message).await;
        let answer = received.map_err(|error| PeerError::Refused(error.to_string()))?;
        Ok(match &mut *self.forger.lock().unwrap() {
            Some(forger) => forger(to, &asked, answer),
            None => answer,
        })
    }
}

impl Switchboard {
    pub(crate) fn plug(&self, host: &Host) {
        self.hosts.lock().unwrap().insert(host.node(), host.clone());
    }

    pub(crate) fn unplug(&self, node: NodeId) {
        self.hosts.lock().unwrap().remove(&node);
    }

    /// From now on all messages are shown to a censor.
    pub(crate) fn censor(&self, censor: impl FnMut(NodeId, &PeerMessage) -> bool + Send + 'static) {
        *self.censor.lock().unwrap() = Some(Box::new(censor));
    }

    /// From now on these messages are answered with an error.
    pub(crate) fn refuse(&self, which: impl Fn(NodeId, &PeerMessage) -> bool + Send + 'static) {
        *self.refusing.lock().unwrap() = Some(Box::new(which));
    }

    /// How many were.
    pub(crate) fn refused(&self) -> u64 {
        self.refused.load(Ordering::SeqCst)
    }

    /// From now on all answers go through the hands of a forger.
    pub(crate) fn forge(
        &self,
        forger: impl FnMut(NodeId, &PeerMessage, Bytes) -> Bytes + Send + 'static,
    ) {
        *self.forger.lock().unwrap() = Some(Box::new(forger));
    }
}

/// How a peer asks a node what its replica held after each of the last entries.
pub(crate) fn asks_what_was_held(message: &PeerMessage) -> bool {
    message.kind == MessageKind::Files && message.body[..] == [2, 4]
}

/// A disk of its own for each address.
pub(crate) fn joiner(address: &str) -> JoinRequest {
    let disk = address.bytes().fold(0, |number, byte| number << 8 | u128::from(byte));
    JoinRequest {
        cluster: None,
        disk: DiskId(disk),
        address: address.to_owned(),
        zone: String::new(),
        version: String::new(),
    }
}

pub(crate) async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..3000 {
        if holds() {
            return;
        }
        sleep(Duration::from_millis(20)).await;
    }
    panic!("after a minute still not so: {what}");
}

/// Three nodes, the first of which founded the cluster, and a shard on all of them.
pub(crate) async fn three(switchboard: &Switchboard) -> Vec<Host> {
    let disks = [SimDisk::new(), SimDisk::new(), SimDisk::new()];
    three_on(switchboard, &disks, settings()).await
}

/// The same, on these disks and with these settings.
pub(crate) async fn three_on(
    switchboard: &Switchboard,
    disks: &[SimDisk; 3],
    settings: HostSettings,
) -> Vec<Host> {
    let transport: Arc<dyn PeerTransport> = Arc::new(switchboard.clone());
    let mut founding = options(&disks[0], "n1:1", NewDisk::Found, Arc::clone(&transport)).await;
    founding.settings = settings.clone();
    let first = Host::start(founding).await.unwrap();
    switchboard.plug(&first);
    let mut hosts = vec![first];
    for (disk, address) in disks[1..].iter().zip(["n2:1", "n3:1"]) {
        let joining = NewDisk::Join(hosts[0].admit(joiner(address)).await.unwrap());
        let mut joining = options(disk, address, joining, Arc::clone(&transport)).await;
        joining.settings = settings.clone();
        let host = Host::start(joining).await.unwrap();
        switchboard.plug(&host);
        hosts.push(host);
    }
    eventually("all know of all", || hosts.iter().all(|host| host.catalog().nodes.len() == 3))
        .await;
    hosts
}

pub(crate) fn leader_of(hosts: &[Host], shard: ShardId) -> Option<usize> {
    hosts.iter().position(|host| {
        host.status().iter().any(|s| s.shard == shard && s.leader == Some(host.node()))
    })
}
