//! Reading all shards again on all nodes, now, and comparing what their copies are.
//!
//! Copies of a closed shard must have the same rows, and the same bytes once final files were
//! made. Replicas of a running shard are compared at the last entry that all of them applied.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::StreamExt;
use futures::future::join_all;
use tokio::time::{sleep, timeout};
use varve_types::{ContentDigest, GroupId, LogIndex, NodeId, ShardId};

use crate::catalog::{FilesDigest, ShardEntry, ShardState};
use crate::host::{Host, Inner};
use crate::machine::{Applied, files_digest};
use crate::network::{
    CopyCondition, FilesRefusal, FilesReply, FilesRequest, MessageKind, PeerMessage,
};

/// How long reading one shard again may take on one node.
const READ_LIMIT: Duration = Duration::from_secs(600);
/// So many shards are read at the same time.
const SHARDS_AT_ONCE: usize = 2;
/// How often replicas are asked until there is an entry that all of them applied of late.
const ATTEMPTS: usize = 20;
const ATTEMPT_PAUSE: Duration = Duration::from_millis(100);

/// How the copy of a shard on a node was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifyRow {
    /// Which shard.
    pub shard: ShardId,
    /// On which node.
    pub node: NodeId,
    /// The entry of the log after which it was compared; `None` for a closed shard.
    pub applied: Option<LogIndex>,
    /// Rows stored.
    pub rows: u64,
    /// Their digest.
    pub digest: ContentDigest,
    /// What the segments are as files.
    pub files: FilesDigest,
    /// Whether the copy is whole and agrees with the others.
    pub ok: bool,
    /// What is wrong, when something is.
    pub problem: Option<String>,
}

/// What one node answered, or why it did not.
type Answer<T> = Result<T, String>;

impl Host {
    /// Reads all shards again on all nodes that hold them, and compares the copies. `progress` is
    /// shown each row as soon as its shard is compared. It takes as long as reading all files
    /// does, and reads as fast as it can.
    pub async fn verify(&self, progress: impl Fn(&VerifyRow) + Send + Sync) -> Vec<VerifyRow> {
        let catalog = self.catalog();
        let inner = self.inner();
        let shards: Vec<(ShardId, ShardEntry)> =
            catalog.shards.iter().map(|(shard, entry)| (*shard, entry.clone())).collect();
        let verified = shards.into_iter().map(|(shard, entry)| async move {
            // By value, because the compiler cannot tell that a borrowing future may be sent.
            inner.verify_shard(shard, &entry).await
        });
        let mut verified = futures::stream::iter(verified).buffered(SHARDS_AT_ONCE);
        let mut rows = Vec::new();
        while let Some(of_shard) = verified.next().await {
            of_shard.iter().for_each(&progress);
            rows.extend(of_shard);
        }
        rows
    }
}

impl Inner {
    async fn verify_shard(&self, shard: ShardId, entry: &ShardEntry) -> Vec<VerifyRow> {
        let read = async |node| {
            let answer = match self.ask_to(shard, node, FilesRequest::ReadAgain).await {
                Ok(FilesReply::ReadAgain(found)) => Ok(found),
                Ok(reply) => Err(format!("it answered {reply:?}")),
                Err(why) => Err(why),
            };
            (node, answer)
        };
        let answers = join_all(nodes_of(entry).into_iter().map(read)).await;
        let mut rows: Vec<VerifyRow> =
            answers.into_iter().map(|(node, answer)| row(shard, node, answer)).collect();
        if let ShardState::Closed(_) = entry.state {
            rows.iter_mut().for_each(|row| hold_against_catalog(row, entry));
        } else {
            self.compare_running(shard, &mut rows).await;
        }
        rows.iter_mut().for_each(|row| row.ok = row.problem.is_none());
        rows
    }

    /// Compares replicas that go on applying.
    async fn compare_running(&self, shard: ShardId, rows: &mut [VerifyRow]) {
        let nodes = rows.iter().filter(|row| row.problem.is_none()).map(|row| row.node);
        let nodes: Vec<NodeId> = nodes.collect();
        for _ in 0..ATTEMPTS {
            let ask = async |node| match self.ask_to(shard, node, FilesRequest::Recent).await {
                Ok(FilesReply::Recent(states)) => (node, states),
                _ => (node, Vec::new()),
            };
            let states = join_all(nodes.iter().copied().map(ask)).await.into_iter().collect();
            if let Some(common) = last_common(&states) {
                compare_at(common, &states, rows);
                return;
            }
            sleep(ATTEMPT_PAUSE).await;
        }
        for row in rows.iter_mut().filter(|row| row.problem.is_none()) {
            let what = "the replicas are too far apart to be compared: one of them lags";
            row.problem = Some(what.to_owned());
        }
    }

    /// Asks a node, which may be this one.
    pub(super) async fn ask_to(
        &self,
        shard: ShardId,
        node: NodeId,
        request: FilesRequest,
    ) -> Answer<FilesReply> {
        if node == self.node {
            return match self.answer_files(shard, request).await {
                FilesReply::Refused(refusal) => Err(refusal.to_string()),
                reply => Ok(reply),
            };
        }
        let (kind, group) = (MessageKind::Files, GroupId::shard(shard));
        let message = PeerMessage::to_node(kind, group, request.encode());
        let sent = timeout(READ_LIMIT, self.transport.send(node, message)).await;
        let reply = sent.map_err(|_| format!("no answer within {READ_LIMIT:?}"))?;
        let reply = FilesReply::decode(reply.map_err(|error| error.to_string())?);
        match reply.map_err(|error| error.to_string())? {
            FilesReply::Refused(refusal) => Err(refusal.to_string()),
            reply => Ok(reply),
        }
    }

    /// Reads all files of a shard here. What is found damaged is set aside, as when it was found
    /// by chance.
    pub(super) async fn read_again(&self, shard: ShardId) -> Result<CopyCondition, FilesRefusal> {
        let home = self.served(shard)?;
        let found = self.look_through(&home, None).await;
        if let Err(damage) = &found {
            self.found_damaged(shard, &home, damage);
        }
        let held = home.shard();
        let (rows, digest) = held.content();
        let files = held.manifest().map_or(FilesDigest(0), |manifest| files_digest(manifest));
        Ok(CopyCondition { rows, digest, files, problem: found.err() })
    }
}

/// Who holds a shard. A node to which a closed one is still on its way has nothing to verify.
fn nodes_of(entry: &ShardEntry) -> Vec<NodeId> {
    match &entry.state {
        ShardState::Closed(closed) => closed.holders.iter().copied().collect(),
        _ => entry.replicas.values().copied().collect(),
    }
}

fn row(shard: ShardId, node: NodeId, answer: Answer<CopyCondition>) -> VerifyRow {
    let nothing = |problem| CopyCondition {
        rows: 0,
        digest: ContentDigest::EMPTY,
        files: FilesDigest(0),
        problem: Some(problem),
    };
    let CopyCondition { rows, digest, files, problem } = answer.unwrap_or_else(nothing);
    VerifyRow { shard, node, applied: None, rows, digest, files, ok: false, problem }
}

/// A copy of a closed shard must be what was agreed on, to the byte where final files were made.
fn hold_against_catalog(row: &mut VerifyRow, entry: &ShardEntry) {
    let ShardState::Closed(closed) = &entry.state else { return };
    if row.problem.is_some() {
        return;
    }
    if (row.rows, row.digest) != (closed.rows, closed.digest) {
        let what = "its rows are not those that were agreed on when it closed";
        row.problem = Some(what.to_owned());
        return;
    }
    let final_files = closed.finished.as_ref().filter(|known| known.holders.contains(&row.node));
    if let Some(known) = final_files.filter(|known| known.files != row.files) {
        row.problem = Some(format!("its files are {} instead of {}", row.files, known.files));
    }
}

/// The last entry of which all know what they held after it.
pub(super) fn last_common(states: &BTreeMap<NodeId, Vec<Applied>>) -> Option<LogIndex> {
    let has = |states: &Vec<Applied>, index| states.iter().any(|state| state.index == index);
    let mut candidates = states.values().next()?.iter().rev().map(|state| state.index);
    candidates.find(|index| states.values().all(|states| has(states, *index)))
}

fn compare_at(index: LogIndex, states: &BTreeMap<NodeId, Vec<Applied>>, rows: &mut [VerifyRow]) {
    let at = |node: &NodeId| states.get(node)?.iter().find(|state| state.index == index);
    let differ = {
        let mut all = states.keys().filter_map(at);
        let first = all.next();
        all.any(|state| Some(state) != first)
    };
    for row in rows {
        let Some(state) = at(&row.node) else { continue };
        (row.applied, row.rows, row.digest) = (Some(index), state.rows, state.digest);
        if differ {
            row.problem = Some(format!("after entry {index} replicas hold different rows"));
        }
    }
}
