//! Closed shards on several nodes: they are copied where they are missing, merged for good once,
//! read again, and mended.

mod copies;
mod damage;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use varve_consensus::{Closed, Host, HostSettings, NewDisk, PeerTransport, ShardState};
use varve_env::sim::{SimDisk, Survival};
use varve_shard::MergeOptions;
use varve_types::ShardId;

use crate::computer::{options, settings};
use crate::producer::Producer;
use crate::switchboard::{Switchboard, eventually, leader_of, three_on};

pub(crate) const SHARD: ShardId = ShardId(2);

/// Three nodes with a shard of some segments on each, and who leads it.
pub(crate) struct World {
    pub(crate) switchboard: Switchboard,
    pub(crate) disks: [SimDisk; 3],
    pub(crate) hosts: Vec<Host>,
    producer: Producer,
    pub(crate) leader: usize,
    settings: HostSettings,
}

impl World {
    pub(crate) async fn new(settings: HostSettings) -> Self {
        let (switchboard, mut producer) = (Switchboard::default(), Producer::default());
        let disks = [SimDisk::new(), SimDisk::new(), SimDisk::new()];
        let hosts = three_on(&switchboard, &disks, settings.clone()).await;
        let mut wide = hosts[0].catalog().settings.clone();
        wide.bucket_bits = Some(0);
        hosts[0].change_settings(wide).await.unwrap();
        producer.send_many(&hosts[0], 5).await;
        hosts[0].roll(ShardId(1)).await.unwrap();
        eventually("shard 2 is led", || leader_of(&hosts, SHARD).is_some()).await;
        let leader = leader_of(&hosts, SHARD).unwrap();
        Self { switchboard, disks, hosts, producer, leader, settings }
    }

    /// One that neither leads the shard nor the catalog.
    pub(crate) fn follower(&self) -> usize {
        (1..3).find(|at| *at != self.leader).unwrap()
    }

    pub(crate) async fn fill(&mut self, batches: u64) {
        self.producer.send_many(&self.hosts[self.leader], batches).await;
    }

    async fn close(&self) {
        self.hosts[0].roll(SHARD).await.unwrap();
    }

    /// Fills and closes the shard while one node is away; answers which.
    async fn close_without_one(&mut self, batches: u64) -> usize {
        let gone = self.follower();
        self.switchboard.unplug(self.hosts[gone].node());
        self.fill(batches).await;
        self.close().await;
        assert_eq!(self.closed().holders.len(), 2);
        gone
    }

    /// A node's power fails, and it comes back. What happens in between happens while it is off.
    pub(crate) async fn restart(
        &mut self,
        at: usize,
        survival: Survival,
        meanwhile: impl FnOnce(&Self),
    ) {
        self.switchboard.unplug(self.hosts[at].node());
        self.disks[at].crash(survival);
        self.hosts[at].shutdown().await;
        meanwhile(self);
        let transport: Arc<dyn PeerTransport> = Arc::new(self.switchboard.clone());
        let address = format!("n{}:1", at + 1);
        let mut options = options(&self.disks[at], &address, NewDisk::Found, transport).await;
        options.settings = self.settings.clone();
        self.hosts[at] = Host::start(options).await.unwrap();
        self.switchboard.plug(&self.hosts[at]);
    }

    fn closed(&self) -> Closed {
        match &self.hosts[0].catalog().shards[&SHARD].state {
            ShardState::Closed(closed) => closed.clone(),
            state => panic!("{state:?}"),
        }
    }

    fn is_finished_everywhere(&self) -> bool {
        let closed = self.closed();
        let finished = closed.finished.map_or(0, |finished| finished.holders.len());
        (closed.holders.len(), finished) == (3, 3)
    }

    /// The files of the shard's copy on a node.
    fn files(&self, at: usize) -> BTreeMap<PathBuf, Vec<u8>> {
        let (disk, root) = (self.disks[at].mount(), PathBuf::from(format!("/data/shards/{SHARD}")));
        let names = disk.list(&root).unwrap().into_iter();
        let mut folders = names.filter(|name| {
            let name = name.file_name().and_then(|name| name.to_str());
            name.is_some_and(|name| name.parse::<u64>().is_ok())
        });
        let folder = root.join(folders.next().unwrap());
        assert_eq!(folders.next(), None, "copies that do not count are gone");
        let names = disk.list(&folder).unwrap().into_iter();
        names
            .map(|name| {
                let contents = self.disks[at].contents(&folder.join(&name)).unwrap();
                (folder.join(name), contents)
            })
            .collect()
    }

    /// The same by bare names, of segments alone.
    pub(crate) fn segments(&self, at: usize) -> BTreeMap<PathBuf, Vec<u8>> {
        let files = self.files(at).into_iter();
        let segments = files.filter(|(path, _)| path.extension().is_some_and(|e| e == "vseg"));
        segments.map(|(path, bytes)| (path.file_name().unwrap().into(), bytes)).collect()
    }

    fn assert_same_bytes_everywhere(&self) {
        let first = self.segments(0);
        assert!(!first.is_empty());
        for at in 1..3 {
            let other = self.segments(at);
            assert_eq!(first.keys().collect::<Vec<_>>(), other.keys().collect::<Vec<_>>());
            assert!(first == other, "node {at} has other bytes under the same names");
        }
    }

    /// The path of one of a node's segments.
    fn a_segment(&self, at: usize) -> PathBuf {
        let files = self.files(at).into_keys();
        let mut segments = files.filter(|path| path.extension().is_some_and(|e| e == "vseg"));
        segments.next().unwrap()
    }

    /// Flips a bit in one of a node's segments.
    fn damage(&self, at: usize) -> PathBuf {
        let segment = self.a_segment(at);
        self.disks[at].flip_bit(&segment, 40, 1).unwrap();
        segment
    }
}

fn merging() -> HostSettings {
    let mut settings = settings();
    settings.shard.flush_bytes = 4 << 10;
    settings.shard.merge = MergeOptions { fan_in: 3, ..MergeOptions::default() };
    settings
}

/// No time to merge: the files stay many.
pub(crate) fn unmerged() -> HostSettings {
    HostSettings { merge_bytes_per_s: 1, ..merging() }
}
