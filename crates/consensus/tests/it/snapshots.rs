//! Snapshots that are sent to replicas which missed what was purged: only what these lack.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::sleep;
use varve_consensus::{Host, HostSettings, MessageKind};
use varve_env::sim::{SimDisk, Survival};
use varve_types::ShardId;

use crate::closed::{SHARD, World, unmerged};
use crate::computer::{settings, virtual_time};
use crate::producer::Producer;
use crate::switchboard::{Switchboard, eventually, leader_of, three_on};

fn content(host: &Host) -> Option<(u64, varve_types::ContentDigest)> {
    let status = host.status().into_iter().find(|status| status.shard == SHARD)?;
    status.here.map(|here| (here.rows, here.digest))
}

#[test]
fn a_snapshot_that_broke_off_goes_on_where_it_was_and_brings_nothing_twice() {
    virtual_time().block_on(async {
        let switchboard = Switchboard::default();
        let disks = [SimDisk::new(), SimDisk::new(), SimDisk::new()];
        // No time to merge: what was written stays as it is.
        let settings = HostSettings { merge_bytes_per_s: 1, ..settings() };
        let hosts = three_on(&switchboard, &disks, settings).await;
        let mut wide = hosts[0].catalog().settings.clone();
        wide.bucket_bits = Some(0);
        hosts[0].change_settings(wide).await.unwrap();
        let mut producer = Producer::default();
        producer.send_many(&hosts[0], 5).await;
        hosts[0].roll(ShardId(1)).await.unwrap();
        eventually("shard 2 is led", || leader_of(&hosts, SHARD).is_some()).await;
        let leader = leader_of(&hosts, SHARD).unwrap();
        let gone = (0..3).find(|at| *at != leader && *at != 0).unwrap();

        // Every fourth piece is lost, and the connection with it.
        let brought: Arc<Mutex<Vec<Bytes>>> = Arc::default();
        let pieces = Arc::clone(&brought);
        let mut sent = 0;
        switchboard.censor(move |_, message| {
            if message.kind != MessageKind::SnapshotPiece {
                return true;
            }
            sent += 1;
            let passes = sent % 4 != 0;
            if passes {
                pieces.lock().unwrap().push(message.body.clone());
            }
            passes
        });
        for round in 1..=2 {
            switchboard.unplug(hosts[gone].node());
            producer.send_many(&hosts[leader], 300).await;
            switchboard.plug(&hosts[gone]);
            eventually("the one that was away has the same", || {
                content(&hosts[gone]) == content(&hosts[leader])
            })
            .await;
            let installs = switchboard.installs.load(Ordering::SeqCst);
            assert!(installs >= round, "{installs} snapshots in {round} rounds");
        }
        let brought = brought.lock().unwrap();
        let distinct: BTreeSet<&Bytes> = brought.iter().collect();
        assert!(brought.len() > 12, "only {} pieces", brought.len());
        assert_eq!(distinct.len(), brought.len(), "pieces came twice");
        assert_eq!(content(&hosts[gone]).map(|(rows, _)| rows), Some(600 * 4));
    });
}

#[test]
fn power_that_fails_while_a_snapshot_is_installed_loses_nothing() {
    let mut struck = 0;
    for changes in (1..200).step_by(13) {
        virtual_time().block_on(async {
            let mut world = World::new(unmerged()).await;
            let gone = world.follower();
            world.switchboard.unplug(world.hosts[gone].node());
            // Enough to be written out several times, so that the log is purged.
            world.fill(300).await;
            world.disks[gone].cut_power_after(changes);
            world.switchboard.plug(&world.hosts[gone]);
            sleep(Duration::from_secs(5)).await;
            struck += usize::from(world.disks[gone].has_lost_power());
            world.restart(gone, Survival::Seeded(changes), |_| ()).await;
            world.fill(10).await;
            eventually("it has everything", || {
                content(&world.hosts[gone]).is_some_and(|(rows, _)| rows == 310 * 4)
                    && content(&world.hosts[gone]) == content(&world.hosts[world.leader])
            })
            .await;
            assert!(world.switchboard.installs.load(Ordering::SeqCst) > 0);
        });
    }
    assert!(struck > 5, "only {struck} runs lost power");
}
