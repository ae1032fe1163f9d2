//! The one task that looks after a node's groups, and, where the catalog is led, drives
//! rollovers.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use super::Inner;
use crate::catalog::{Catalog, ShardState};
use crate::rollover;

/// How often to look while a rollover is on its way.
const BUSY_TICK: Duration = Duration::from_millis(10);

pub(super) async fn supervise(inner: Arc<Inner>) {
    let mut catalog = inner.catalog.clone();
    loop {
        inner.reconcile().await;
        let progressed = inner.catalog_group.leads() && rollover::drive(&inner).await;
        if let Some(why) = inner.catalog_group.stopped() {
            (inner.on_fatal)(&format!("the catalog's group stopped: {why}; restart the node"));
            return;
        }
        if progressed {
            continue;
        }
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

fn is_rolling(catalog: &Catalog) -> bool {
    catalog.shards.values().any(|shard| match shard.state {
        ShardState::Preparing | ShardState::Sealed => true,
        ShardState::Open => !shard.successors.is_empty(),
        ShardState::Closed(_) => false,
    })
}
