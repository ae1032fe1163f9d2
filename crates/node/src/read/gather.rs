//! Asking the nodes that hold shards, each for its part, and others in place of those that fail.

use std::collections::BTreeMap;
use std::pin::pin;
use std::time::Duration;

use futures::future::join_all;
use tokio::time::timeout;
use tracing::debug;
use varve_consensus::{ReadAt, ReadPoint};
use varve_query::limits::CELLS_MAX;
use varve_query::{Lookup, QueryError, Records};
use varve_types::{LogIndex, NodeId, ShardId};

use super::fragment::{Asked, Fragment, Part, Reply};
use super::search::sentence;
use super::{ReadError, Reader};

/// How long one node may take over its part before it is given up for another.
const FRAGMENT_LIMIT: Duration = Duration::from_secs(30);

/// How long it may take before others are asked for its part as well. Most answers take a small
/// fraction of this: one that does not comes from a node that hangs, or has far too much to do.
const HEDGE_AFTER: Duration = Duration::from_secs(2);

/// So many parts are asked for twice at a time. Where everything is slow, asking for it once more
/// would only make it slower.
pub(super) const HEDGES_MAX: usize = 4;

/// What came together.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    /// What each node that answered found.
    pub parts: Vec<Part>,
    /// How far each shard was read.
    pub as_of: BTreeMap<ShardId, LogIndex>,
    /// A sentence for each shard that no node could read.
    pub unread: Vec<String>,
    /// The shards that were read, and where: the node that did is the first.
    pub read: Vec<ReadPoint>,
}

/// A shard that no node answered for yet.
#[derive(Clone)]
pub(super) struct Waiting {
    /// Where it may still be read.
    pub point: ReadPoint,
    /// Why it was not, node by node.
    pub said: Vec<String>,
    /// Whether it was asked anew where it is.
    is_renewed: bool,
}

/// What a node answered about the shards that it was asked about.
type Answered = (Vec<Waiting>, Result<Reply, String>);

impl Waiting {
    pub(super) const fn new(point: ReadPoint) -> Self {
        Self { point, said: Vec::new(), is_renewed: false }
    }

    /// The same, to be asked of the next node; the first one becomes the last. `None` when there is
    /// no other.
    fn elsewhere(&self) -> Option<Self> {
        let mut other = self.clone();
        other.point.nodes.rotate_left(1);
        (other.point.nodes.len() > 1).then_some(other)
    }

    /// Gives up on the node that is the first.
    pub(super) fn failed(&mut self, why: &str) {
        let node = self.point.nodes.remove(0);
        self.said.push(format!("node {node}: {why}"));
    }
}

impl Reader {
    /// Asks about all of the shards; `asked` says what to ask about some of them.
    ///
    /// # Errors
    ///
    /// [`ReadError::Query`] when a bound is passed, which other nodes would not change.
    pub(super) async fn gather(
        &self,
        mut waiting: Vec<Waiting>,
        asked: impl Fn(&[(ShardId, ReadAt)]) -> Asked,
    ) -> Result<Gathered, ReadError> {
        let mut gathered = Gathered::default();
        loop {
            let (ready, exhausted): (Vec<_>, Vec<_>) =
                waiting.into_iter().partition(|waiting| !waiting.point.nodes.is_empty());
            waiting = ready;
            for shard in exhausted {
                match self.renew(shard).await {
                    Ok(renewed) => waiting.push(renewed),
                    Err(unread) => gathered.unread.push(unread),
                }
            }
            if waiting.is_empty() {
                return Ok(gathered);
            }
            let parts = by_node(std::mem::take(&mut waiting)).into_iter();
            let parts = parts.map(|(node, shards)| self.part(node, shards, &asked));
            for (shards, reply) in join_all(parts).await.into_iter().flatten() {
                waiting.extend(gathered.take(shards, reply)?);
            }
        }
    }

    /// Asks a node about its shards and, when that takes long, the next nodes that have them, too:
    /// the first answer about all of them counts. This node is not asked twice: what it does not get
    /// done in time is work, which others would have as well.
    async fn part(
        &self,
        node: NodeId,
        shards: Vec<Waiting>,
        asked: &impl Fn(&[(ShardId, ReadAt)]) -> Asked,
    ) -> Vec<Answered> {
        let fragment = fragment(&shards, asked);
        let mut first = pin!(self.ask(node, &fragment));
        if node == self.host.node() {
            return vec![(shards, first.await)];
        }
        if let Ok(reply) = timeout(HEDGE_AFTER, &mut first).await {
            return vec![(shards, reply)];
        }
        let elsewhere: Option<Vec<Waiting>> = shards.iter().map(Waiting::elsewhere).collect();
        let (Some(elsewhere), Ok(_place)) = (elsewhere, self.hedges.try_acquire()) else {
            return vec![(shards, first.await)];
        };
        debug!(node = node.get(), "no answer within {HEDGE_AFTER:?}: others are asked as well");
        tokio::select! {
            reply = &mut first => vec![(shards, reply)],
            Some(answered) = self.whole(elsewhere, asked) => answered,
        }
    }

    /// Asks about all of these shards; answers only if all of them were read.
    async fn whole(
        &self,
        shards: Vec<Waiting>,
        asked: &impl Fn(&[(ShardId, ReadAt)]) -> Asked,
    ) -> Option<Vec<Answered>> {
        let parts = by_node(shards).into_iter().map(async |(node, shards)| {
            let reply = self.ask(node, &fragment(&shards, asked)).await.ok()?;
            let is_whole = reply.shards.values().all(Result::is_ok);
            is_whole.then_some((shards, Ok(reply)))
        });
        join_all(parts).await.into_iter().collect()
    }

    async fn ask(&self, node: NodeId, fragment: &Fragment) -> Result<Reply, String> {
        if node == self.host.node() {
            return self.reply(fragment).await;
        }
        let asked = self.host.ask(node, fragment.shards.len(), fragment.encode());
        let asked = timeout(FRAGMENT_LIMIT, asked).await;
        let reply = asked.map_err(|_| format!("no answer within {FRAGMENT_LIMIT:?}"))?;
        let reply = reply.map_err(|error| error.to_string())?;
        Reply::decode(fragment, reply).map_err(|error| error.to_string())
    }

    /// Where a shard is now, when it is nowhere that it was: once. Its replicas may have moved.
    async fn renew(&self, mut waiting: Waiting) -> Result<Waiting, String> {
        let shard = waiting.point.shard;
        if waiting.is_renewed || waiting.point.at == ReadAt::Whatever {
            return Err(sentence(shard, &waiting.said));
        }
        waiting.is_renewed = true;
        match self.host.read_point(shard).await {
            Ok(Some(point)) => Ok(Waiting { point, ..waiting }),
            Ok(None) => Err(sentence(shard, &waiting.said)),
            Err(error) => {
                waiting.said.push(error.to_string());
                Err(sentence(shard, &waiting.said))
            }
        }
    }

    /// Reads records by their ids from the nodes of their shards.
    ///
    /// # Errors
    ///
    /// [`ReadError::Query`] when they take more than an answer may.
    pub(super) async fn bring(
        &self,
        mut points: Vec<ReadPoint>,
        mut wanted: Vec<Lookup>,
    ) -> Result<(Vec<Records>, Vec<String>), ReadError> {
        let (mut brought, mut unread, mut bytes) = (Vec::new(), Vec::new(), 0);
        while !wanted.is_empty() {
            points.retain(|point| wanted.iter().any(|lookup| lookup.id.shard == point.shard));
            let asked = |shards: &[(ShardId, ReadAt)]| {
                let is_of = |lookup: &&Lookup| {
                    shards.binary_search_by_key(&lookup.id.shard, |(shard, _)| *shard).is_ok()
                };
                Asked::Records(wanted.iter().filter(is_of).copied().collect())
            };
            let waiting = points.iter().cloned().map(Waiting::new).collect();
            let gathered = self.gather(waiting, asked).await?;
            unread.extend(gathered.unread);
            points = gathered.read;
            let before = wanted.len();
            for part in gathered.parts {
                let Part::Records(records) = part else { continue };
                wanted.retain(|lookup| records.hits.iter().all(|hit| hit.id != lookup.id));
                let hits = records.hits.iter();
                bytes += hits.map(|hit| varve_ingest::record_bytes(&hit.record)).sum::<usize>();
                brought.push(records);
            }
            if bytes > self.answer_bytes_max {
                let bytes_max = self.answer_bytes_max;
                return Err(ReadError::Query(QueryError::TooLarge { bytes_max }));
            }
            if wanted.len() == before {
                break;
            }
        }
        Ok((brought, unread))
    }
}

impl Gathered {
    /// Takes a node's reply; answers the shards that it did not read.
    fn take(
        &mut self,
        shards: Vec<Waiting>,
        reply: Result<Reply, String>,
    ) -> Result<Vec<Waiting>, ReadError> {
        let mut reply = match reply {
            Ok(reply) => reply,
            Err(why) => return Ok(shards.into_iter().map(|shard| without(shard, &why)).collect()),
        };
        let mut unread = Vec::new();
        for shard in shards {
            match reply.shards.remove(&shard.point.shard) {
                Some(Ok(index)) => {
                    self.as_of.extend(index.map(|index| (shard.point.shard, index)));
                    self.read.push(shard.point);
                }
                Some(Err(why)) => unread.push(without(shard, &why)),
                None => unread.push(without(shard, "it says nothing of the shard")),
            }
        }
        if matches!(reply.part, Part::TooManyCells) {
            return Err(ReadError::Query(QueryError::TooManyCells { cells_max: CELLS_MAX }));
        }
        self.parts.push(reply.part);
        Ok(unread)
    }
}

/// Shards by the node that is asked first, each node's in order.
fn by_node(shards: Vec<Waiting>) -> BTreeMap<NodeId, Vec<Waiting>> {
    let mut by_node: BTreeMap<NodeId, Vec<Waiting>> = BTreeMap::new();
    for shard in shards {
        by_node.entry(shard.point.nodes[0]).or_default().push(shard);
    }
    for shards in by_node.values_mut() {
        shards.sort_by_key(|waiting| waiting.point.shard);
    }
    by_node
}

fn fragment(shards: &[Waiting], asked: &impl Fn(&[(ShardId, ReadAt)]) -> Asked) -> Fragment {
    let of = |waiting: &Waiting| (waiting.point.shard, waiting.point.at);
    let shards: Vec<_> = shards.iter().map(of).collect();
    Fragment { asked: asked(&shards), shards }
}

fn without(mut shard: Waiting, why: &str) -> Waiting {
    shard.failed(why);
    shard
}
