//! The catalog as this node knows it, and the changes that led to it lately: what the node reads,
//! and what it tells those that watch it.
//!
//! Members of the metadata group feed it from their log, all others from what a member tells. It
//! never goes back.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::watch;
use varve_types::{LogIndex, TimestampNs};

use super::{Catalog, CatalogCommand};
use crate::codec::{CodecError, Reader, Writer};

/// So many changes are kept for those that watch. Who is further behind is sent the catalog whole.
const CHANGES_MAX: usize = 1024;

const VERSION: u8 = 1;

/// The catalog, and the way to it.
pub(crate) struct CatalogFeed {
    publish: watch::Sender<Arc<Catalog>>,
    recent: Mutex<Recent>,
}

/// Every change after one index.
struct Recent {
    after: Option<LogIndex>,
    changes: VecDeque<Change>,
}

/// One command, as it was applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) index: LogIndex,
    pub(crate) stamp: TimestampNs,
    pub(crate) command: Bytes,
}

/// What somebody does not know yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum CatalogNews {
    /// These changes.
    Changes(Vec<Change>),
    /// The whole catalog.
    Whole(Bytes),
}

impl CatalogFeed {
    pub(crate) fn new(catalog: Catalog) -> Self {
        let recent = Recent { after: catalog.applied, changes: VecDeque::new() };
        let (publish, _) = watch::channel(Arc::new(catalog));
        Self { publish, recent: Mutex::new(recent) }
    }

    pub(crate) fn latest(&self) -> Arc<Catalog> {
        Arc::clone(&self.publish.borrow())
    }

    pub(crate) fn watch(&self) -> watch::Receiver<Arc<Catalog>> {
        self.publish.subscribe()
    }

    fn recent(&self) -> MutexGuard<'_, Recent> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the catalog as one change left it.
    pub(crate) fn push(&self, catalog: &Catalog, change: Change) {
        let mut recent = self.recent();
        if catalog.applied <= self.latest().applied {
            return;
        }
        recent.changes.push_back(change);
        if recent.changes.len() > CHANGES_MAX {
            recent.after = recent.changes.pop_front().map(|change| change.index);
        }
        self.publish.send_replace(Arc::new(catalog.clone()));
    }

    /// Takes a catalog that came whole, unless what is known is newer.
    pub(crate) fn replace(&self, catalog: &Catalog) {
        let mut recent = self.recent();
        if catalog.applied <= self.latest().applied {
            return;
        }
        *recent = Recent { after: catalog.applied, changes: VecDeque::new() };
        self.publish.send_replace(Arc::new(catalog.clone()));
    }

    /// What is new to one who knows all up to `known`; `None` when nothing is.
    pub(crate) fn news(&self, known: Option<LogIndex>) -> Option<CatalogNews> {
        let recent = self.recent();
        let latest = self.latest();
        if latest.applied <= known {
            return None;
        }
        if known < recent.after {
            return Some(CatalogNews::Whole(latest.encode()));
        }
        let new = recent.changes.iter().filter(|change| Some(change.index) > known);
        Some(CatalogNews::Changes(new.cloned().collect()))
    }

    /// Takes what a member told.
    ///
    /// # Errors
    ///
    /// When it is no catalog or no change that this version knows; what was before it counts.
    pub(crate) fn learn(&self, news: CatalogNews) -> Result<(), CodecError> {
        match news {
            CatalogNews::Whole(bytes) => self.replace(&Catalog::decode(bytes)?),
            CatalogNews::Changes(changes) => {
                let mut catalog = Catalog::clone(&self.latest());
                for change in changes {
                    if Some(change.index) <= catalog.applied {
                        continue;
                    }
                    let command = CatalogCommand::decode(change.command.clone())?;
                    // What it answered then was for whoever asked.
                    let _ = catalog.apply(change.index, change.stamp, &command);
                    self.push(&catalog, change);
                }
            }
        }
        Ok(())
    }
}

impl CatalogNews {
    pub(crate) fn encode(&self) -> Bytes {
        let mut writer = Writer::new(VERSION);
        match self {
            Self::Changes(changes) => {
                writer.u8(1);
                writer.list(changes, |writer, change| {
                    writer.u64(change.index.get());
                    writer.i64(change.stamp.get());
                    writer.bytes(&change.command);
                });
            }
            Self::Whole(catalog) => {
                writer.u8(2);
                writer.bytes(catalog);
            }
        }
        writer.finish()
    }

    pub(crate) fn decode(bytes: Bytes) -> Result<Self, CodecError> {
        let mut reader = Reader::new("catalog news", VERSION, bytes)?;
        let news = match reader.u8()? {
            1 => Self::Changes(reader.list(|reader| {
                Ok(Change {
                    index: LogIndex(reader.u64()?),
                    stamp: TimestampNs(reader.i64()?),
                    command: reader.bytes()?,
                })
            })?),
            2 => Self::Whole(reader.bytes()?),
            _ => return Err(reader.impossible("kind")),
        };
        reader.end()?;
        Ok(news)
    }
}

#[cfg(test)]
mod tests {
    use varve_types::NodeId;

    use super::*;
    use crate::catalog::NodeCard;

    fn change(index: u64) -> Change {
        let (node, lost) = (NodeId(1), index.is_multiple_of(2));
        let command = CatalogCommand::SetLost { node, lost }.encode();
        Change { index: LogIndex(index), stamp: TimestampNs(0), command }
    }

    fn apply(catalog: &mut Catalog, change: &Change) {
        let command = CatalogCommand::decode(change.command.clone()).unwrap();
        let _ = catalog.apply(change.index, change.stamp, &command);
    }

    #[test]
    fn one_who_watches_comes_to_the_same_catalog_however_far_behind() {
        let mut catalog = Catalog::default();
        let founding = CatalogCommand::Found {
            cluster: crate::catalog::ClusterId(1),
            node: NodeCard { address: "n1:1".to_owned(), ..NodeCard::default() },
            bits: 0,
        };
        let _ = catalog.apply(LogIndex(1), TimestampNs(0), &founding);
        let feed = CatalogFeed::new(catalog.clone());
        let (near, far) = (CatalogFeed::new(catalog.clone()), CatalogFeed::new(Catalog::default()));
        for index in 2..(CHANGES_MAX as u64 + 500) {
            let change = change(index);
            apply(&mut catalog, &change);
            feed.push(&catalog, change);
            if index.is_multiple_of(100) {
                let news = feed.news(near.latest().applied).unwrap();
                assert!(matches!(news, CatalogNews::Changes(_)));
                assert_eq!(CatalogNews::decode(news.encode()), Ok(news.clone()));
                near.learn(news).unwrap();
                assert_eq!(near.latest(), feed.latest());
            }
        }
        let news = feed.news(far.latest().applied).unwrap();
        assert!(matches!(news, CatalogNews::Whole(_)));
        far.learn(CatalogNews::decode(news.encode()).unwrap()).unwrap();
        assert_eq!(far.latest(), feed.latest());
        assert_eq!(feed.news(far.latest().applied), None);
        // What is older than what is known changes nothing.
        feed.learn(CatalogNews::Whole(near.latest().encode())).unwrap();
        assert_eq!(far.latest(), feed.latest());
    }
}
