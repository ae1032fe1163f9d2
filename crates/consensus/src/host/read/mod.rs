//! Linearizable reads of shards: from which index on, on which nodes, and what is here.
//!
//! A read index that an open shard confirms proves that no successor acknowledged anything before
//! the question; a sealed one names the successors to follow. So a catalog that is a little old
//! misleads nobody. What was found out are [`ReadPoint`]s: each may be read on any of its nodes.

mod loads;
pub(crate) mod message;
mod points;

use std::time::Duration;

use bytes::Bytes;
use futures::future::try_join_all;
use tokio::time::{Instant, sleep};
use varve_mutants::Mutant;
use varve_shard::{Phase, ShardView};
use varve_types::{GroupId, LogIndex, NodeId, ShardId};

pub(super) use self::loads::Loads;
use super::local::Local;
use super::{Host, Inner};
use crate::errors::ReadError;
use crate::network::{MessageKind, PeerError, PeerMessage};

/// How long a replica here may take to apply what a read is to show: then another is better.
const APPLY_LIMIT: Duration = Duration::from_secs(2);

/// How often to look whether it has.
const APPLY_POLL: Duration = Duration::from_millis(1);

/// A shard as a read may see it.
#[derive(Clone, Debug)]
pub struct ShardRead {
    /// Which shard.
    pub shard: ShardId,
    /// The last entry that the view holds; `None` for a shard without entries.
    pub index: Option<LogIndex>,
    /// What it holds. It shows all that was acknowledged before the read began.
    pub view: ShardView,
}

/// What a replica must have to answer a read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadAt {
    /// Every entry up to this one.
    Applied(LogIndex),
    /// All that the shard will ever have: it is sealed.
    Whole,
    /// Whatever it has: the read may be stale.
    Whatever,
}

/// A shard that is to be read, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadPoint {
    /// Which shard.
    pub shard: ShardId,
    /// What a replica must have to answer.
    pub at: ReadAt,
    /// The nodes that have a replica, the best to ask first.
    pub nodes: Vec<NodeId>,
}

/// What a read is to look at.
#[derive(Clone, Debug)]
pub struct ReadPoints {
    /// The shards, in order.
    pub points: Vec<ReadPoint>,
    /// Why others cannot be read now. With any of these, `points` do not cover all that was
    /// acknowledged.
    pub unread: Vec<ReadError>,
}

impl Host {
    /// From where on all shards must be read to show what was acknowledged before this call, as
    /// far as that can be confirmed within a limit.
    pub async fn read_points(&self, limit: Duration) -> ReadPoints {
        self.inner().read_points(None, limit).await
    }

    /// The same of one shard: no point and no error when there is no such shard.
    ///
    /// # Errors
    ///
    /// [`ReadError`] when a quorum does not confirm, or the catalog cannot be asked whether there
    /// is the shard.
    pub async fn read_point(&self, shard: ShardId) -> Result<Option<ReadPoint>, ReadError> {
        let inner = self.inner();
        if !inner.catalog().shards.contains_key(&shard) {
            let now = inner.catalog_now().await;
            let now = now.map_err(|error| ReadError::Catalog(error.to_string()))?;
            if !now.shards.contains_key(&shard) {
                return Ok(None);
            }
        }
        let ReadPoints { points, mut unread } =
            inner.read_points(Some(shard), inner.settings.read_limit).await;
        match (points.into_iter().find(|point| point.shard == shard), unread.pop()) {
            (Some(point), _) => Ok(Some(point)),
            (None, Some(error)) => Err(error),
            (None, None) => unreachable!("BUG: shard {shard} is neither readable nor not"),
        }
    }

    /// Where all shards may be read that this node knows of, without asking anybody: what is read
    /// there may be stale.
    #[must_use]
    pub fn stale_points(&self) -> Vec<ReadPoint> {
        self.inner().stale_points()
    }

    /// How long finding out what to read may take, unless somebody is in more of a hurry.
    #[must_use]
    pub fn read_limit(&self) -> Duration {
        self.inner().settings.read_limit
    }

    /// What a replica on this node shows of a shard, once it has what the read asks for.
    ///
    /// # Errors
    ///
    /// [`ReadError`] when there is none here that does, or it takes long.
    pub async fn view(&self, shard: ShardId, at: ReadAt) -> Result<ShardRead, ReadError> {
        self.inner().view(shard, at).await
    }

    /// Asks the reader of another node about so many shards. The host knows nothing else of
    /// questions and answers.
    ///
    /// # Errors
    ///
    /// See [`PeerError`].
    pub async fn ask(
        &self,
        to: NodeId,
        shards: usize,
        question: Bytes,
    ) -> Result<Bytes, PeerError> {
        let _under_way = self.inner().loads.begin(to, shards);
        let message = PeerMessage::to_node(MessageKind::Query, GroupId::CATALOG, question);
        self.inner().transport.send(to, message).await
    }

    /// One shard as it is here, showing all that was acknowledged before this call.
    ///
    /// # Errors
    ///
    /// [`ReadError`] when this node has no replica of it, or a quorum does not confirm.
    pub async fn read(&self, shard: ShardId) -> Result<ShardRead, ReadError> {
        match self.read_point(shard).await? {
            Some(point) => self.view(shard, point.at).await,
            None => Err(self.inner().not_here(shard)),
        }
    }

    /// All shards as they are here, open, sealed and closed, showing all that was acknowledged
    /// before this call.
    ///
    /// # Errors
    ///
    /// As [`Host::read`]: a read covers the whole hash range or fails.
    pub async fn read_all(&self) -> Result<Vec<ShardRead>, ReadError> {
        let ReadPoints { points, mut unread } = self.read_points(self.read_limit()).await;
        if let Some(error) = unread.pop() {
            return Err(error);
        }
        try_join_all(points.iter().map(|point| self.view(point.shard, point.at))).await
    }
}

impl Inner {
    async fn view(&self, shard: ShardId, at: ReadAt) -> Result<ShardRead, ReadError> {
        self.upkeep.activity.note();
        let deadline = Instant::now() + APPLY_LIMIT;
        loop {
            let home = match self.local(shard) {
                Some(Local::Closed(home)) => return Ok(ShardRead::of(home.view())),
                Some(Local::Running(replica)) => Ok(replica),
                Some(Local::Refused(_)) | None => Err(self.not_here(shard)),
            }?;
            let view = home.home.view();
            if is_reached(&view, at) {
                return Ok(ShardRead::of(view));
            }
            if let Some(why) = home.group.stopped() {
                return Err(ReadError::Stopped { shard, why });
            }
            if Instant::now() >= deadline {
                return Err(ReadError::Behind { shard, limit: APPLY_LIMIT });
            }
            sleep(APPLY_POLL).await;
        }
    }

    fn not_here(&self, shard: ShardId) -> ReadError {
        let why = self.refusal(shard);
        let why = why.unwrap_or_else(|| "this node holds no replica of it".to_owned());
        ReadError::NotHere { shard, why }
    }
}

impl ShardRead {
    const fn of(view: ShardView) -> Self {
        Self { shard: view.shard, index: view.applied, view }
    }
}

/// Whether a replica that is still running has what a read asks for.
fn is_reached(view: &ShardView, at: ReadAt) -> bool {
    match at {
        ReadAt::Applied(index) => {
            view.applied >= Some(index) || Mutant::ReadBeforeApplied.is_planted()
        }
        ReadAt::Whole => matches!(view.phase, Phase::Sealed { .. }),
        ReadAt::Whatever => true,
    }
}

/// The shards that take writes after one of this phase.
fn successors(phase: &Phase) -> Vec<ShardId> {
    match phase {
        Phase::Sealed { successors } => successors.iter().map(|after| after.shard).collect(),
        Phase::AwaitingInherit | Phase::Open => Vec::new(),
    }
}
