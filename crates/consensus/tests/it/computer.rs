//! A computer with a disk, on which a host lives again and again.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use varve_consensus::{
    Host, HostOptions, HostSettings, NewDisk, NoPeers, PeerTransport, StartError,
};
use varve_env::sim::{SimClock, SimDisk, Survival};
use varve_env::{Blocking, Env, Network, Random};
use varve_shard::ShardOptions;
use varve_wal::{Wal, WalOptions};

/// One computer. Its disk outlives its lives.
pub(crate) struct Computer {
    pub(crate) disk: SimDisk,
}

/// A runtime in which time passes only when everybody waits.
pub(crate) fn virtual_time() -> Runtime {
    varve_consensus::seed_this_thread(1);
    Builder::new_current_thread().enable_all().start_paused(true).build().unwrap()
}

pub(crate) fn env(disk: &SimDisk) -> Env {
    Env {
        disk: disk.mount(),
        network: Network::turmoil(),
        random: Random::seeded(1),
        blocking: Blocking::inline(|| Duration::from_micros(50), Random::seeded(2)),
        clock: SimClock::new().clock(),
    }
}

/// Small files and an early flush, so that little work passes through everything.
pub(crate) fn settings() -> HostSettings {
    HostSettings {
        shard: ShardOptions { flush_bytes: 16 << 10, ..ShardOptions::default() },
        log_bytes: 2 << 20,
        free_bytes_min: 4 << 20,
        ..HostSettings::default()
    }
}

pub(crate) async fn options(
    disk: &SimDisk,
    address: &str,
    new_disk: NewDisk,
    transport: Arc<dyn PeerTransport>,
) -> HostOptions {
    let env = env(disk);
    // A log that fails ends the process in production; here its groups stop, and the test sees.
    let mut wal = WalOptions::new(Arc::new(|_| {}));
    wal.file_bytes = 1 << 20;
    wal.reserve_bytes = 1 << 16;
    let (wal, report) = Wal::open(&env, Path::new("/data/wal"), wal).await.unwrap();
    HostOptions {
        env,
        dir: PathBuf::from("/data"),
        wal,
        groups_may_be_missing: report.groups_may_be_missing,
        address: address.to_owned(),
        zone: String::new(),
        version: String::new(),
        log_is_new: report.files == 0,
        new_disk,
        transport,
        settings: settings(),
        on_fatal: Arc::new(|_| {}),
    }
}

impl Computer {
    pub(crate) fn new() -> Self {
        Self { disk: SimDisk::new() }
    }

    /// Runs a host until `life` returns, then crashes.
    pub(crate) fn live<T>(&self, death: Survival, life: impl AsyncFnOnce(Host) -> T) -> T {
        self.try_live(death, life).unwrap()
    }

    /// The same, where the host may not even start.
    pub(crate) fn try_live<T>(
        &self,
        death: Survival,
        life: impl AsyncFnOnce(Host) -> T,
    ) -> Result<T, StartError> {
        let runtime = virtual_time();
        let lived = runtime.block_on(async {
            let options = options(&self.disk, "a:1", NewDisk::Found, Arc::new(NoPeers)).await;
            let host = Host::start(options).await?;
            Ok(life(host).await)
        });
        self.disk.crash(death);
        drop(runtime);
        lived
    }
}
