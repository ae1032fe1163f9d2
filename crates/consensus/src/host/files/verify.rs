//! Reading all shards again on all nodes, now, and comparing what their copies are.
//!
//! Copies of a closed shard must have the same rows, and the same bytes once final files were
//! made. Replicas of a running shard are compared where they applied the same entry; they are
//! asked again for a while when they have not.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::StreamExt;
use futures::future::join_all;
use tokio::time::{sleep, timeout};
use varve_types::{ContentDigest, GroupId, LogIndex, NodeId, ShardId};

use crate::catalog::{FilesDigest, ShardEntry, ShardState};
use crate::host::local::Local;
use crate::host::{Host, Inner};
use crate::machine::files_digest;
use crate::network::{
    CopyCondition, FilesRefusal, FilesReply, FilesRequest, MessageKind, PeerMessage,
};

/// How long reading one shard again may take on one node.
const READ_LIMIT: Duration = Duration::from_secs(600);
/// So many shards are read at the same time.
const SHARDS_AT_ONCE: usize = 2;
/// How often replicas are asked until they have applied the same entry.
const ATTEMPTS: usize = 40;
const ATTEMPT_PAUSE: Duration = Duration::from_millis(50);

/// How the copy of a shard on a node was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifyRow {
    /// Which shard.
    pub shard: ShardId,
    /// On which node.
    pub node: NodeId,
    /// Up to which entry the log was applied; `None` for a closed shard.
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
type Answer = Result<CopyCondition, String>;

impl Host {
    /// Reads all shards again on all nodes that hold them, and compares the copies. `progress` is
    /// shown each row as soon as its shard is compared. It takes as long as reading all files
    /// does, and reads as fast as it can.
    pub async fn verify(&self, progress: impl Fn(&VerifyRow) + Send + Sync) -> Vec<VerifyRow> {
        let catalog = self.catalog();
        let inner = self.inner();
        let shards = catalog.shards.clone().into_iter();
        let verified =
            shards.map(|(shard, entry)| async move { inner.verify_shard(shard, &entry).await });
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
        let mut answers: BTreeMap<NodeId, Answer> =
            self.read_everywhere(shard, nodes_of(entry)).await;
        for _ in 0..ATTEMPTS {
            let behind = behind(&answers);
            if behind.is_empty() {
                break;
            }
            sleep(ATTEMPT_PAUSE).await;
            let everybody = answers.keys().copied().collect();
            answers = self.read_everywhere(shard, everybody).await;
        }
        compare(shard, entry, &answers)
    }

    async fn read_everywhere(
        &self,
        shard: ShardId,
        nodes: Vec<NodeId>,
    ) -> BTreeMap<NodeId, Answer> {
        let ask = async |node| (node, self.ask_to_read(shard, node).await);
        join_all(nodes.into_iter().map(ask)).await.into_iter().collect()
    }

    async fn ask_to_read(&self, shard: ShardId, node: NodeId) -> Answer {
        if node == self.node {
            return self.read_again(shard).await.map_err(|refusal| refusal.to_string());
        }
        let request = FilesRequest::ReadAgain.encode();
        let message = PeerMessage::to_node(MessageKind::Files, GroupId::shard(shard), request);
        let sent = timeout(READ_LIMIT, self.transport.send(node, message)).await;
        let reply = sent.map_err(|_| format!("no answer within {READ_LIMIT:?}"))?;
        let reply = FilesReply::decode(reply.map_err(|error| error.to_string())?);
        match reply.map_err(|error| error.to_string())? {
            FilesReply::ReadAgain(found) => Ok(found),
            FilesReply::Refused(refusal) => Err(refusal.to_string()),
            reply => Err(format!("it answered {reply:?}")),
        }
    }

    /// Reads all files of a shard here. What is found damaged is set aside, as when it was found
    /// by chance.
    pub(super) async fn read_again(&self, shard: ShardId) -> Result<CopyCondition, FilesRefusal> {
        let home = self.served(shard)?;
        let found = self.look_through(&home, None).await;
        let is_closed = matches!(self.local(shard), Some(Local::Closed(_)));
        if let Err(damage) = &found {
            self.found_damaged(shard, &home, damage);
        }
        let held = home.shard();
        let summary = held.summary();
        Ok(CopyCondition {
            applied: summary.applied.filter(|_| !is_closed),
            rows: summary.rows,
            digest: summary.digest,
            files: held.manifest().map_or(FilesDigest(0), |manifest| files_digest(manifest)),
            problem: found.err(),
        })
    }
}

/// Who holds a shard. A node to which a closed one is still on its way has nothing to verify.
fn nodes_of(entry: &ShardEntry) -> Vec<NodeId> {
    match &entry.state {
        ShardState::Closed(closed) => closed.holders.iter().copied().collect(),
        _ => entry.replicas.values().copied().collect(),
    }
}

/// Those that applied less than others.
fn behind(answers: &BTreeMap<NodeId, Answer>) -> Vec<NodeId> {
    let applied = |answer: &Answer| answer.as_ref().ok().and_then(|found| found.applied);
    let most = answers.values().filter_map(applied).max();
    let is_behind = |answer: &Answer| applied(answer).is_some_and(|index| Some(index) < most);
    answers.iter().filter(|(_, answer)| is_behind(answer)).map(|(node, _)| *node).collect()
}

/// Holds the copies of a shard against one another, and against the catalog.
fn compare(
    shard: ShardId,
    entry: &ShardEntry,
    answers: &BTreeMap<NodeId, Answer>,
) -> Vec<VerifyRow> {
    let expected = match &entry.state {
        ShardState::Closed(closed) => Some((closed.rows, closed.digest)),
        _ => None,
    };
    let row = |(node, answer): (&NodeId, &Answer)| {
        let mut row = VerifyRow {
            shard,
            node: *node,
            applied: None,
            rows: 0,
            digest: ContentDigest::EMPTY,
            files: FilesDigest(0),
            ok: false,
            problem: None,
        };
        match answer {
            Err(why) => row.problem = Some(why.clone()),
            Ok(found) => {
                let content = (found.rows, found.digest);
                let other = || {
                    answers.values().flatten().find(|other| {
                        other.applied == found.applied && (other.rows, other.digest) != content
                    })
                };
                row.problem = found.problem.clone().or_else(|| match expected {
                    Some(agreed) if agreed != content => {
                        Some("its rows are not those that were agreed on when it closed".to_owned())
                    }
                    Some(_) => differs_from_final(entry, *node, found),
                    None => other().map(|_| "its rows differ from another replica's".to_owned()),
                });
                (row.applied, row.rows, row.digest) = (found.applied, found.rows, found.digest);
                row.files = found.files;
            }
        }
        row.ok = row.problem.is_none();
        row
    };
    answers.iter().map(row).collect()
}

/// A node that is said to have the final files must have exactly them.
fn differs_from_final(entry: &ShardEntry, node: NodeId, found: &CopyCondition) -> Option<String> {
    let ShardState::Closed(closed) = &entry.state else { return None };
    let finished = closed.finished.as_ref()?;
    let is_other = finished.holders.contains(&node) && finished.files != found.files;
    is_other.then(|| format!("its files are {} instead of {}", found.files, finished.files))
}
