//! Proposing blocks to shards that this node leads.

use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, sleep};
use varve_mutants::Mutant;
use varve_shard::{Command, Outcome, Phase, Rejection, Successor};
use varve_types::{LogIndex, ShardId, limits};

use super::local::Local;
use super::proposal::Proposed;
use super::{Inner, lock};
use crate::catalog::ShardState;
use crate::errors::ProposeError;
use crate::group::GroupError;
use crate::raft_types::Reply;
use crate::upkeep::Promise;

/// How often to look whether a successor has inherited.
const OPEN_POLL: Duration = Duration::from_millis(2);
/// How long a block waits for room in memory before it is refused: the client's own backing off
/// then helps more than another one waiting here.
const OVERLOAD_LIMIT: Duration = Duration::from_secs(2);

/// A block that was committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockCommit {
    /// Its place in the shard's log.
    pub index: LogIndex,
    /// What became of each of its parts.
    pub outcome: Outcome,
}

impl Inner {
    /// Proposes a block here, stamped with the present time, if this node leads the shard.
    pub(super) async fn propose_here(
        &self,
        shard: ShardId,
        block: Bytes,
        deadline: Instant,
    ) -> Proposed {
        let block_bytes = block.len();
        if block_bytes > limits::BLOCK_BYTES_MAX {
            return Err(ProposeError::Refused(format!(
                "it has {block_bytes} bytes, and at most {} fit",
                limits::BLOCK_BYTES_MAX
            )));
        }
        let limit = self.settings.propose_limit;
        let command = Command::Block(block).encode();
        loop {
            self.upkeep.activity.note();
            let promise = self.wait_until_open(shard, block_bytes as u64, deadline).await?;
            if self.is_disk_full() {
                return Err(ProposeError::DiskFull);
            }
            let replica = self.replica(shard).ok_or(ProposeError::NotHere(shard))?;
            let left = deadline.saturating_duration_since(Instant::now());
            let proposed = replica.group.propose(command.clone(), left).await;
            // What was stored is in a tail by now.
            drop(promise);
            if self.upkeep.tails.wants_relief() {
                self.relieve_tails();
            }
            let (index, reply) = match proposed {
                Ok(proposed) => proposed,
                Err(GroupError::NotLeader(leader)) => {
                    return Err(ProposeError::NotLeader { shard, leader });
                }
                Err(GroupError::Timeout(_)) => return Err(ProposeError::Timeout { shard, limit }),
                // A group ends when its shard is closed: then its successors are named.
                Err(GroupError::Stopped(_)) if self.is_closed(shard) => continue,
                Err(GroupError::Stopped(why)) => return Err(ProposeError::Stopped { shard, why }),
            };
            match reply {
                // Its phase was looked at before its log was caught up.
                Reply::Shard(Outcome::Rejected(Rejection::NotOpen)) => {}
                reply => return committed(shard, index, reply),
            }
        }
    }

    fn is_closed(&self, shard: ShardId) -> bool {
        matches!(self.local(shard), Some(Local::Closed(_)))
    }

    /// Has the largest tail written out.
    pub(super) fn relieve_tails(&self) {
        let running: Vec<_> = lock(&self.shards).values().filter_map(Local::running).collect();
        let largest = running.iter().max_by_key(|replica| replica.home.shard().tail_bytes());
        if let Some(replica) = largest {
            replica.home.ask_relief();
        }
    }

    /// Waits while a successor has not inherited, since it would reject the block, and a moment
    /// while too much is in memory. Answers room in memory for the block.
    async fn wait_until_open(
        &self,
        shard: ShardId,
        block_bytes: u64,
        until: Instant,
    ) -> Result<Promise, ProposeError> {
        let patience = until.min(Instant::now() + OVERLOAD_LIMIT);
        loop {
            let replica = match self.local(shard) {
                Some(Local::Running(replica)) => replica,
                Some(Local::Closed(home)) => {
                    let successors = match home.shard().phase() {
                        Phase::Sealed { successors } => successors.clone(),
                        Phase::AwaitingInherit | Phase::Open => Vec::new(),
                    };
                    return Err(ProposeError::Sealed { shard, successors });
                }
                Some(Local::Refused(_)) | None => {
                    return Err(self.sealed(shard).unwrap_or(ProposeError::NotHere(shard)));
                }
            };
            if !replica.group.leads() {
                let leader = replica.group.leader().filter(|leader| *leader != self.node);
                return Err(ProposeError::NotLeader { shard, leader });
            }
            let phase = replica.home.shard().phase().clone();
            match phase {
                Phase::Sealed { successors } if !Mutant::SealWithoutFence.is_planted() => {
                    return Err(ProposeError::Sealed { shard, successors });
                }
                Phase::Open | Phase::Sealed { .. } => {
                    if let Some(promise) = self.upkeep.tails.promise(block_bytes) {
                        return Ok(promise);
                    }
                    self.relieve_tails();
                    if Instant::now() >= patience {
                        return Err(ProposeError::Overloaded(shard));
                    }
                    sleep(OPEN_POLL).await;
                }
                Phase::AwaitingInherit if Instant::now() >= until => {
                    return Err(ProposeError::NotOpen(shard));
                }
                Phase::AwaitingInherit => sleep(OPEN_POLL).await,
            }
        }
    }

    /// That a shard takes no more blocks, with its successors, if the catalog says so.
    pub(super) fn sealed(&self, shard: ShardId) -> Option<ProposeError> {
        let catalog = self.catalog();
        let entry = catalog.shards.get(&shard)?;
        match entry.state {
            ShardState::Sealed | ShardState::Closed(_) => {
                let successor = |id: &ShardId| {
                    let range = catalog.shards.get(id)?.range;
                    Some(Successor { shard: *id, range })
                };
                let successors = entry.successors.iter().filter_map(successor).collect();
                Some(ProposeError::Sealed { shard, successors })
            }
            ShardState::Preparing | ShardState::Open => None,
        }
    }
}

/// What a block's entry came to.
fn committed(shard: ShardId, index: LogIndex, reply: Reply) -> Proposed {
    match reply {
        Reply::Shard(Outcome::Rejected(Rejection::Sealed { successors })) => {
            Err(ProposeError::Sealed { shard, successors })
        }
        Reply::Shard(Outcome::Rejected(Rejection::Corrupt { what })) | Reply::Unreadable(what) => {
            Err(ProposeError::Refused(what))
        }
        Reply::Shard(outcome) => Ok(BlockCommit { index, outcome }),
        Reply::Nothing | Reply::Catalog(_) => {
            unreachable!("BUG: shard {shard} answered a block with {reply:?}")
        }
    }
}
