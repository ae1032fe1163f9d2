//! Asking the cluster how it is, and steering it, over the SDK: whichever node answers.

use std::time::{Duration, Instant};

use varve_client::v1::{StatusResponse, VerifyResponse};
use varve_client::{CallError, Client};
use varve_types::{NodeId, ShardId};

use super::Cluster;
use crate::Failure;
use crate::client::{Target, is_ready};

/// A node that says nothing for so long is not waited for.
const ANSWER_MAX: Duration = Duration::from_secs(3);

/// How long steering may take, which waits for what it brings about.
const STEER_MAX: Duration = Duration::from_secs(20);

/// How long it may take that all is read again everywhere.
const VERIFY_MAX: Duration = Duration::from_secs(120);

/// How long a node may take from its start until it answers.
const LIVE_MAX: Duration = Duration::from_secs(60);

const LOOK_AGAIN: Duration = Duration::from_millis(200);

impl Cluster {
    /// What the first node says that answers.
    ///
    /// # Errors
    ///
    /// None does.
    pub fn status(&self) -> Result<StatusResponse, Failure> {
        self.ask(ANSWER_MAX, async |client| client.status().await)
    }

    /// The number that the cluster gave to the node at a place, which must be up.
    ///
    /// # Errors
    ///
    /// It does not answer.
    pub fn number(&self, place: usize) -> Result<u64, Failure> {
        Ok(self.status_of(place)?.node_id)
    }

    /// Whether the node at a place says that its disk is full.
    ///
    /// # Errors
    ///
    /// It does not answer.
    pub fn says_full(&self, place: usize) -> Result<bool, Failure> {
        Ok(self.status_of(place)?.disk_full)
    }

    fn status_of(&self, place: usize) -> Result<StatusResponse, Failure> {
        self.told_by(&self.nodes.get(place).ok_or("there is no such node")?.target)
    }

    pub(super) fn told_by(&self, target: &Target) -> Result<StatusResponse, Failure> {
        self.ask_one(target, ANSWER_MAX, &async |client: Client| client.status().await)
    }

    /// The place of the node that has a number.
    #[must_use]
    pub fn place_of(&self, number: u64) -> Option<usize> {
        self.up().into_iter().find(|&place| self.number(place).is_ok_and(|found| found == number))
    }

    /// The place of the node that leads most, and the catalog if it can be.
    ///
    /// # Errors
    ///
    /// Nobody answers, or leads.
    pub fn leader(&self) -> Result<usize, Failure> {
        let status = self.status()?;
        let most = status.nodes.iter().max_by_key(|node| (node.metadata == "LEADER", node.leads));
        let number = most.ok_or("there are no nodes")?.node_id;
        self.place_of(number).ok_or_else(|| format!("node {number} is none of ours").into())
    }

    /// Begins to empty a node.
    ///
    /// # Errors
    ///
    /// It is refused.
    pub fn drain(&self, number: u64) -> Result<(), Failure> {
        self.ask(STEER_MAX, async |client| client.drain(NodeId(number)).await)
    }

    /// Takes an empty node, or one that is lost, out for good.
    ///
    /// # Errors
    ///
    /// It is refused.
    pub fn remove(&self, number: u64) -> Result<(), Failure> {
        self.ask(STEER_MAX, async |client| client.remove(NodeId(number)).await)
    }

    /// Has another node lead a shard.
    ///
    /// # Errors
    ///
    /// It is refused, or does not come to be in time.
    pub fn transfer_leader(&self, shard: u64, to: u64) -> Result<(), Failure> {
        let (shard, to) = (ShardId(shard), NodeId(to));
        self.ask(STEER_MAX, async |client| client.transfer_leader(shard, to).await)
    }

    /// Closes the open windows, and answers how many shards that sealed.
    ///
    /// # Errors
    ///
    /// It does not come to be in time.
    pub fn seal(&self) -> Result<usize, Failure> {
        Ok(self.ask(STEER_MAX, async |client| client.seal().await)?.len())
    }

    /// Has all nodes read all shards again, and answers every copy.
    ///
    /// # Errors
    ///
    /// It does not come to an end in time.
    pub fn verify(&self) -> Result<Vec<VerifyResponse>, Failure> {
        self.ask(VERIFY_MAX, async |client| {
            let mut copies = Vec::new();
            client.verify(|copy| copies.push(copy)).await?;
            Ok(copies)
        })
    }

    /// Waits until a node answers that was started.
    ///
    /// # Errors
    ///
    /// It ended instead, or says nothing for long.
    pub fn wait_until_live(&mut self, place: usize) -> Result<(), Failure> {
        let begun = Instant::now();
        loop {
            if self.number(place).is_ok() {
                return Ok(());
            }
            let node = self.node(place)?;
            if let Some(ended) = node.ended()? {
                let said = node.said()?;
                let last = said.lines().rev().take(3).collect::<Vec<_>>().join(" | ");
                return Err(format!("node {}: {ended} at its start: {last}", place + 1).into());
            }
            if begun.elapsed() > LIVE_MAX {
                return Err(format!("node {} does not answer", place + 1).into());
            }
            std::thread::sleep(LOOK_AGAIN);
        }
    }

    /// Waits until all members serve, are ready, and hold what they are to hold; answers how long
    /// that took.
    ///
    /// # Errors
    ///
    /// It does not come to be within `limit`.
    pub fn wait_until_whole(&self, limit: Duration) -> Result<Duration, Failure> {
        let begun = Instant::now();
        loop {
            let why = match self.why_not_whole() {
                Ok(None) => return Ok(begun.elapsed()),
                Ok(Some(why)) => why,
                Err(error) => error.to_string(),
            };
            if begun.elapsed() > limit {
                return Err(format!("not whole after {limit:?}: {why}").into());
            }
            std::thread::sleep(LOOK_AGAIN);
        }
    }

    fn why_not_whole(&self) -> Result<Option<String>, Failure> {
        let status = self.status()?;
        let members = self.targets().all();
        let serving = status.nodes.iter().filter(|node| node.state == "SERVING").count();
        if serving < members.len() {
            return Ok(Some(format!("{serving} of {} nodes serve", members.len())));
        }
        let held = status.replication.ok_or("no word of how often all is held")?;
        if held.copies != held.copies_wanted {
            return Ok(Some(format!("{} of {} copies", held.copies, held.copies_wanted)));
        }
        let ready = |target: &&Target| {
            self.runtime.block_on(is_ready(target, ANSWER_MAX)).is_ok_and(|ready| ready)
        };
        let unready = members.iter().find(|target| !ready(target));
        Ok(unready.map(|target| format!("{} is not ready", target.http)))
    }

    /// Asks one node after the other until one answers.
    fn ask<T>(
        &self,
        limit: Duration,
        call: impl AsyncFn(Client) -> Result<T, CallError>,
    ) -> Result<T, Failure> {
        let mut last: Failure = "there is no node".into();
        for target in self.targets().all() {
            match self.ask_one(&target, limit, &call) {
                Ok(answer) => return Ok(answer),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    fn ask_one<T>(
        &self,
        target: &Target,
        limit: Duration,
        call: &impl AsyncFn(Client) -> Result<T, CallError>,
    ) -> Result<T, Failure> {
        let url = target.grpc_url();
        self.runtime.block_on(async {
            let client = tokio::time::timeout(ANSWER_MAX, Client::connect(&url));
            let client = client.await.map_err(|_| format!("{url}: no connection in time"))??;
            let answer = tokio::time::timeout(limit, call(client)).await;
            Ok(answer.map_err(|_| format!("{url}: no answer within {limit:?}"))??)
        })
    }
}
