//! Closed shards on several nodes: they are copied where they are missing, merged for good once,
//! read again, and mended.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::sleep;
use varve_consensus::{Closed, Host, HostSettings, MessageKind, ShardState};
use varve_env::sim::SimDisk;
use varve_shard::MergeOptions;
use varve_types::ShardId;

use crate::computer::{settings, virtual_time};
use crate::producer::Producer;
use crate::switchboard::{Switchboard, eventually, leader_of, three_on};

const SHARD: ShardId = ShardId(2);

/// Three nodes with a shard of some segments on each, and who leads it.
struct World {
    switchboard: Switchboard,
    disks: [SimDisk; 3],
    hosts: Vec<Host>,
    producer: Producer,
    leader: usize,
}

impl World {
    async fn new(settings: HostSettings) -> Self {
        let (switchboard, mut producer) = (Switchboard::default(), Producer::default());
        let disks = [SimDisk::new(), SimDisk::new(), SimDisk::new()];
        let hosts = three_on(&switchboard, &disks, settings).await;
        let mut wide = hosts[0].catalog().settings.clone();
        wide.bucket_bits = Some(0);
        hosts[0].change_settings(wide).await.unwrap();
        producer.send_many(&hosts[0], 5).await;
        hosts[0].roll(ShardId(1)).await.unwrap();
        eventually("shard 2 is led", || leader_of(&hosts, SHARD).is_some()).await;
        let leader = leader_of(&hosts, SHARD).unwrap();
        Self { switchboard, disks, hosts, producer, leader }
    }

    /// One that neither leads the shard nor the catalog.
    fn follower(&self) -> usize {
        (1..3).find(|at| *at != self.leader).unwrap()
    }

    async fn fill(&mut self, batches: u64) {
        self.producer.send_many(&self.hosts[self.leader], batches).await;
    }

    async fn close(&self) {
        self.hosts[0].roll(SHARD).await.unwrap();
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
        let names = disk.list(&root).unwrap();
        let mut folders = names.into_iter().filter(|name| disk.list(&root.join(name)).is_ok());
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
    fn segments(&self, at: usize) -> BTreeMap<PathBuf, Vec<u8>> {
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

    fn damage(&self, at: usize) -> PathBuf {
        let files = self.files(at).into_keys();
        let mut segments = files.filter(|path| path.extension().is_some_and(|e| e == "vseg"));
        let segment = segments.next().unwrap();
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
fn unmerged() -> HostSettings {
    HostSettings { merge_bytes_per_s: 1, ..merging() }
}

#[test]
fn final_files_are_made_once_and_are_the_same_bytes_everywhere() {
    virtual_time().block_on(async {
        let mut world = World::new(merging()).await;
        world.fill(100).await;
        world.close().await;
        eventually("all have the final files", || world.is_finished_everywhere()).await;
        world.assert_same_bytes_everywhere();
        // The first node made them, of this shard and of the one before, and copied nothing.
        let copied: Vec<u64> = world.hosts.iter().map(|host| host.repair().copied).collect();
        assert!(copied[0] == 0 && copied[1] > 0 && copied[2] > 0, "{copied:?}");
        let closed = world.closed();
        for host in &world.hosts {
            let status = host.status().into_iter().find(|s| s.shard == SHARD).unwrap();
            let here = status.here.unwrap();
            assert_eq!((here.rows, here.digest), (closed.rows, closed.digest));
            assert_eq!(here.unmerged_segments, 0);
        }
    });
}

#[test]
fn a_node_that_was_away_copies_what_closed_meanwhile() {
    virtual_time().block_on(async {
        let mut world = World::new(merging()).await;
        world.fill(20).await;
        let gone = world.follower();
        world.switchboard.unplug(world.hosts[gone].node());
        world.fill(60).await;
        world.close().await;
        assert_eq!(world.closed().holders.len(), 2);
        world.switchboard.plug(&world.hosts[gone]);
        eventually("it holds all of it", || world.closed().holders.len() == 3).await;
        eventually("all have the final files", || world.is_finished_everywhere()).await;
        world.assert_same_bytes_everywhere();
        assert!(world.hosts[gone].repair().copied_bytes > 0);
        let read = world.hosts[gone].read(SHARD).await.unwrap();
        assert_eq!(read.view.rows, 80 * 4);
    });
}

#[test]
fn a_copy_that_breaks_off_goes_on_where_it_was() {
    virtual_time().block_on(async {
        let mut world = World::new(unmerged()).await;
        let gone = world.follower();
        let away = world.hosts[gone].node();
        world.switchboard.unplug(away);
        world.fill(200).await;
        world.close().await;
        // Every fifth question about files is lost.
        let answered: Arc<Mutex<Vec<Bytes>>> = Arc::default();
        let (pieces, mut asked) = (Arc::clone(&answered), 0);
        world.switchboard.censor(move |_, message| {
            if message.kind != MessageKind::Files {
                return true;
            }
            asked += 1;
            let is_piece = message.body.get(1) == Some(&2);
            let passes = asked % 5 != 0;
            if passes && is_piece {
                pieces.lock().unwrap().push(message.body.clone());
            }
            passes
        });
        world.switchboard.plug(&world.hosts[gone]);
        eventually("it holds all of it", || world.closed().holders.contains(&away)).await;
        let answered = answered.lock().unwrap();
        let distinct: BTreeSet<&Bytes> = answered.iter().collect();
        assert!(answered.len() > 10, "only {} pieces", answered.len());
        assert!(world.hosts[gone].repair().failed > 1, "{:?}", world.hosts[gone].repair());
        // What was on its way when another piece was lost comes again: as much as is in flight.
        let twice = answered.len() - distinct.len();
        assert!(twice <= distinct.len() / 4, "{twice} of {} came twice", distinct.len());
    });
}

#[test]
fn a_damaged_file_is_found_and_replaced_while_another_node_has_it() {
    virtual_time().block_on(async {
        let scrub_every = Duration::from_secs(20);
        let mut world = World::new(HostSettings { scrub_every, ..merging() }).await;
        world.fill(60).await;
        world.close().await;
        eventually("all have the final files", || world.is_finished_everywhere()).await;
        let hurt = world.follower();
        let (before, copied) = (world.segments(hurt), world.hosts[hurt].repair().copied);
        let damaged = world.damage(hurt);
        eventually("it is found", || world.hosts[hurt].repair().damaged == 1).await;
        eventually("it is mended", || {
            world.hosts[hurt].repair().copied > copied && world.is_finished_everywhere()
        })
        .await;
        assert!(world.segments(hurt) == before, "{} is not mended", damaged.display());
        world.hosts[hurt].read(SHARD).await.unwrap();
        let others = (0..3).filter(|at| *at != hurt);
        assert!(others.into_iter().all(|at| world.hosts[at].repair().damaged == 0));
    });
}

#[test]
fn copies_are_verified_on_all_nodes_and_what_is_damaged_is_named() {
    virtual_time().block_on(async {
        let mut world = World::new(merging()).await;
        world.fill(60).await;
        world.close().await;
        eventually("all have the final files", || world.is_finished_everywhere()).await;
        let rows = world.hosts[1].verify(|_| ()).await;
        assert!(rows.iter().all(|row| row.ok), "{rows:#?}");
        let of_shard: Vec<_> = rows.iter().filter(|row| row.shard == SHARD).collect();
        assert_eq!(of_shard.len(), 3);
        assert!(of_shard.iter().all(|row| row.files == of_shard[0].files && row.rows == 60 * 4));
        // The shard that is open now is compared as well.
        assert_eq!(rows.iter().filter(|row| row.shard == ShardId(3)).count(), 3);

        let hurt = world.follower();
        let damaged = world.damage(hurt);
        let shown = Mutex::new(0);
        let rows = world.hosts[1].verify(|_| *shown.lock().unwrap() += 1).await;
        assert_eq!(*shown.lock().unwrap(), rows.len());
        let bad: Vec<_> = rows.iter().filter(|row| !row.ok).collect();
        assert_eq!(bad.len(), 1, "{bad:#?}");
        assert_eq!((bad[0].shard, bad[0].node), (SHARD, world.hosts[hurt].node()));
        let problem = bad[0].problem.clone().unwrap();
        assert!(problem.contains(&damaged.display().to_string()), "{problem}");
        sleep(Duration::from_secs(1)).await;
        eventually("it is mended", || world.is_finished_everywhere()).await;
        let rows = world.hosts[0].verify(|_| ()).await;
        assert!(rows.iter().all(|row| row.ok), "{rows:#?}");
    });
}
