//! Replicas of an open shard that come to hold different rows are found by whoever leads it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::sleep;
use varve_consensus::{Host, HostSettings};
use varve_types::{NodeId, ReplicaId, ShardId};

use crate::closed::{SHARD, World, unmerged};
use crate::computer::virtual_time;
use crate::switchboard::asks_what_was_held;

const EVERY: Duration = Duration::from_secs(20);

async fn world() -> World {
    let mut world = World::new(HostSettings { scrub_every: EVERY, ..unmerged() }).await;
    world.fill(30).await;
    world
}

/// Has nodes tell another digest than they have, as if they had applied something else.
fn lie(world: &World, liars: &[usize], lies: &Arc<AtomicBool>) {
    let liars: Vec<NodeId> = liars.iter().map(|at| world.hosts[*at].node()).collect();
    let lies = Arc::clone(lies);
    world.switchboard.forge(move |from, asked, answer| {
        let lies = lies.load(Ordering::SeqCst) && asks_what_was_held(asked);
        match liars.iter().position(|liar| *liar == from).filter(|_| lies) {
            None => answer,
            // The answer ends with the digest after the last entry.
            Some(which) => {
                let mut answer = answer.to_vec();
                *answer.last_mut().unwrap() ^= 1 << which;
                Bytes::from(answer)
            }
        }
    });
}

async fn differing(host: &Host) -> Vec<ShardId> {
    host.nodes().await.into_iter().flat_map(|node| node.differing).collect()
}

/// Waits until the nodes say of these shards that their replicas differ.
async fn until_differing(host: &Host, shards: &[ShardId]) {
    for _ in 0..600 {
        if differing(host).await == shards {
            return;
        }
        sleep(Duration::from_millis(100)).await;
    }
    panic!("after a minute still not {shards:?}, but {:?}", differing(host).await);
}

fn replica(host: &Host, node: NodeId) -> Option<ReplicaId> {
    host.catalog().shards[&SHARD].replica_on(node)
}

fn differences(world: &World) -> u64 {
    world.hosts.iter().map(|host| host.comparisons().differences).sum()
}

#[test]
fn replicas_that_hold_the_same_are_compared_and_left_alone() {
    virtual_time().block_on(async {
        let mut world = world().await;
        let before: Vec<_> = world.hosts.iter().map(|host| replica(host, host.node())).collect();
        for _ in 0..5 {
            world.fill(10).await;
            sleep(EVERY).await;
        }
        assert!(world.hosts[world.leader].comparisons().made > 1);
        assert_eq!(differences(&world), 0);
        let after: Vec<_> = world.hosts.iter().map(|host| replica(host, host.node())).collect();
        assert_eq!(before, after);
    });
}

#[test]
fn a_replica_that_two_contradict_is_shown_and_replaced() {
    virtual_time().block_on(async {
        let world = world().await;
        let (odd, lies) = (world.follower(), Arc::new(AtomicBool::new(true)));
        let node = world.hosts[odd].node();
        let before = replica(&world.hosts[0], node).unwrap();
        lie(&world, &[odd], &lies);
        // Any node shows it.
        until_differing(&world.hosts[odd], &[SHARD]).await;
        // The replica that takes its place does not lie.
        lies.store(false, Ordering::SeqCst);
        for _ in 0..600 {
            if replica(&world.hosts[0], node).is_some_and(|now| now != before) {
                break;
            }
            sleep(Duration::from_millis(100)).await;
        }
        assert!(replica(&world.hosts[0], node) > Some(before), "it is not replaced");
        until_differing(&world.hosts[odd], &[]).await;
        assert_eq!(differences(&world), 1);
    });
}

#[test]
fn where_all_differ_nothing_is_replaced() {
    virtual_time().block_on(async {
        let world = world().await;
        let lies = Arc::new(AtomicBool::new(true));
        let others: Vec<usize> = (0..3).filter(|at| *at != world.leader).collect();
        let before = world.hosts[0].catalog().shards[&SHARD].replicas.clone();
        lie(&world, &others, &lies);
        until_differing(&world.hosts[0], &[SHARD]).await;
        sleep(4 * EVERY).await;
        assert_eq!(differing(&world.hosts[0]).await, [SHARD]);
        assert_eq!(world.hosts[0].catalog().shards[&SHARD].replicas, before);
        lies.store(false, Ordering::SeqCst);
        until_differing(&world.hosts[0], &[]).await;
        assert_eq!(differences(&world), 1, "it is one difference, however often it is seen");
    });
}
