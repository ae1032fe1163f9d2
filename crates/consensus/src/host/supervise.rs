//! The one task that looks after a node's groups, and, where the catalog is led, drives the
//! cluster.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::sleep;
use tracing::{info, warn};
use varve_types::{GroupId, LogIndex};

use super::Inner;
use crate::catalog::{Catalog, ShardState};
use crate::driver;

/// How often to look while a rollover is on its way.
const BUSY_TICK: Duration = Duration::from_millis(10);

/// So many changes of the catalog are applied again at a start, about.
const CATALOG_SAVE_ENTRIES: u64 = 256;

pub(super) async fn supervise(inner: Arc<Inner>) {
    let mut catalog = inner.feed.watch();
    let mut led = false;
    loop {
        inner.follow_seat().await;
        inner.follow_members();
        inner.reconcile().await;
        inner.measure_disk().await;
        let leads = inner.leads_catalog();
        if leads && !led {
            inner.liveness.forget();
        }
        led = leads;
        let progressed = leads && driver::drive(&inner).await;
        if let Some(why) = inner.must_not_go_on() {
            (inner.on_fatal)(&why);
            return;
        }
        if progressed {
            continue;
        }
        inner.release_log().await;
        let rolling = is_rolling(&inner.catalog()) || !inner.requested().is_empty();
        let wait = if rolling { BUSY_TICK.min(inner.settings.tick) } else { inner.settings.tick };
        tokio::select! {
            changed = catalog.changed() => {
                if changed.is_err() {
                    return;
                }
            }
            () = inner.wake.notified() => {}
            () = sleep(wait) => {}
        }
    }
}

impl Inner {
    /// Why this node must stop, when it must.
    fn must_not_go_on(&self) -> Option<String> {
        if let Some(why) = self.catalog_group().and_then(|group| group.stopped()) {
            return Some(format!("the catalog's group stopped: {why}; restart the node"));
        }
        let catalog = self.catalog();
        let is_removed = catalog.cluster.is_some() && !catalog.nodes.contains_key(&self.node);
        is_removed.then(|| {
            format!(
                "node {} was removed from the cluster; to use this machine again, move {} away and \
                 start with --join",
                self.node,
                self.dir.display()
            )
        })
    }

    /// Finds out whether blocks may still be taken.
    async fn measure_disk(&self) {
        let (disk, dir) = (Arc::clone(&self.env.disk), self.dir.clone());
        match self.env.blocking.run(move || disk.free_bytes(&dir)).await {
            Ok(free) => {
                let low = free < self.settings.free_bytes_min;
                let was_low = self.disk_is_low.swap(low, Ordering::Relaxed);
                let (dir, keep) = (self.dir.display(), self.settings.free_bytes_min);
                if low && !was_low {
                    warn!(
                        "{free} bytes are free on the disk of {dir}, and {keep} are kept: blocks are refused until there is room, reads go on"
                    );
                } else if was_low && !low {
                    info!("{free} bytes are free on the disk of {dir}: blocks are taken again");
                }
            }
            Err(error) => warn!("the room on {} is unknown: {error}", self.dir.display()),
        }
    }

    /// Makes groups durable outside of the log, so that it can be purged: the catalog every so
    /// many changes, and whoever keeps the log from being freed.
    async fn release_log(&self) {
        let pin = self.wal.pinning().filter(|pin| pin.held_bytes >= self.settings.log_bytes);
        let seat = self.catalog_group();
        let saved = seat.as_ref().and_then(|group| group.snapshot_index());
        let applied = self.catalog().applied;
        let number = |index: Option<LogIndex>| index.map_or(0, LogIndex::get);
        let unsaved = number(applied).saturating_sub(number(saved));
        let pins = |group: GroupId| pin.is_some_and(|pin| pin.group == group);
        if let Some(group) = seat
            && (unsaved >= CATALOG_SAVE_ENTRIES || pins(GroupId::CATALOG))
        {
            // A stopped group is noticed at the next look.
            let _ = group.raft.trigger().snapshot().await;
        }
        let shard = pin.and_then(|pin| pin.group.as_shard());
        if let Some(replica) = shard.and_then(|shard| self.replica(shard)) {
            replica.home.ask_flush();
        }
    }
}

fn is_rolling(catalog: &Catalog) -> bool {
    catalog.shards.values().any(|shard| match shard.state {
        ShardState::Preparing | ShardState::Sealed => true,
        ShardState::Open => !shard.successors.is_empty(),
        ShardState::Closed(_) => false,
    })
}
