//! Where they are missing, closed shards are copied.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::sleep;
use varve_consensus::{Host, HostSettings, MessageKind};
use varve_env::sim::Survival;

use super::{SHARD, World, merging, unmerged};
use crate::computer::virtual_time;
use crate::switchboard::eventually;

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
        let gone = world.close_without_one(60).await;
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
        let gone = world.close_without_one(200).await;
        let away = world.hosts[gone].node();
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
fn a_copy_goes_on_after_a_restart() {
    virtual_time().block_on(async {
        // About one file a second.
        let slow = HostSettings { repair_bytes_per_s: 4 << 10, ..unmerged() };
        let mut world = World::new(slow).await;
        let gone = world.close_without_one(200).await;
        let away = world.hosts[gone].node();
        let answered: Arc<Mutex<Vec<Bytes>>> = Arc::default();
        let pieces = Arc::clone(&answered);
        world.switchboard.censor(move |_, message| {
            if message.kind == MessageKind::Files && message.body.get(1) == Some(&2) {
                pieces.lock().unwrap().push(message.body.clone());
            }
            true
        });
        world.switchboard.plug(&world.hosts[gone]);
        eventually("some of it came", || answered.lock().unwrap().len() > 8).await;
        assert!(!world.closed().holders.contains(&away));
        world.restart(gone, Survival::Synced, |_| ()).await;
        eventually("it holds all of it", || world.closed().holders.contains(&away)).await;
        let answered = answered.lock().unwrap();
        let distinct: BTreeSet<&Bytes> = answered.iter().collect();
        let twice = answered.len() - distinct.len();
        assert!(distinct.len() > 12 && twice <= 5, "{twice} of {} came twice", distinct.len());
    });
}

#[test]
fn power_that_fails_while_a_copy_is_made_leaves_the_old_one_or_the_new_one() {
    let mut struck = 0;
    for changes in (1..120).step_by(7) {
        virtual_time().block_on(async {
            let mut world = World::new(merging()).await;
            let gone = world.close_without_one(40).await;
            let disk = world.disks[gone].clone();
            world.switchboard.plug(&world.hosts[gone]);
            sleep(Duration::from_secs(5)).await;
            disk.cut_power_after(changes);
            sleep(Duration::from_secs(5)).await;
            struck += usize::from(disk.has_lost_power());
            world.restart(gone, Survival::Seeded(changes), |_| ()).await;
            let served = |host: &Host| {
                let status = host.status().into_iter().find(|status| status.shard == SHARD);
                status.is_some_and(|status| status.here.is_some())
            };
            eventually("all serve the final files", || {
                world.hosts.iter().all(served) && world.is_finished_everywhere()
            })
            .await;
            world.assert_same_bytes_everywhere();
            let rows = world.hosts[0].verify(|_| ()).await;
            assert!(rows.iter().all(|row| row.ok), "{rows:#?}");
        });
    }
    assert!(struck > 5, "only {struck} runs lost power");
}
