//! What the leader of a shard wrote out the others take.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::time::sleep;
use varve_consensus::MessageKind;

use crate::closed::{SHARD, World, unmerged};
use crate::computer::virtual_time;
use crate::switchboard::eventually;

#[test]
fn segments_are_built_once_and_taken_by_the_others() {
    virtual_time().block_on(async {
        let mut world = World::new(unmerged()).await;
        let before: Vec<_> = world.hosts.iter().map(|host| host.stats().flushes).collect();
        world.fill(200).await;
        let flushes = |world: &World, at: usize| {
            let now = world.hosts[at].stats().flushes;
            (now.done - before[at].done, now.borrowed - before[at].borrowed)
        };
        eventually("all have flushed", || (0..3).all(|at| flushes(&world, at).0 > 2)).await;
        sleep(Duration::from_secs(5)).await;
        for at in 0..3 {
            let (done, borrowed) = flushes(&world, at);
            let wanted = if at == world.leader { 0 } else { done };
            assert_eq!(borrowed, wanted, "node at {at} of {done}; {} leads", world.leader);
        }
        let contents = |at| world.segments(at).into_values().collect::<BTreeSet<_>>();
        for at in 0..3 {
            assert!(contents(at) == contents(world.leader), "node at {at} has other bytes");
            world.hosts[at].read(SHARD).await.unwrap();
        }
    });
}

#[test]
fn a_replica_whose_leader_does_not_answer_builds_its_own() {
    virtual_time().block_on(async {
        let mut world = World::new(unmerged()).await;
        world.switchboard.censor(|_, message| message.kind != MessageKind::Files);
        let before = world.hosts[world.follower()].stats().flushes;
        world.fill(200).await;
        let follower = world.follower();
        eventually("it has flushed", || {
            world.hosts[follower].stats().flushes.done > before.done + 2
        })
        .await;
        assert_eq!(world.hosts[follower].stats().flushes.borrowed, before.borrowed);
        assert_eq!(world.hosts[follower].read(SHARD).await.unwrap().view.rows, 200 * 4);
    });
}
