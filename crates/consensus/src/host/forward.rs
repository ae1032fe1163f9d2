//! Finding the node that leads a shard, and handing it a block.
//!
//! A block may be offered again and again, also where nobody knows what became of it: its parts
//! carry the keys of their batches, so that what was stored is found and not stored twice.

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, sleep, timeout_at};
use varve_types::{GroupId, NodeId, ShardId};

use super::proposal::{self, Proposed};
use super::{Host, Inner};
use crate::errors::ProposeError;
use crate::network::{MessageKind, PeerMessage};

/// How long to wait after all replicas were asked in vain: an election takes longer than that.
const ROUND_PAUSE: Duration = Duration::from_millis(50);
/// How often to look whether another than the one that was asked has come to lead.
const LEADER_POLL: Duration = Duration::from_millis(100);
/// How long a node is waited for when no replica here would tell that another leads.
const BLIND_LIMIT: Duration = Duration::from_secs(5);

impl Host {
    /// Proposes a block to a shard, wherever that is led, and waits until a quorum has it and it
    /// is applied. The leader stamps it with the time there.
    ///
    /// # Errors
    ///
    /// [`ProposeError::Timeout`] and [`ProposeError::Stopped`] leave open whether the block was
    /// stored: sending it again is safe. All others mean that nothing was stored.
    pub async fn propose_block(&self, shard: ShardId, block: Bytes) -> Proposed {
        self.inner().propose_block(shard, block).await
    }
}

/// What came of asking one node.
enum Asked {
    /// It is the last word.
    Done(Proposed),
    /// It does not lead; who does, as far as it knows.
    Elsewhere(Option<NodeId>),
    /// Whether it stored the block is unknown.
    Unknown,
}

impl Inner {
    async fn propose_block(&self, shard: ShardId, block: Bytes) -> Proposed {
        let limit = self.settings.propose_limit;
        let deadline = Instant::now() + limit;
        let (mut asked, mut hint, mut may_be_stored) = (BTreeSet::new(), None, false);
        loop {
            if let Some(sealed) = self.sealed(shard) {
                return Err(sealed);
            }
            let Some(node) = self.promising(shard, hint.take(), &asked) else {
                if asked.is_empty() {
                    return Err(ProposeError::NotHere(shard));
                }
                asked.clear();
                if timeout_at(deadline, sleep(ROUND_PAUSE)).await.is_ok() {
                    continue;
                }
                return Err(if may_be_stored {
                    ProposeError::Timeout { shard, limit }
                } else {
                    ProposeError::NotLeader { shard, leader: None }
                });
            };
            asked.insert(node);
            let answer = if node == self.node {
                understood(self.propose_here(shard, block.clone(), deadline).await)
            } else {
                self.ask_to_propose(node, shard, &block, deadline).await
            };
            match answer {
                // It does say that this offer was not stored; an earlier one may be.
                Asked::Done(Err(error)) if may_be_stored && is_about_room(&error) => {
                    return Err(ProposeError::Timeout { shard, limit });
                }
                Asked::Done(proposed) => return proposed,
                Asked::Elsewhere(leader) => hint = leader,
                Asked::Unknown => may_be_stored = true,
            }
        }
    }

    /// The node to ask next: whoever is said to lead, or else a replica that was not asked yet.
    fn promising(
        &self,
        shard: ShardId,
        hint: Option<NodeId>,
        asked: &BTreeSet<NodeId>,
    ) -> Option<NodeId> {
        let catalog = self.catalog();
        let entry = catalog.shards.get(&shard);
        let known = hint.or_else(|| self.replica(shard)?.group.leader());
        let replicas = entry.into_iter().flat_map(|entry| entry.replicas.values().copied());
        known.into_iter().chain(replicas).find(|node| !asked.contains(node))
    }

    async fn ask_to_propose(
        &self,
        node: NodeId,
        shard: ShardId,
        block: &Bytes,
        deadline: Instant,
    ) -> Asked {
        let message =
            PeerMessage::to_node(MessageKind::Propose, GroupId::shard(shard), block.clone());
        let sent = tokio::select! {
            sent = self.transport.send(node, message) => sent,
            () = self.led_by_another(shard, node) => return Asked::Unknown,
            () = tokio::time::sleep_until(deadline) => return Asked::Unknown,
        };
        let limit = self.settings.propose_limit;
        match sent.map(|reply| proposal::decode(reply, shard, limit)) {
            Ok(Ok(proposed)) => understood(proposed),
            Ok(Err(_)) | Err(_) => Asked::Unknown,
        }
    }

    /// Resolves when it is no use to wait for a node any longer: another leads the shard now.
    async fn led_by_another(&self, shard: ShardId, node: NodeId) {
        let leader = || self.replica(shard).and_then(|replica| replica.group.leader());
        let (known, begun) = (leader(), Instant::now());
        loop {
            sleep(LEADER_POLL).await;
            match leader() {
                Some(leader) if leader == node => {}
                // The replica here may be the last to hear that the node leads.
                now if now == known || now.is_none() => {
                    if begun.elapsed() >= BLIND_LIMIT {
                        return;
                    }
                }
                Some(_) | None => return,
            }
        }
    }

    /// Answers a peer that was told that this node leads a shard.
    pub(super) async fn answer_proposal(&self, shard: ShardId, block: Bytes) -> Bytes {
        let deadline = Instant::now() + self.settings.propose_limit;
        proposal::encode(&self.propose_here(shard, block, deadline).await)
    }
}

/// Whether a block was refused for what holds at one moment, and not for what it is.
const fn is_about_room(error: &ProposeError) -> bool {
    matches!(error, ProposeError::Overloaded(_) | ProposeError::DiskFull | ProposeError::NotOpen(_))
}

fn understood(proposed: Proposed) -> Asked {
    match proposed {
        Err(ProposeError::NotLeader { leader, .. }) => Asked::Elsewhere(leader),
        Err(ProposeError::NotHere(_)) => Asked::Elsewhere(None),
        Err(ProposeError::Timeout { .. } | ProposeError::Stopped { .. }) => Asked::Unknown,
        proposed => Asked::Done(proposed),
    }
}
