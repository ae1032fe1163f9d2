//! Following the catalog without a replica of its group: what changed is asked of a member, again
//! and again, and kept on disk so that the next start knows where the others are.
//!
//! A member that hears of no leader for a while asks as well: it may have lost its seat while it
//! was away, and its own group would never tell.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};
use tracing::{debug, warn};
use varve_env::Env;
use varve_types::{LogIndex, NodeId};

use super::{MetadataReply, MetadataRequest};
use crate::catalog::{Catalog, CatalogNews, staying};
use crate::errors::StartError;
use crate::host::Inner;
use crate::host::identity::{read_file, write_file};
use crate::machine::framed;

const MAGIC: [u8; 8] = *b"VARVEWAT";

/// How long a member waits for something new before it says that nothing is.
const NEWS_LIMIT: Duration = Duration::from_secs(5);
/// How long an answer may take.
const ANSWER_LIMIT: Duration = Duration::from_secs(8);
/// How long to wait when nobody answered.
const RETRY: Duration = Duration::from_millis(200);
/// How long a member does without a leader before it asks others.
const LEADERLESS: Duration = Duration::from_secs(5);
/// What is followed is written at most this often.
const SAVE_EVERY: Duration = Duration::from_secs(1);

/// Where the catalog that was followed is kept.
pub(in crate::host) fn path(dir: &Path) -> PathBuf {
    dir.join("catalog").join("watched")
}

/// The catalog that was followed before this start. A damaged one is as good as none: the seeds
/// that the node is given, or its peers, tell it anew.
pub(in crate::host) async fn read(env: &Env, dir: &Path) -> Result<Option<Catalog>, StartError> {
    let shown = path(dir);
    let file = read_file(env, shown.clone()).await?;
    let Some(file) = file else { return Ok(None) };
    let catalog = framed::unframe(MAGIC, &file).map_err(str::to_owned);
    let catalog =
        catalog.and_then(|bytes| Catalog::decode(bytes).map_err(|error| error.to_string()));
    match catalog {
        Ok(catalog) => Ok(Some(catalog)),
        Err(what) => {
            warn!("{} is damaged: {what}; the catalog is fetched anew", shown.display());
            Ok(None)
        }
    }
}

/// Writes the catalog that is followed.
pub(in crate::host) async fn write(
    env: &Env,
    dir: &Path,
    catalog: &Catalog,
) -> Result<(), StartError> {
    write_file(env, path(dir), framed::frame(MAGIC, &catalog.encode())).await
}

/// Follows the catalog for as long as the node runs.
pub(in crate::host) async fn watch_catalog(inner: Arc<Inner>) {
    let mut led_at = Instant::now();
    let mut saved_at = Instant::now();
    loop {
        if let Some(group) = inner.catalog_group() {
            if group.leader().is_some() {
                led_at = Instant::now();
            }
            if led_at.elapsed() < LEADERLESS {
                sleep(LEADERLESS / 5).await;
                continue;
            }
        }
        if !inner.ask_for_news().await {
            sleep(RETRY).await;
        }
        if saved_at.elapsed() >= SAVE_EVERY {
            saved_at = Instant::now();
            if let Err(error) = inner.save_watched().await {
                warn!("{error}");
            }
        }
    }
}

impl Inner {
    /// Writes the catalog that is followed, if it is newer than what was written.
    pub(super) async fn save_watched(&self) -> Result<(), StartError> {
        let mut saved = self.seat.saved.lock().await;
        let catalog = self.catalog();
        if catalog.applied > *saved {
            write(&self.env, &self.dir, &catalog).await?;
            *saved = catalog.applied;
        }
        Ok(())
    }

    /// Asks others what is new. Answers whether anybody answered.
    async fn ask_for_news(&self) -> bool {
        for node in self.news_sources() {
            let request = MetadataRequest::Watch(self.catalog().applied);
            match timeout(ANSWER_LIMIT, self.ask_node(node, request)).await {
                Ok(Ok(MetadataReply::News(news))) => {
                    if let Some(Err(error)) = news.map(|news| self.feed.learn(news)) {
                        warn!("node {node} tells of a catalog that is unknown here: {error}");
                        continue;
                    }
                    self.wake();
                    return true;
                }
                Ok(Ok(reply)) => debug!(%node, ?reply, "no news of the catalog"),
                Ok(Err(why)) => debug!(%node, why, "no news of the catalog"),
                Err(_) => debug!(%node, "no news of the catalog in time"),
            }
        }
        false
    }

    /// Members first; others may know more than a node that was away for long.
    fn news_sources(&self) -> Vec<NodeId> {
        let catalog = self.catalog();
        let members = staying(&catalog.replicas, &catalog.leaving).map(|(_, node)| node);
        let mut nodes: Vec<NodeId> = members.filter(|node| *node != self.node).collect();
        if !nodes.is_empty() {
            // So that those who watch do not all ask the same one.
            let first = self.node.get() % nodes.len() as u64;
            nodes.rotate_left(usize::try_from(first).unwrap_or(0));
        }
        let others = catalog.nodes.keys().filter(|node| **node != self.node);
        let others: Vec<NodeId> = others.filter(|node| !nodes.contains(node)).copied().collect();
        nodes.extend(others);
        nodes
    }

    /// What is new to one who watches, as soon as there is something.
    pub(super) async fn wait_for_news(&self, known: Option<LogIndex>) -> Option<CatalogNews> {
        let mut catalog = self.feed.watch();
        let wait = async {
            loop {
                catalog.borrow_and_update();
                if let Some(news) = self.feed.news(known) {
                    return Some(news);
                }
                if catalog.changed().await.is_err() {
                    return None;
                }
            }
        };
        timeout(NEWS_LIMIT, wait).await.ok().flatten()
    }
}
