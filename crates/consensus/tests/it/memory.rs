//! Tails together stay within the memory that is set aside for them.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use tokio::time::sleep;
use varve_consensus::{Host, NewDisk, NoPeers, ProposeError};
use varve_env::sim::{Action, Fault, SimDisk};

use crate::computer::{options, virtual_time};
use crate::producer::Producer;

const TAIL_BYTES: u64 = 24 << 10;

async fn host(disk: &SimDisk, flush_bytes: u64) -> Host {
    let mut options = options(disk, "a:1", NewDisk::Found, Arc::new(NoPeers)).await;
    options.settings.tail_bytes = TAIL_BYTES;
    options.settings.shard.flush_bytes = flush_bytes;
    Host::start(options).await.unwrap()
}

/// A shard asks to be written out at so many bytes, but all of them together may have fewer.
#[test]
fn the_largest_tail_is_written_out_before_memory_is_full() {
    virtual_time().block_on(async {
        let disk = SimDisk::new();
        let host = host(&disk, 1 << 20).await;
        let mut producer = Producer::default();
        let mut most = 0;
        for _ in 0..300 {
            producer.send_many(&host, 1).await;
            most = most.max(host.stats().tail_bytes);
        }
        assert!(most > TAIL_BYTES / 2 && most <= TAIL_BYTES, "{most} bytes at most");
        assert!(host.stats().flushes.done > 3);
        producer.check(&host).await;
    });
}

#[test]
fn while_nothing_can_be_written_out_blocks_are_refused_and_tails_do_not_grow() {
    virtual_time().block_on(async {
        let disk = SimDisk::new();
        let host = host(&disk, 8 << 10).await;
        // Eight at once, all of whose batches a shard remembers.
        let mut producers: Vec<Producer> = (0..8).map(|at| Producer::after(at * 30)).collect();
        let under = "/data/shards".into();
        disk.inject(Fault { action: Action::Write, under, times: u64::MAX });
        let mut refused = 0;
        for _ in 0..30 {
            let sent = join_all(producers.iter_mut().map(|producer| producer.send_one(&host)));
            for result in sent.await {
                match result {
                    Ok(()) => {}
                    Err(ProposeError::Overloaded(_)) => refused += 1,
                    Err(error) => panic!("{error}"),
                }
            }
            assert!(host.stats().tail_bytes <= TAIL_BYTES, "{:?}", host.stats());
        }
        assert!(refused > 50, "{refused} were refused");
        assert!(host.stats().flushes.failed > 0);
        disk.heal();
        sleep(Duration::from_secs(3)).await;
        for producer in &mut producers {
            producer.resend(&host).await;
        }
        assert!(host.stats().tail_bytes <= TAIL_BYTES);
    });
}
