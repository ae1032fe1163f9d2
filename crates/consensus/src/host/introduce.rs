//! What a node does once it is up: it makes sure that its catalog is not an old one, and tells the
//! cluster where it is and what it runs, if that has changed.

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

pub(super) async fn introduce(inner: Arc<Inner>) {
    while inner.catalog_now().await.is_err() {
        sleep(RETRY).await;
    }
    inner.catalog_is_fresh.store(true, Ordering::Relaxed);
    inner.wake();
    while !inner.is_announced() {
        let announcing = CatalogCommand::Announce { id: inner.node, node: inner.card.clone() };
        match inner.change(&announcing).await {
            Ok(_) => info!(address = inner.card.address, "the cluster knows where this node is"),
            Err(CatalogError::Refused(why)) => {
                warn!("the cluster does not take this node's address: {why}");
                sleep(RETRY * 20).await;
            }
            Err(_) => sleep(RETRY).await,
        }
    }
}

impl Inner {
    /// Whether the catalog says of this node what is the case.
    fn is_announced(&self) -> bool {
        let catalog = self.catalog();
        // A node that was removed has nothing to say.
        let Some(node) = catalog.nodes.get(&self.node) else { return true };
        let card = &self.card;
        (&node.address, &node.zone, &node.version) == (&card.address, &card.zone, &card.version)
    }
}
