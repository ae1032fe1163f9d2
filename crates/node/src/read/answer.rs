//! Answering fragments: parts of questions that other nodes were asked.

use std::collections::BTreeMap;

use bytes::Bytes;
use futures::future::join_all;
use varve_consensus::ShardRead;
use varve_query::{AggregatePlan, Plan, QueryError, lookup};

use super::chunks::chunks;
use super::fragment::{Asked, Fragment, Part, Reply};
use super::{ReadError, Reader, WORKERS_MAX};

/// Records of so many bytes, and one row group's more, are answered at once: who wants the rest
/// asks again.
const RECORDS_BYTES_MAX: usize = 16 << 20;

impl Reader {
    /// Answers another node's question. Dropping this stops the work.
    ///
    /// # Errors
    ///
    /// A sentence that says why this node does not answer: another may.
    pub(crate) async fn answer(&self, question: Bytes) -> Result<Bytes, String> {
        let fragment = Fragment::decode(question).map_err(|error| error.to_string())?;
        self.reply(&fragment).await.map(Reply::encode)
    }

    pub(super) async fn reply(&self, fragment: &Fragment) -> Result<Reply, String> {
        let place = self.fragments.acquire().await;
        let _place = place.expect("BUG: the places for fragments are closed");
        let views = fragment.shards.iter().map(|&(shard, at)| self.host.view(shard, at));
        let (mut reads, mut shards) = (Vec::new(), BTreeMap::new());
        for (&(shard, _), view) in fragment.shards.iter().zip(join_all(views).await) {
            shards.insert(shard, view.as_ref().map(|read| read.index).map_err(ToString::to_string));
            reads.extend(view);
        }
        match self.find_part(&fragment.asked, &reads).await {
            Ok(part) => Ok(Reply { shards, part }),
            Err(ReadError::Query(QueryError::TooManyCells { .. })) => {
                Ok(Reply { shards, part: Part::TooManyCells })
            }
            Err(error) => {
                if let ReadError::Corrupt(_) = error {
                    self.host.suspect(shards.into_keys());
                }
                Err(error.to_string())
            }
        }
    }

    async fn find_part(&self, asked: &Asked, reads: &[ShardRead]) -> Result<Part, ReadError> {
        let chunks = chunks(reads);
        let (limits, _cancel) = self.limits();
        match asked.clone() {
            Asked::Search(search) => {
                let plan = self.blocking(move || Plan::new(&chunks, &search, &limits)).await?;
                let workers = plan.groups().clamp(1, WORKERS_MAX);
                let (plan, scanned) = self.share(plan, workers, Plan::work).await?;
                self.blocking(move || Ok(Part::Keys(plan.keys(scanned)))).await
            }
            Asked::Aggregate(aggregate) => {
                let workers = chunks.len().clamp(1, WORKERS_MAX);
                let plan = AggregatePlan::new(&chunks, &aggregate, &limits);
                let (plan, counted) = self.share(plan, workers, AggregatePlan::work).await?;
                self.blocking(move || plan.counted(counted).map(Part::Counted)).await
            }
            Asked::Records(wanted) => {
                let read = move || lookup(&chunks, &wanted, RECORDS_BYTES_MAX, &limits);
                self.blocking(read).await.map(Part::Records)
            }
        }
    }
}
