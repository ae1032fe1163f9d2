//! Rounds of the write-ahead log: from an append until it is synced to the disk.

use std::sync::Arc;

use bytes::Bytes;
use criterion::{Criterion, Throughput};
use tokio::sync::oneshot;
use varve_env::Env;
use varve_types::{GroupId, LogIndex, ShardId};
use varve_wal::{Wal, WalOptions};

pub(crate) fn sync(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let dir = tempfile::tempdir().expect("a temporary directory");
    let opened = runtime.block_on(async {
        let options = WalOptions::new(Arc::new(|problem| panic!("{problem}")));
        Wal::open(&Env::real(), dir.path(), options).await
    });
    let (wal, _) = opened.expect("opens");
    let log = wal.group(GroupId::shard(ShardId(1)));
    let mut group = criterion.benchmark_group("write-ahead log");
    let mut index = 0;
    for (name, bytes) in [("a round of 256 B", 256), ("a round of 256 KiB", 256 << 10)] {
        let entry = Bytes::from(vec![b'x'; bytes]);
        group.throughput(Throughput::Bytes(bytes as u64));
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                index += 1;
                let (done, synced) = oneshot::channel();
                log.append(vec![(LogIndex(index), entry.clone())], move |outcome| {
                    done.send(outcome).expect("the bench waits");
                });
                runtime.block_on(synced).expect("answers").expect("synced");
                // What was written is freed, or the log would fill the disk.
                if index.is_multiple_of(64) {
                    runtime.block_on(log.purge(LogIndex(index), Bytes::new())).expect("purged");
                }
            });
        });
    }
    group.finish();
}
