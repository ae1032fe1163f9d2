//! Questions of this node's clients.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures::future::join_all;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;
use varve_consensus::{ReadPoint, ShardRead};
use varve_ingest::record_bytes;
use varve_query::{
    Aggregate, AggregatePlan, AggregateResult, Counted, Hit, Keys, Lookup, Page, Plan, Records,
    Search, SearchResult, find,
};
use varve_types::{LogIndex, RecordId, ShardId};

use super::chunks::chunks;
use super::fragment::{Asked, Part};
use super::gather::{Gathered, Waiting};
use super::{Consistency, ReadError, ReadOptions, Reader, UNIT_BYTES, WORKERS_MAX};
use crate::metrics;

/// How long an answer that may be partial waits for leaders: an election takes less.
const PARTIAL_LIMIT: Duration = Duration::from_secs(3);

/// An answer, and how far each shard's log was read for it.
#[derive(Debug)]
pub(crate) struct Found<T> {
    /// The answer.
    pub result: T,
    /// The memory that its records take.
    _held: Option<OwnedSemaphorePermit>,
    /// What it shows.
    pub as_of: BTreeMap<ShardId, LogIndex>,
    /// A sentence for each shard that was not read. Empty unless the answer may be partial.
    pub warnings: Vec<String>,
}

/// What there is to read, and where.
#[derive(Default)]
struct Sources {
    /// What this node shows.
    reads: Vec<ShardRead>,
    /// Where that could be read instead.
    here: Vec<ReadPoint>,
    /// What other nodes are to be asked for.
    elsewhere: Vec<Waiting>,
    /// Why some cannot be read.
    unread: Vec<String>,
}

impl Sources {
    fn as_of(&self) -> BTreeMap<ShardId, LogIndex> {
        self.reads.iter().filter_map(|read| Some((read.shard, read.index?))).collect()
    }

    /// Where to read what is here and damaged.
    fn instead(&mut self, error: ReadError) -> Result<Vec<Waiting>, ReadError> {
        let has_others = self.here.iter().all(|point| point.nodes.len() > 1);
        if self.here.is_empty() || !has_others || !matches!(error, ReadError::Corrupt(_)) {
            return Err(error);
        }
        let why = error.to_string();
        let instead = std::mem::take(&mut self.here).into_iter().map(|point| {
            let mut waiting = Waiting::new(point);
            waiting.failed(&why);
            waiting
        });
        Ok(instead.collect())
    }
}

impl Reader {
    /// Runs a search. It sees everything acknowledged before it was asked, unless the options say
    /// otherwise.
    ///
    /// # Errors
    ///
    /// See [`ReadError`]; an answer is never partial, unless the options allow it.
    pub(crate) async fn search(
        &self,
        search: Search,
        options: ReadOptions,
    ) -> Result<Found<SearchResult>, ReadError> {
        let asked = Instant::now();
        // Boxed, because what it holds on the way is large.
        let found = Box::pin(self.run_search(search, options)).await;
        metrics::search(found.as_ref().map(|found| &found.result.explain), asked.elapsed());
        found
    }

    async fn run_search(
        &self,
        search: Search,
        options: ReadOptions,
    ) -> Result<Found<SearchResult>, ReadError> {
        let _place = self.place().await?;
        let (limits, _cancel) = self.limits();
        let mut sources = self.sources(options).await?;
        let mut as_of = sources.as_of();
        let scan = async |chunks: Vec<_>| {
            let (search, limits) = (search.clone(), limits.clone());
            let plan = self.blocking(move || Plan::new(&chunks, &search, &limits)).await?;
            let workers = plan.groups().clamp(1, WORKERS_MAX);
            self.share(plan, workers, Plan::work).await
        };
        let asked = |_: &[_]| Asked::Search(search.clone());
        let elsewhere = self.gather(std::mem::take(&mut sources.elsewhere), asked);
        let (own, gathered) = tokio::join!(scan(chunks(&sources.reads)), elsewhere);
        let mut gathered = gathered?;
        let (plan, scanned) = match own {
            Ok(own) => own,
            Err(error) => {
                let instead = self.gather(sources.instead(error)?, asked).await?;
                gathered.add(instead);
                scan(Vec::new()).await?
            }
        };
        let mut warnings = unread(options, sources.unread, &mut gathered)?;
        as_of.append(&mut gathered.as_of);
        let (keys, points) = (keys_of(&mut gathered), gathered.read);
        let mut held = self.place_for_answer().await?;
        let page = self.blocking(move || Ok(plan.page_among(scanned, &keys))).await?;
        let (result, more) = self.read_page(page, points).await?;
        if !(more.is_empty() || options.partial) {
            return Err(ReadError::Unavailable(more));
        }
        warnings.extend(more);
        let taken: usize = result.hits.iter().map(|hit| record_bytes(&hit.record)).sum();
        // What the answer might have taken and did not is for others.
        drop(held.split(held.num_permits().saturating_sub(taken.div_ceil(UNIT_BYTES))));
        Ok(Found { result, as_of, warnings, _held: Some(held) })
    }

    /// Reads the records of a page, here and elsewhere.
    async fn read_page(
        &self,
        page: Page,
        points: Vec<ReadPoint>,
    ) -> Result<(SearchResult, Vec<String>), ReadError> {
        let wanted: Vec<Lookup> = page.elsewhere().map(Lookup::from).collect();
        let ids: BTreeSet<RecordId> = wanted.iter().map(|lookup| lookup.id).collect();
        let workers = page.groups().min(WORKERS_MAX);
        let (here, elsewhere) =
            tokio::join!(self.share(page, workers, Page::work), self.bring(points, wanted));
        let ((page, records), (brought, mut unread)) = (here?, elsewhere?);
        for records in &brought {
            page.note_brought(records)?;
        }
        let missing = missing(ids, &brought);
        if unread.is_empty() && missing > 0 {
            unread.push(format!("{missing} records were found, and are not where they were"));
        }
        Ok((page.finish_among(records, brought), unread))
    }

    /// Counts records, all that were acknowledged before this was asked, unless the options say
    /// otherwise.
    ///
    /// # Errors
    ///
    /// See [`ReadError`]; an answer is never partial, unless the options allow it.
    pub(crate) async fn aggregate(
        &self,
        aggregate: Aggregate,
        options: ReadOptions,
    ) -> Result<Found<AggregateResult>, ReadError> {
        let asked = Instant::now();
        let found = Box::pin(self.run_aggregate(aggregate, options)).await;
        metrics::search(found.as_ref().map(|found| &found.result.explain), asked.elapsed());
        found
    }

    async fn run_aggregate(
        &self,
        aggregate: Aggregate,
        options: ReadOptions,
    ) -> Result<Found<AggregateResult>, ReadError> {
        let _place = self.place().await?;
        let (limits, _cancel) = self.limits();
        let mut sources = self.sources(options).await?;
        let mut as_of = sources.as_of();
        let count = async |chunks: Vec<_>| {
            let workers = chunks.len().clamp(1, WORKERS_MAX);
            let plan = AggregatePlan::new(&chunks, &aggregate, &limits);
            self.share(plan, workers, AggregatePlan::work).await
        };
        let asked = |_: &[_]| Asked::Aggregate(aggregate.clone());
        let elsewhere = self.gather(std::mem::take(&mut sources.elsewhere), asked);
        let (own, gathered) = tokio::join!(count(chunks(&sources.reads)), elsewhere);
        let mut gathered = gathered?;
        let (plan, counted) = match own {
            Ok(own) => own,
            Err(error) => {
                let instead = self.gather(sources.instead(error)?, asked).await?;
                gathered.add(instead);
                count(Vec::new()).await?
            }
        };
        let warnings = unread(options, sources.unread, &mut gathered)?;
        as_of.append(&mut gathered.as_of);
        let others = counts_of(gathered);
        let result = self.blocking(move || plan.finish_among(counted, others)).await?;
        Ok(Found { result, as_of, warnings, _held: None })
    }

    /// The record with an id, if it is stored.
    ///
    /// # Errors
    ///
    /// See [`ReadError`].
    pub(crate) async fn find(
        &self,
        id: RecordId,
        options: ReadOptions,
    ) -> Result<Option<Hit>, ReadError> {
        let _place = self.place().await?;
        let point = match options.consistency {
            Consistency::Linearizable => {
                self.host.read_point(id.shard).await.map_err(|error| refused(&error))?
            }
            Consistency::Stale => {
                self.host.stale_points().into_iter().find(|point| point.shard == id.shard)
            }
        };
        let Some(point) = point else { return Ok(None) };
        let mut sources = self.split(vec![point], Vec::new()).await;
        if sources.elsewhere.is_empty() {
            let chunks = chunks(&sources.reads);
            match self.blocking(move || find(&chunks, id)).await {
                Ok(found) => return Ok(found),
                Err(error) => sources.elsewhere = sources.instead(error)?,
            }
        }
        let asked = |_: &[_]| Asked::Records(vec![Lookup { id, time: None }]);
        let gathered = self.gather(sources.elsewhere, asked).await?;
        if !gathered.unread.is_empty() {
            return Err(ReadError::Unavailable(gathered.unread));
        }
        let hits = gathered.parts.into_iter().flat_map(|part| match part {
            Part::Records(records) => records.hits,
            Part::Keys(_) | Part::Counted(_) | Part::TooManyCells => Vec::new(),
        });
        Ok(hits.into_iter().find(|hit| hit.id == id))
    }

    /// What is to be read for a question, and why some of it cannot.
    pub(super) async fn points(
        &self,
        options: ReadOptions,
    ) -> Result<(Vec<ReadPoint>, Vec<String>), ReadError> {
        if options.consistency == Consistency::Stale {
            return Ok((self.host.stale_points(), Vec::new()));
        }
        let limit = self.host.read_limit();
        let limit = if options.partial { PARTIAL_LIMIT.min(limit) } else { limit };
        let found = self.host.read_points(limit).await;
        let unread: Vec<String> = found.unread.iter().map(ToString::to_string).collect();
        if unread.is_empty() || options.partial {
            Ok((found.points, unread))
        } else {
            Err(ReadError::Unavailable(unread))
        }
    }

    async fn sources(&self, options: ReadOptions) -> Result<Sources, ReadError> {
        let (points, unread) = self.points(options).await?;
        Ok(self.split(points, unread).await)
    }

    /// Takes the views of what is here, and leaves the rest to others.
    async fn split(&self, points: Vec<ReadPoint>, unread: Vec<String>) -> Sources {
        let me = self.host.node();
        let (here, elsewhere): (Vec<_>, Vec<_>) =
            points.into_iter().partition(|point| point.nodes.first() == Some(&me));
        let elsewhere = elsewhere.into_iter().map(Waiting::new).collect();
        let mut sources = Sources { elsewhere, unread, ..Sources::default() };
        let views = join_all(here.iter().map(|point| self.host.view(point.shard, point.at))).await;
        for (point, view) in here.into_iter().zip(views) {
            match view {
                Ok(read) => {
                    sources.reads.push(read);
                    sources.here.push(point);
                }
                Err(error) => {
                    let mut waiting = Waiting::new(point);
                    waiting.failed(&error.to_string());
                    sources.elsewhere.push(waiting);
                }
            }
        }
        sources
    }
}

impl Gathered {
    fn add(&mut self, mut other: Self) {
        self.parts.append(&mut other.parts);
        self.as_of.append(&mut other.as_of);
        self.unread.append(&mut other.unread);
        self.read.append(&mut other.read);
    }
}

/// What could not be read, when that is allowed.
fn unread(
    options: ReadOptions,
    mut unread: Vec<String>,
    gathered: &mut Gathered,
) -> Result<Vec<String>, ReadError> {
    unread.append(&mut gathered.unread);
    if unread.is_empty() || options.partial {
        Ok(unread)
    } else {
        Err(ReadError::Unavailable(unread))
    }
}

fn keys_of(gathered: &mut Gathered) -> Vec<Keys> {
    let parts = std::mem::take(&mut gathered.parts).into_iter();
    let keys = parts.filter_map(|part| match part {
        Part::Keys(keys) => Some(keys),
        Part::Counted(_) | Part::Records(_) | Part::TooManyCells => None,
    });
    keys.collect()
}

fn counts_of(gathered: Gathered) -> Vec<Counted> {
    let counts = gathered.parts.into_iter().filter_map(|part| match part {
        Part::Counted(counted) => Some(counted),
        Part::Keys(_) | Part::Records(_) | Part::TooManyCells => None,
    });
    counts.collect()
}

/// How many records of those wanted were not brought.
fn missing(mut wanted: BTreeSet<RecordId>, brought: &[Records]) -> usize {
    for hit in brought.iter().flat_map(|records| &records.hits) {
        wanted.remove(&hit.id);
    }
    wanted.len()
}

fn refused(error: &varve_consensus::ReadError) -> ReadError {
    ReadError::Unavailable(vec![error.to_string()])
}

/// Why a shard was not read, node by node.
pub(super) fn sentence(shard: ShardId, said: &[String]) -> String {
    match said {
        [] => format!("shard {shard} cannot be read: no node has it"),
        said => format!("shard {shard} cannot be read: {}", said.join("; ")),
    }
}
