//! Damage is found, named, and mended from another node.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::sleep;
use varve_consensus::{Host, HostSettings, NewDisk, NoPeers, ShardState};
use varve_env::sim::Survival;
use varve_types::ShardId;

use super::{SHARD, World, merging};
use crate::computer::{Computer, options, virtual_time};
use crate::producer::Producer;
use crate::switchboard::eventually;

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
fn a_shard_whose_bytes_a_reader_doubts_is_read_again_at_once() {
    virtual_time().block_on(async {
        let mut world = World::new(merging()).await;
        world.fill(60).await;
        world.close().await;
        eventually("all have the final files", || world.is_finished_everywhere()).await;
        // All was read once, and is not for a day.
        sleep(Duration::from_secs(60)).await;
        let hurt = world.follower();
        let before = world.segments(hurt);
        world.damage(hurt);
        sleep(Duration::from_secs(60)).await;
        assert_eq!(world.hosts[hurt].repair().damaged, 0);
        world.hosts[hurt].suspect([SHARD, ShardId(3), ShardId(99)]);
        eventually("it is found", || world.hosts[hurt].repair().damaged == 1).await;
        eventually("it is mended", || {
            world.hosts[hurt].status().iter().all(|status| status.problem.is_none())
                && world.is_finished_everywhere()
        })
        .await;
        assert!(world.segments(hurt) == before);
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

#[test]
fn a_file_that_is_gone_at_a_start_comes_from_another_node() {
    virtual_time().block_on(async {
        let mut world = World::new(merging()).await;
        world.fill(60).await;
        world.close().await;
        eventually("all have the final files", || world.is_finished_everywhere()).await;
        let hurt = world.follower();
        let before = world.segments(hurt);
        let gone = world.a_segment(hurt);
        world
            .restart(hurt, Survival::Synced, |world| {
                let disk = world.disks[hurt].mount();
                disk.remove(&gone).unwrap();
                disk.sync_dir(gone.parent().unwrap()).unwrap();
            })
            .await;
        eventually("it is mended", || {
            world.hosts[hurt].repair().copied > 0 && world.is_finished_everywhere()
        })
        .await;
        assert!(world.segments(hurt) == before);
        world.hosts[hurt].read(SHARD).await.unwrap();
    });
}

#[test]
fn the_only_copy_is_kept_and_refused_with_a_remedy() {
    let computer = Computer::new();
    virtual_time().block_on(async {
        let mut options = options(&computer.disk, "a:1", NewDisk::Found, Arc::new(NoPeers)).await;
        options.settings = HostSettings { scrub_every: Duration::from_secs(20), ..merging() };
        let host = Host::start(options).await.unwrap();
        let mut producer = Producer::default();
        producer.send_many(&host, 50).await;
        host.roll(ShardId(1)).await.unwrap();
        sleep(Duration::from_secs(5)).await;
        let (_, manifest) = host.manifests().remove(0);
        let name = &manifest.segments[0].name;
        let path = PathBuf::from("/data/shards/1/0").join(name);
        computer.disk.flip_bit(&path, 40, 1).unwrap();
        let problem = || host.status()[0].problem.clone();
        eventually("it is found", || problem().is_some()).await;
        let problem = problem().unwrap();
        assert!(problem.contains(name) && problem.contains("restore the file"), "{problem}");
        sleep(Duration::from_secs(60)).await;
        let ShardState::Closed(closed) = &host.catalog().shards[&ShardId(1)].state else {
            panic!("it was closed")
        };
        assert!(closed.holders.contains(&host.node()), "the last copy is not given up");
        assert!(computer.disk.contents(&path).is_ok(), "nor removed");
        host.read(ShardId(1)).await.unwrap_err();
        host.read(ShardId(2)).await.unwrap();
    });
}

#[test]
fn an_open_replica_whose_files_are_damaged_is_replaced_by_a_new_one() {
    is_replaced_after(|world, hurt| {
        let (segment, disk) = (world.a_segment(hurt), world.disks[hurt].mount());
        disk.remove(&segment).unwrap();
        disk.sync_dir(segment.parent().unwrap()).unwrap();
    });
}

/// One that took itself for another replica would have none of the votes and entries that it had
/// promised to keep.
#[test]
fn an_open_replica_that_does_not_know_which_it_is_is_replaced_by_a_new_one() {
    let path = PathBuf::from(format!("/data/shards/{SHARD}/replica"));
    is_replaced_after(|world, hurt| {
        let of_another = world.disks[0].contents(Path::new("/data/shards/1/replica")).unwrap();
        world.disks[hurt].damage(&path, |bytes| *bytes = of_another).unwrap();
    });
    is_replaced_after(|world, hurt| {
        let text = world.disks[hurt].contents(&path).unwrap();
        let digit = text.iter().rposition(u8::is_ascii_digit).unwrap();
        world.disks[hurt].flip_bit(&path, digit, 0).unwrap();
    });
}

fn is_replaced_after(spoil: impl FnOnce(&World, usize)) {
    virtual_time().block_on(async {
        let mut world = World::new(merging()).await;
        world.fill(60).await;
        let hurt = world.follower();
        let node = world.hosts[hurt].node();
        let replica = |world: &World| world.hosts[0].catalog().shards[&SHARD].replica_on(node);
        let before = replica(&world).unwrap();
        world.restart(hurt, Survival::Synced, |world| spoil(world, hurt)).await;
        eventually("a new replica is there", || {
            replica(&world).is_some_and(|replica| replica != before)
        })
        .await;
        let rows = |host: &Host| {
            let status = host.status().into_iter().find(|status| status.shard == SHARD)?;
            status.here.map(|here| (here.rows, here.digest))
        };
        eventually("it has everything", || {
            rows(&world.hosts[hurt]).is_some_and(|held| held.0 == 60 * 4)
                && rows(&world.hosts[hurt]) == rows(&world.hosts[world.leader])
        })
        .await;
        world.fill(10).await;
        world.close().await;
        eventually("all have the final files", || world.is_finished_everywhere()).await;
        world.assert_same_bytes_everywhere();
    });
}

#[test]
fn a_replica_that_takes_writes_goes_on_with_damaged_files_until_a_new_one_has_come() {
    virtual_time().block_on(async {
        let scrub_every = Duration::from_secs(20);
        let mut world = World::new(HostSettings { scrub_every, ..merging() }).await;
        world.fill(60).await;
        // The one that leads: it hands over, and everybody goes on.
        let hurt = world.leader;
        let node = world.hosts[hurt].node();
        let replica = |world: &World| world.hosts[0].catalog().shards[&SHARD].replica_on(node);
        let before = replica(&world).unwrap();
        world.damage(hurt);
        let helper = world.follower();
        let World { hosts, producer, .. } = &mut world;
        let writes = async {
            for _ in 0..200 {
                producer.send_many(&hosts[helper], 1).await;
                sleep(Duration::from_millis(500)).await;
            }
        };
        let mended = eventually("a new replica is there", || {
            let now = hosts[0].catalog().shards[&SHARD].replica_on(node);
            now.is_some_and(|now| now != before)
        });
        futures::join!(writes, mended);
        assert_eq!(world.hosts[hurt].repair().damaged, 1);
        world.close().await;
        eventually("all have the final files", || world.is_finished_everywhere()).await;
        world.assert_same_bytes_everywhere();
    });
}

#[test]
fn replicas_that_take_writes_are_compared_at_one_entry() {
    virtual_time().block_on(async {
        let mut world = World::new(merging()).await;
        world.fill(20).await;
        let World { hosts, producer, leader, .. } = &mut world;
        let follower = &hosts[(*leader + 1) % 3];
        for _ in 0..5 {
            let writes = producer.send_many(&hosts[*leader], 30);
            let (rows, ()) = futures::join!(follower.verify(|_| ()), writes);
            let open: Vec<_> = rows.iter().filter(|row| row.shard == SHARD).collect();
            assert_eq!(open.len(), 3);
            assert!(open.iter().all(|row| row.ok && row.applied.is_some()), "{open:#?}");
        }
    });
}
