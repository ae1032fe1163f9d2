//! One running Raft: proposing with the retries that are safe, and rounds of read indexes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt;
use openraft::async_runtime::WatchReceiver;
use openraft::errors::{ClientWriteError, ForwardToLeader, LinearizableReadError, RaftError};
use openraft::{ChangeMembers, Config, ReadPolicy, SnapshotPolicy};
use tokio::time::{Instant, sleep, timeout_at};
use varve_env::Clock;
use varve_mutants::Mutant;
use varve_types::{GroupId, LogIndex, NodeId, ReplicaId};

use crate::log_store::LogStore;
use crate::machine::Machine;
use crate::network::Links;
use crate::raft_types::{LogId, Payload, Place, Reply, Types};

pub(crate) type Raft = openraft::Raft<Types, Machine>;

/// How long to wait before asking a leader again that is not ready to lead yet.
const RETRY: Duration = Duration::from_millis(3);

/// A follower with all but so many entries may vote: it holds up no commit for long.
const CAUGHT_UP_ENTRIES: u64 = 64;

/// A running replica of a group.
pub(crate) struct Group {
    pub(crate) id: GroupId,
    pub(crate) replica: ReplicaId,
    pub(crate) raft: Raft,
    clock: Clock,
    rounds_begun: AtomicU64,
    last_round: tokio::sync::Mutex<(u64, Result<Option<LogIndex>, GroupError>)>,
}

/// Why a group did not do what it was asked.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum GroupError {
    #[error("another node leads")]
    NotLeader(Option<NodeId>),
    #[error("no answer within {0:?}")]
    Timeout(Duration),
    #[error("{0}")]
    Stopped(String),
}

/// The timing of all groups. The limit of one replication message is the heartbeat's interval.
fn config() -> Result<Arc<Config>, String> {
    let config = Config {
        cluster_name: "varve".to_owned(),
        heartbeat_interval: 500,
        heartbeat_min_interval: Some(390),
        election_timeout_min: 1000,
        election_timeout_max: 1500,
        install_snapshot_timeout: 60_000,
        max_payload_entries: 256,
        snapshot_policy: SnapshotPolicy::Never,
        max_in_snapshot_log_to_keep: 0,
        enable_pre_vote: Some(true),
        // The committed position is not synced before it is used: a leader that came back must
        // be elected again, so that it learns what was committed.
        enable_leader_restore: Some(false),
        // A follower whose log lost its last round to a torn write or to rot is written to again
        // from there. Otherwise its leader would stand still for it.
        allow_log_reversion: Some(true),
        ..Config::default()
    };
    config.validate().map(Arc::new).map_err(|error| error.to_string())
}

/// The node that leads a group, as far as this replica of it knows.
pub(crate) fn leader_of(raft: &Raft) -> Option<NodeId> {
    let metrics = raft.metrics();
    let metrics = metrics.borrow_watched();
    let leader = metrics.current_leader?;
    metrics.membership_config.membership().get_node(&leader).map(|place| place.0)
}

impl Group {
    /// Starts a replica; what its log holds as committed is applied when this returns.
    pub(crate) async fn start(
        id: GroupId,
        links: Links,
        log: LogStore,
        machine: Machine,
        clock: Clock,
    ) -> Result<Self, String> {
        let replica = links.from;
        let raft = Raft::new(replica.get(), config()?, links, log, machine)
            .await
            .map_err(|error| error.to_string())?;
        let last_round = tokio::sync::Mutex::new((0, Ok(None)));
        Ok(Self { id, replica, raft, clock, rounds_begun: AtomicU64::new(0), last_round })
    }

    /// Gives the group its first members, unless it has members.
    pub(crate) async fn initialize(&self, members: Vec<(ReplicaId, NodeId)>) -> Result<(), String> {
        if self.raft.is_initialized().await.map_err(|error| error.to_string())? {
            return Ok(());
        }
        let members: BTreeMap<u64, Place> =
            members.into_iter().map(|(replica, node)| (replica.get(), Place(node))).collect();
        match self.raft.initialize(members).await {
            // Somebody else's membership came first, which is as good.
            Ok(()) | Err(RaftError::APIError(_)) => Ok(()),
            Err(RaftError::Fatal(fatal)) => Err(fatal.to_string()),
        }
    }

    /// Brings the group's members closer to these, if this replica leads: who is new learns
    /// first, and votes once it has caught up; who is not named goes. Answers whether they are so
    /// now. A change that is under way is left alone; one that a leader left half done is ended.
    pub(crate) async fn seat(&self, wanted: &[(ReplicaId, NodeId)]) -> Result<bool, String> {
        if !self.leads() {
            return Ok(true);
        }
        let (effective, committed) = self
            .raft
            .with_raft_state(|state| {
                let members = &state.membership_state;
                (members.effective().membership().clone(), members.committed().membership().clone())
            })
            .await
            .map_err(|error| error.to_string())?;
        if effective != committed {
            return Ok(false);
        }
        // Whoever began this change lost the lead between its two steps: nobody else takes the
        // second, and until it is taken the group can neither change nor say who its members are.
        if effective.get_joint_config().len() != 1 {
            let same = ChangeMembers::AddVoterIds(BTreeSet::new());
            let ended = self.raft.change_membership(same, false).await;
            return ended.map(|_| false).map_err(|error| error.to_string());
        }
        let known: BTreeSet<u64> = effective.nodes().map(|(id, _)| *id).collect();
        let ids: BTreeSet<u64> = wanted.iter().map(|(id, _)| id.get()).collect();
        if let Some((replica, node)) = wanted.iter().find(|(id, _)| !known.contains(&id.get())) {
            let added = self.raft.add_learner(replica.get(), Place(*node), false).await;
            return added.map(|_| false).map_err(|error| error.to_string());
        }
        let voters: BTreeSet<u64> = effective.voter_ids().collect();
        let superfluous: BTreeSet<u64> = known
            .iter()
            .filter(|id| !voters.contains(*id) && !ids.contains(*id))
            .copied()
            .collect();
        if !superfluous.is_empty() {
            let removed = ChangeMembers::RemoveNodes(superfluous);
            let changed = self.raft.change_membership(removed, false).await;
            return changed.map(|_| false).map_err(|error| error.to_string());
        }
        if voters == ids {
            return Ok(true);
        }
        if !ids.iter().all(|id| voters.contains(id) || self.has_caught_up(*id)) {
            return Ok(false);
        }
        let changed = self.raft.change_membership(ids, false).await;
        changed.map(|_| false).map_err(|error| error.to_string())
    }

    /// Whether a follower has nearly all of the log.
    fn has_caught_up(&self, id: u64) -> bool {
        let metrics = self.raft.metrics();
        let metrics = metrics.borrow_watched();
        let matched = metrics.replication.as_ref().and_then(|matched| matched.get(&id)?.as_ref());
        let last = metrics.last_log_index.unwrap_or(0);
        matched.is_some_and(|matched| matched.index() + CAUGHT_UP_ENTRIES >= last)
    }

    /// The voters of a uniform, committed membership: none while it changes.
    pub(crate) fn settled_voters(&self) -> BTreeSet<ReplicaId> {
        let metrics = self.raft.metrics();
        let metrics = metrics.borrow_watched();
        let membership = &metrics.membership_config;
        let is_committed = membership.log_id().is_none_or(|at| {
            metrics.last_applied.is_some_and(|applied| applied.index() >= at.index())
        });
        if !is_committed || membership.membership().get_joint_config().len() != 1 {
            return BTreeSet::new();
        }
        membership.membership().voter_ids().map(ReplicaId).collect()
    }

    /// Has another replica lead. It answers once that was asked of it.
    pub(crate) async fn hand_over(&self, to: ReplicaId) -> Result<(), String> {
        let asked = self.raft.trigger().transfer_leader(to.get()).await;
        asked.map_err(|error| error.to_string())
    }

    /// The voter beside this one that has most of the log.
    pub(crate) fn best_follower(&self) -> Option<ReplicaId> {
        let metrics = self.raft.metrics();
        let metrics = metrics.borrow_watched();
        let voters: BTreeSet<u64> = metrics.membership_config.membership().voter_ids().collect();
        let matched = metrics.replication.as_ref()?.iter();
        let others = matched.filter(|(id, _)| **id != self.replica.get() && voters.contains(*id));
        others
            .max_by_key(|(_, matched)| matched.as_ref().map(LogId::index))
            .map(|(id, _)| ReplicaId(*id))
    }

    /// Whether nobody else votes. Asks the core: published metrics lag behind it.
    pub(crate) async fn is_sole_voter(&self) -> Result<bool, String> {
        let me = self.replica.get();
        let alone = self
            .raft
            .with_raft_state(move |state| state.membership_state.effective().voter_ids().eq([me]));
        alone.await.map_err(|error| error.to_string())
    }

    /// A sole voter needs no timeout to know that it may lead.
    pub(crate) async fn elect_if_alone(&self) -> Result<(), String> {
        if self.is_sole_voter().await? && !self.leads() {
            return self.raft.trigger().elect(false).await.map_err(|error| error.to_string());
        }
        Ok(())
    }

    pub(crate) fn leads(&self) -> bool {
        self.raft.is_leader() && self.stopped().is_none()
    }

    /// Whether this replica's vote counts.
    pub(crate) fn votes(&self) -> bool {
        let metrics = self.raft.metrics();
        let metrics = metrics.borrow_watched();
        metrics.membership_config.membership().voter_ids().any(|id| id == self.replica.get())
    }

    /// The node that leads, as far as this replica knows.
    pub(crate) fn leader(&self) -> Option<NodeId> {
        leader_of(&self.raft)
    }

    /// Why the core stopped, when it did.
    pub(crate) fn stopped(&self) -> Option<String> {
        let mut metrics = self.raft.metrics();
        if let Err(fatal) = &metrics.borrow_and_update().running_state {
            return Some(fatal.to_string());
        }
        // A core that panicked says nothing any more: nobody is left to.
        let is_gone = matches!(metrics.changed().now_or_never(), Some(Err(_)));
        is_gone.then(|| "its Raft core panicked; the log of this node says where".to_owned())
    }

    /// How many entries are committed and not applied yet.
    pub(crate) fn apply_lag(&self) -> u64 {
        let metrics = self.raft.metrics();
        let metrics = metrics.borrow_watched();
        let index = |id: Option<LogId>| id.map_or(0, |id| id.index() + 1);
        index(metrics.local_committed).saturating_sub(index(metrics.last_applied))
    }

    /// Up to where the state is durable outside of the log.
    pub(crate) fn snapshot_index(&self) -> Option<LogIndex> {
        let metrics = self.raft.metrics();
        let snapshot = metrics.borrow_watched().snapshot;
        snapshot.map(|id| LogIndex(id.index()))
    }

    /// Proposes a command, stamped now, and answers its index and what applying it answered.
    /// Asks again while this replica leads but may not write yet: nothing was appended then.
    pub(crate) async fn propose(
        &self,
        command: Bytes,
        limit: Duration,
    ) -> Result<(LogIndex, Reply), GroupError> {
        let deadline = Instant::now() + limit;
        loop {
            let payload = Payload { stamp: self.clock.now(), command: command.clone() };
            let written = timeout_at(deadline, self.raft.client_write(payload)).await;
            match written.map_err(|_| GroupError::Timeout(limit))? {
                Ok(done) => return Ok((LogIndex(done.log_id.index()), done.data)),
                Err(RaftError::APIError(ClientWriteError::ForwardToLeader(forward))) => {
                    self.retry_or_forward(&forward, deadline, limit).await?;
                }
                // It was appended, and a new leader may have kept it.
                Err(RaftError::APIError(ClientWriteError::LogEntryDiscarded(_))) => {
                    return Err(GroupError::Timeout(limit));
                }
                Err(error) => return Err(GroupError::Stopped(error.to_string())),
            }
        }
    }

    /// Waits a little while this replica leads and may not act on it yet; an error when it does not.
    /// Whoever asked must ask others then: who leads may not be able to say so to this replica.
    async fn retry_or_forward(
        &self,
        forward: &ForwardToLeader<Types>,
        deadline: Instant,
        limit: Duration,
    ) -> Result<(), GroupError> {
        if forward.leader_id.is_some_and(|leader| leader != self.replica.get()) || !self.leads() {
            let known = forward.leader_node.map(|place| place.0);
            return Err(GroupError::NotLeader(known.or_else(|| self.leader())));
        }
        timeout_at(deadline, sleep(RETRY)).await.map_err(|_| GroupError::Timeout(limit))
    }

    /// An index such that a state which applied it shows everything that was acknowledged before
    /// this call. Callers that wait at the same time share a round that began after they came.
    pub(crate) async fn read_index(&self, limit: Duration) -> Result<Option<LogIndex>, GroupError> {
        let mut arrived = self.rounds_begun.load(Ordering::SeqCst);
        if Mutant::JoinsEarlierRound.is_planted() {
            arrived = arrived.saturating_sub(1);
        }
        let mut last = self.last_round.lock().await;
        if last.0 > arrived {
            return last.1.clone();
        }
        let number = self.rounds_begun.fetch_add(1, Ordering::SeqCst) + 1;
        let result = self.read_round(limit).await;
        *last = (number, result.clone());
        result
    }

    async fn read_round(&self, limit: Duration) -> Result<Option<LogIndex>, GroupError> {
        if Mutant::StaleLeaseRead.is_planted() && self.leads() {
            let applied = self.raft.metrics().borrow_watched().last_applied;
            return Ok(applied.map(|id| LogIndex(id.index())));
        }
        let deadline = Instant::now() + limit;
        loop {
            let asked = self.raft.get_read_linearizer(ReadPolicy::ReadIndex);
            match timeout_at(deadline, asked).await.map_err(|_| GroupError::Timeout(limit))? {
                Ok(linearizer) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    let ready = linearizer.try_await_ready(&self.raft, Some(left)).await;
                    let ready = ready.map_err(|fatal| GroupError::Stopped(fatal.to_string()))?;
                    let state = ready.map_err(|_| GroupError::Timeout(limit))?;
                    return Ok(Some(LogIndex(state.read_log_id().index())));
                }
                Err(RaftError::APIError(LinearizableReadError::ForwardToLeader(forward))) => {
                    self.retry_or_forward(&forward, deadline, limit).await?;
                }
                Err(RaftError::APIError(LinearizableReadError::QuorumNotEnough(_))) => {
                    let retry = timeout_at(deadline, sleep(RETRY));
                    retry.await.map_err(|_| GroupError::Timeout(limit))?;
                }
                Err(RaftError::Fatal(fatal)) => return Err(GroupError::Stopped(fatal.to_string())),
            }
        }
    }

    /// Stops the replica; its log and files stay.
    pub(crate) async fn shutdown(&self) {
        // It may have stopped by itself before.
        let _ = self.raft.shutdown().await;
    }
}

#[cfg(test)]
mod tests;
