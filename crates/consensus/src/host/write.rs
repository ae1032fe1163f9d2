//! Proposing blocks.

use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, sleep};
use varve_shard::{Command, Outcome, Phase, Rejection, Successor};
use varve_types::{LogIndex, ShardId, limits};

use super::local::Local;
use super::{Host, Inner, lock};
use crate::catalog::ShardState;
use crate::errors::ProposeError;
use crate::group::GroupError;
use crate::raft_types::Reply;

/// How often to look whether a successor has inherited.
const OPEN_POLL: Duration = Duration::from_millis(5);

/// A block that was committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockCommit {
    /// Its place in the shard's log.
    pub index: LogIndex,
    /// What became of each of its parts.
    pub outcome: Outcome,
}

impl Host {
    /// Proposes a block to a shard that this node leads, stamped with the present time, and waits
    /// until a quorum has it and it is applied.
    ///
    /// # Errors
    ///
    /// [`ProposeError::Timeout`] and [`ProposeError::Stopped`] leave open whether the block was
    /// stored: sending it again is safe. All others mean that nothing was stored.
    pub async fn propose_block(
        &self,
        shard: ShardId,
        block: Bytes,
    ) -> Result<BlockCommit, ProposeError> {
        if block.len() > limits::BLOCK_BYTES_MAX {
            return Err(ProposeError::Refused(format!(
                "it has {} bytes, and at most {} fit",
                block.len(),
                limits::BLOCK_BYTES_MAX
            )));
        }
        self.inner().propose_block(shard, block).await
    }
}

impl Inner {
    async fn propose_block(
        &self,
        shard: ShardId,
        block: Bytes,
    ) -> Result<BlockCommit, ProposeError> {
        let limit = self.settings.propose_limit;
        let deadline = Instant::now() + limit;
        let command = Command::Block(block).encode();
        loop {
            self.wait_until_open(shard, deadline).await?;
            if self.is_disk_full() {
                return Err(ProposeError::DiskFull);
            }
            let replica = self.replica(shard).ok_or(ProposeError::NotHere(shard))?;
            let left = deadline.saturating_duration_since(Instant::now());
            let (index, reply) = match replica.group.propose(command.clone(), left).await {
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
                Reply::Shard(Outcome::Rejected(Rejection::Sealed { successors })) => {
                    return Err(ProposeError::Sealed { shard, successors });
                }
                // Its phase was looked at before its log was caught up.
                Reply::Shard(Outcome::Rejected(Rejection::NotOpen)) => {}
                Reply::Shard(Outcome::Rejected(Rejection::Corrupt { what })) => {
                    return Err(ProposeError::Refused(what));
                }
                Reply::Shard(outcome) => return Ok(BlockCommit { index, outcome }),
                Reply::Unreadable(what) => return Err(ProposeError::Refused(what)),
                Reply::Nothing | Reply::Catalog(_) => {
                    unreachable!("BUG: shard {shard} answered a block with {reply:?}")
                }
            }
        }
    }

    fn is_closed(&self, shard: ShardId) -> bool {
        matches!(self.local(shard), Some(Local::Closed(_)))
    }

    /// Encoded bytes that all running shards have in memory.
    fn tail_bytes(&self) -> u64 {
        let shards = lock(&self.shards);
        let running = shards.values().filter_map(Local::running);
        running.map(|replica| replica.home.shard().tail_bytes()).sum()
    }

    /// Waits while a successor has not inherited, since it would reject the block, and while too
    /// much is in memory.
    async fn wait_until_open(&self, shard: ShardId, until: Instant) -> Result<(), ProposeError> {
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
                Some(Local::Refused(_)) | None => return Err(self.elsewhere(shard)),
            };
            let phase = replica.home.shard().phase().clone();
            match phase {
                Phase::Open if self.tail_bytes() <= self.settings.tail_bytes => return Ok(()),
                Phase::Open if Instant::now() >= until => {
                    return Err(ProposeError::Overloaded(shard));
                }
                Phase::Sealed { successors } => {
                    return Err(ProposeError::Sealed { shard, successors });
                }
                Phase::AwaitingInherit if Instant::now() >= until => {
                    return Err(ProposeError::NotOpen(shard));
                }
                Phase::Open | Phase::AwaitingInherit => sleep(OPEN_POLL).await,
            }
        }
    }

    /// Why a shard without a running replica here takes no block from here.
    fn elsewhere(&self, shard: ShardId) -> ProposeError {
        let catalog = self.catalog();
        let Some(entry) = catalog.shards.get(&shard) else { return ProposeError::NotHere(shard) };
        match entry.state {
            ShardState::Sealed | ShardState::Closed(_) => {
                let successor = |id: &ShardId| {
                    let range = catalog.shards.get(id)?.range;
                    Some(Successor { shard: *id, range })
                };
                let successors = entry.successors.iter().filter_map(successor).collect();
                ProposeError::Sealed { shard, successors }
            }
            ShardState::Preparing | ShardState::Open => ProposeError::NotHere(shard),
        }
    }
}
