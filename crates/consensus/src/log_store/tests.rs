//! openraft's own suite for stores, over the real log on a simulated disk.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use openraft::StorageError;
use openraft::testing::log::{StoreBuilder, Suite};
use varve_env::sim::SimDisk;
use varve_env::{Blocking, Env, Random};
use varve_types::GroupId;
use varve_wal::{Wal, WalOptions};

use super::LogStore;
use crate::catalog::{Catalog, CatalogFeed};
use crate::machine::{CatalogMachine, Machine};
use crate::raft_types::Types;
use crate::runtime::Runtime;

pub(crate) struct Builder;

impl StoreBuilder<Types, LogStore, Machine, Wal> for Builder {
    async fn build(&self) -> Result<(Wal, LogStore, Machine), StorageError<Types>> {
        let mut env = Env::real();
        env.disk = SimDisk::new().mount();
        env.blocking = Blocking::inline(|| std::time::Duration::ZERO, Random::seeded(1));
        let mut options = WalOptions::new(Arc::new(|message| panic!("{message}")));
        options.file_bytes = 1 << 20;
        options.reserve_bytes = 1 << 16;
        let (wal, _) = Wal::open(&env, Path::new("/wal"), options).await.unwrap();
        let log = LogStore::new(wal.group(GroupId::CATALOG));
        let feed = Arc::new(CatalogFeed::new(Catalog::default()));
        let machine = CatalogMachine::open(&env, PathBuf::from("/catalog"), feed).await.unwrap();
        Ok((wal, log, Machine::Catalog(Box::new(machine))))
    }
}

#[test]
fn passes_the_suite_of_openraft() {
    use openraft_rt::AsyncRuntime as _;
    Runtime::run(Suite::test_all(Builder)).unwrap();
}
