//! What a node does once it is up: it makes sure that its catalog is not an old one, and tells the
//! cluster where it is, what it runs, and that it has started.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::sleep;
use tracing::{info, warn};

use super::Inner;
use crate::catalog::CatalogCommand;
use crate::errors::CatalogError;

/// How long to wait before the metadata group is asked again.
const RETRY: Duration = Duration::from_millis(500);
/// How long before an address is offered again that was refused.
const REFUSED_RETRY: Duration = Duration::from_secs(10);

pub(super) async fn introduce(inner: Arc<Inner>) {
    // First of all: those who lead may look for this node where it no longer is, and what they
    // would tell it does not come.
    inner.announce().await;
    while inner.catalog_now().await.is_err() {
        sleep(RETRY).await;
        inner.announce().await;
    }
    inner.catalog_is_fresh.store(true, Ordering::Relaxed);
    inner.wake();
    while !inner.is_announced() {
        sleep(RETRY).await;
        inner.announce().await;
    }
}

impl Inner {
    /// Tells the cluster where this node is, unless the catalog says it already.
    async fn announce(&self) {
        if self.is_announced() {
            return;
        }
        let (id, node, starts) = (self.node, self.card.clone(), self.starts);
        let announcing = CatalogCommand::Announce { id, node, starts };
        match self.change(&announcing).await {
            Ok(_) => info!(address = self.card.address, "the cluster knows where this node is"),
            Err(CatalogError::Refused(why)) => {
                warn!("the cluster does not take what this node says of itself: {why}");
                let known = self.catalog_now().await.ok();
                let known = known.and_then(|known| Some(known.nodes.get(&self.node)?.incarnation));
                if known.is_some_and(|known| !self.starts.continues(known)) {
                    (self.on_fatal)(&why);
                }
                sleep(REFUSED_RETRY).await;
            }
            // Nobody who could take it is there yet.
            Err(_) => {}
        }
    }

    /// Whether the catalog says of this node what is the case.
    fn is_announced(&self) -> bool {
        let catalog = self.catalog();
        // A node that was removed has nothing to say.
        let Some(node) = catalog.nodes.get(&self.node) else { return true };
        let (card, start) = (&self.card, self.starts.this);
        (&node.address, &node.zone, &node.version) == (&card.address, &card.zone, &card.version)
            && (!start.is_said() || start == node.incarnation)
    }
}
