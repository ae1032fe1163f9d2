//! Rolling over under load.

use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;
use varve_consensus::{Host, MessageKind, PeerMessage, ReceiveError, ShardState};
use varve_env::sim::Survival;
use varve_types::{GroupId, NodeId, ShardId};

use crate::computer::Computer;
use crate::producer::Producer;

fn live_shards(host: &Host) -> Vec<ShardId> {
    host.catalog().open_shards().map(|(id, _)| id).collect()
}

async fn set_bits(host: &Host, bits: u8) {
    let mut settings = host.catalog().settings.clone();
    settings.bucket_bits = Some(bits);
    host.change_settings(settings).await.unwrap();
}

#[test]
fn twenty_rollovers_under_load_store_everything_once() {
    Computer::new().live(Survival::Synced, async |host| {
        let mut producer = Producer::default();
        for _ in 0..20 {
            producer.send_many(&host, 10).await;
            let rolling = host.clone();
            let shard = live_shards(&host)[0];
            let roll = tokio::spawn(async move { rolling.roll(shard).await });
            while !roll.is_finished() {
                producer.send_many(&host, 1).await;
                producer.resend(&host).await;
            }
            roll.await.unwrap().unwrap();
        }
        producer.check(&host).await;
        let catalog = host.catalog();
        let closed = |state: &ShardState| matches!(state, ShardState::Closed(_));
        assert_eq!(catalog.shards.values().filter(|shard| closed(&shard.state)).count(), 20);
        assert_eq!(live_shards(&host).len(), 1);
    });
}

#[test]
fn buckets_split_and_join_under_resends() {
    let computer = Computer::new();
    let mut producer = Producer::default();
    computer.live(Survival::Synced, async |host| {
        for bits in [1, 0, 2, 1, 0] {
            producer.send_many(&host, 5).await;
            set_bits(&host, bits).await;
            let rolls = live_shards(&host);
            for shard in rolls {
                host.roll(shard).await.unwrap();
                producer.resend(&host).await;
            }
            assert_eq!(live_shards(&host).len(), 1 << bits);
            producer.resend(&host).await;
            producer.check(&host).await;
        }
    });
    computer.live(Survival::Synced, async |host| producer.check(&host).await);
}

/// Asks a host for a vote in a shard's group, in a way that its replica answers with an error.
async fn vote(host: Host, shard: u64) -> ReceiveError {
    let group = GroupId::shard(ShardId(shard));
    let message = PeerMessage::to_node(MessageKind::PreVote, group, Bytes::new());
    host.receive(NodeId(2), message).await.unwrap_err()
}

#[test]
fn a_vote_waits_for_a_replica_that_is_to_start() {
    Computer::new().live(Survival::Synced, async |host| {
        Producer::default().send_many(&host, 1).await;
        let begun = Instant::now();
        let asked = tokio::spawn(vote(host.clone(), 2));
        host.seal_all().await.unwrap();
        assert!(matches!(asked.await.unwrap(), ReceiveError::Codec(_)));
        // Nobody starts it.
        assert!(matches!(vote(host.clone(), 3).await, ReceiveError::NotHere(_)));
        assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
        // It is over.
        let begun = Instant::now();
        assert!(matches!(vote(host.clone(), 1).await, ReceiveError::NotHere(_)));
        assert_eq!(begun.elapsed(), Duration::ZERO);
    });
}

#[test]
fn an_empty_shard_stays() {
    Computer::new().live(Survival::Synced, async |host| {
        host.seal_all().await.unwrap();
        assert_eq!(live_shards(&host), [ShardId(1)]);
        Producer::default().send_many(&host, 1).await;
        host.seal_all().await.unwrap();
        host.seal_all().await.unwrap();
        assert_eq!(live_shards(&host), [ShardId(2)]);
    });
}

#[test]
fn a_window_ends_by_age_without_being_asked() {
    Computer::new().live(Survival::Synced, async |host| {
        let mut settings = host.catalog().settings.clone();
        settings.window_age_ns = 60_000_000_000;
        host.change_settings(settings).await.unwrap();
        let mut producer = Producer::default();
        producer.send_many(&host, 3).await;
        tokio::time::sleep(Duration::from_secs(50)).await;
        assert_eq!(live_shards(&host), [ShardId(1)]);
        tokio::time::sleep(Duration::from_secs(20)).await;
        assert_eq!(live_shards(&host), [ShardId(2)]);
        tokio::time::sleep(Duration::from_secs(120)).await;
        assert_eq!(live_shards(&host), [ShardId(2)], "an empty one is not rolled");
        producer.check(&host).await;
    });
}
