//! Many callers at once, on the machine's own disk and threads.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use varve_env::Env;
use varve_types::{GroupId, LogIndex};
use varve_wal::{Wal, WalOptions};

fn options() -> WalOptions {
    let mut options = WalOptions::new(Arc::new(|message| panic!("fatal: {message}")));
    options.file_bytes = 256 << 10;
    options.reserve_bytes = 64 << 10;
    options.cache_bytes = 64 << 10;
    options
}

fn entry(group: u64, index: u64) -> Bytes {
    let length = 100 + (group * 31 + index * 17) % 2000;
    Bytes::from(vec![(group * 7 + index) as u8; length as usize])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writers_readers_and_purgers_do_not_disturb_each_other() {
    let dir = tempfile::tempdir().unwrap();
    let (wal, _) = Wal::open(&Env::real(), dir.path(), options()).await.unwrap();
    let tasks: Vec<_> = (0..8u64)
        .map(|number| {
            let group = wal.group(GroupId::from_number(number));
            tokio::spawn(async move {
                let synced = Arc::new(AtomicU64::new(0));
                for index in 0..300 {
                    let (sender, receiver) = tokio::sync::oneshot::channel();
                    let count = Arc::clone(&synced);
                    group.append(vec![(LogIndex(index), entry(number, index))], move |outcome| {
                        outcome.unwrap();
                        // In order, always.
                        assert_eq!(count.fetch_add(1, Ordering::SeqCst), index);
                        sender.send(()).unwrap_or_default();
                    });
                    group.save_committed(Bytes::from(index.to_le_bytes().to_vec()));
                    if index % 4 == 0 {
                        receiver.await.unwrap();
                    }
                    let from = index.saturating_sub(60);
                    let range = LogIndex(from)..LogIndex(index + 1);
                    for (index, bytes) in group.read(range, usize::MAX).await.unwrap() {
                        assert_eq!(bytes, entry(number, index.get()));
                    }
                    if index % 50 == 49 {
                        let upto = LogIndex(index - 40);
                        group.purge(upto, Bytes::from("id")).await.unwrap();
                    }
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    wal.shutdown().await.unwrap();
    let (wal, report) = Wal::open(&Env::real(), dir.path(), options()).await.unwrap();
    assert!(report.damages.is_empty() && report.cut.is_none(), "{report:?}");
    for number in 0..8 {
        let group = wal.group(GroupId::from_number(number));
        let state = group.state();
        assert_eq!((state.first, state.last), (Some(LogIndex(260)), Some(LogIndex(299))));
        assert_eq!(state.committed, Some(Bytes::from(299u64.to_le_bytes().to_vec())));
        let entries = group.read(LogIndex(0)..LogIndex(1000), usize::MAX).await.unwrap();
        assert!(entries.iter().all(|(index, bytes)| *bytes == entry(number, index.get())));
    }
}
