//! Writing the tail of one shard out, whenever that is due.
//!
//! Where the tail is cut the log alone says, so all replicas write the same pieces. The leader
//! builds the segments of each; the others take them from it, which costs a small part of building
//! them. Who cannot in time builds them itself: nobody depends on anybody for long.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};
use tracing::{debug, warn};
use varve_env::Blocking;
use varve_shard::{Borrowed, Gap, Manifest};
use varve_types::{NodeId, ShardId};

use super::files::{CopyError, Lender};
use crate::group::{Raft, leader_of};
use crate::machine::{FileCard, Loan, ShardHome};
use crate::network::{FilesRefusal, PeerTransport};
use crate::upkeep::Pace;

/// How long to wait after a flush that failed.
const RETRY: Duration = Duration::from_secs(1);
/// How long the leader may take until its segments are here.
const LOAN_LIMIT: Duration = Duration::from_secs(3);
/// How long segments are built here after the leader's did not come.
const ALONE: Duration = Duration::from_secs(10);
/// How often the leader is asked whether it is done.
const ASK_AGAIN: Duration = Duration::from_millis(100);

/// What writes out one shard.
pub(super) struct Flusher {
    pub(super) shard: ShardId,
    pub(super) home: Arc<ShardHome>,
    pub(super) raft: Raft,
    /// This node.
    pub(super) node: NodeId,
    pub(super) blocking: Blocking,
    pub(super) transport: Arc<dyn PeerTransport>,
    /// How fast segments may come.
    pub(super) pace: Arc<Pace>,
}

impl Flusher {
    /// Writes the tail out whenever that is due, and lets the log be purged up to there.
    pub(super) async fn run(self) {
        let mut alone_until = Instant::now();
        loop {
            self.home.flush_due().await;
            loop {
                let loan = self.borrow(&mut alone_until).await;
                let flushed = self.home.flush_if_due(loan).await;
                self.forget_borrowed().await;
                match flushed {
                    // A stopped group has nothing to purge any more.
                    Ok(true) => drop(self.raft.trigger().snapshot().await),
                    Ok(false) => break,
                    Err(error) => {
                        warn!("{error}; it is tried again");
                        sleep(RETRY).await;
                    }
                }
            }
        }
    }

    /// The leader's segments of what is to be written next, if there is a leader elsewhere that has
    /// them.
    async fn borrow(&self, alone_until: &mut Instant) -> Option<Loan> {
        if Instant::now() < *alone_until {
            return None;
        }
        let gap = self.home.shard().next_gap()?;
        let leader = leader_of(&self.raft).filter(|leader| *leader != self.node)?;
        let why = match timeout(LOAN_LIMIT, self.fetch(leader, &gap)).await {
            Ok(Ok(segments)) => return Some(Loan { gap, segments }),
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("it took longer than {LOAN_LIMIT:?}"),
        };
        debug!(shard = self.shard.get(), leader = leader.get(), "segments are built here: {why}");
        *alone_until = Instant::now() + ALONE;
        None
    }

    /// What came and was not taken.
    async fn forget_borrowed(&self) {
        let borrowed = self.home.copies().borrowed();
        // What cannot be removed now is at the next start.
        let _ = self.blocking.run(move || borrowed.clear()).await;
    }

    async fn fetch(&self, leader: NodeId, gap: &Gap) -> Result<Vec<Borrowed>, CopyError> {
        let lender = Lender {
            transport: &*self.transport,
            blocking: &self.blocking,
            pace: &self.pace,
            shard: self.shard,
            node: leader,
        };
        let manifest = loop {
            match lender.listing().await {
                Ok(listing) => {
                    let manifest = Manifest::decode(&listing.manifest);
                    let manifest = manifest.map_err(|e| CopyError::Nonsense(e.to_string()))?;
                    if manifest.applied.as_ref().is_some_and(|it| it.index >= gap.to()) {
                        break manifest;
                    }
                }
                // It has not written anything yet.
                Err(CopyError::Refused(FilesRefusal::NotHere(_))) => {}
                Err(error) => return Err(error),
            }
            sleep(ASK_AGAIN).await;
        };
        let metas = gap.find_in(&manifest).ok_or(CopyError::OtherCuts)?;
        let incoming = self.home.copies().borrowed();
        let mut segments = Vec::with_capacity(metas.len());
        for meta in metas {
            let card = FileCard { name: meta.name.clone(), bytes: meta.bytes, hash: meta.hash };
            lender.fetch(&incoming, &card, 0, |_| ()).await?;
            segments.push(Borrowed { path: incoming.path(&card), meta });
        }
        Ok(segments)
    }
}
