//! Three nodes on loopback, and what they tell of themselves.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::super::questions;
use crate::Failure;
use crate::server::{End, ProcessorClock, Server};

/// How long nodes may take until everything is held three times.
const WHOLE_MAX: Duration = Duration::from_secs(60);

pub(super) struct Nodes {
    all: Vec<Server>,
}

impl Nodes {
    /// Starts three, and waits until everything is held three times.
    pub(super) fn start() -> Result<Self, Failure> {
        Self::start_with(&[])
    }

    /// The same, with flags for the node whose settings are the cluster's.
    pub(super) fn start_with(flags: &[&str]) -> Result<Self, Failure> {
        let first = Server::start_with(flags)?;
        let (second, third) = (first.join()?, first.join()?);
        let nodes = Self { all: vec![first, second, third] };
        nodes.wait_until_whole()?;
        Ok(nodes)
    }

    pub(super) fn wait_until_whole(&self) -> Result<(), Failure> {
        let begun = Instant::now();
        loop {
            let status = self.status()?;
            let held = &status["replication"];
            if held["possible"] == 3 && held["copies"] == held["copies_wanted"] {
                break;
            }
            if begun.elapsed() > WHOLE_MAX {
                return Err(format!("not everything is held three times: {status:#}").into());
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        self.all.iter().try_for_each(Server::wait_until_ready)
    }

    pub(super) fn all(&self) -> &[Server] {
        &self.all
    }

    pub(super) fn endpoints(&self) -> Vec<&str> {
        self.all.iter().map(Server::grpc).collect()
    }

    pub(super) fn clock(&self) -> ProcessorClock {
        ProcessorClock::of_all(&self.all)
    }

    /// What the first node tells of the cluster.
    pub(super) fn status(&self) -> Result<Value, Failure> {
        status(&self.all[0])
    }

    /// Every node must find so many rows, and have a replica of every shard.
    pub(super) fn check(&self, rows: u64) -> Result<(), Failure> {
        let status = self.status()?;
        let shards = status["shards"].as_array().ok_or("no shards in the status")?;
        let held = |shard: &Value| shard["replica_nodes"].as_array().map(Vec::len);
        if let Some(shard) = shards.iter().find(|shard| held(shard) != Some(self.all.len())) {
            return Err(format!("not on all nodes: {shard:#}").into());
        }
        for server in &self.all {
            let total = questions::total(server.http())?;
            if total != rows {
                return Err(format!("{total} rows are found, of {rows} acknowledged").into());
            }
        }
        Ok(())
    }

    /// Kills the node that leads most open shards, has `measure` look at the two that are left,
    /// and starts it again.
    pub(super) fn without_leader<T>(
        &mut self,
        measure: impl FnOnce(&[Server]) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let status = self.status()?;
        let nodes = status["nodes"].as_array().ok_or("no nodes in the status")?;
        let leader = nodes.iter().max_by_key(|node| node["leads"].as_u64());
        let leader = leader.ok_or("nobody leads")?["node_id"].clone();
        let mut place = None;
        for (at, server) in self.all.iter().enumerate() {
            if self::status(server)?["node_id"] == leader {
                place = Some(at);
            }
        }
        let leader = self.all.remove(place.ok_or("the leader is not among the nodes")?);
        let peers = leader.peers().to_owned();
        let dir = leader.end(End::Killed)?;
        let measured = measure(&self.all)?;
        self.all.push(Server::start_on(dir, &peers, &[])?);
        self.wait_until_whole()?;
        Ok(measured)
    }
}

fn status(server: &Server) -> Result<Value, Failure> {
    let output = server.run(&["cluster", "status", "--output", "json"])?;
    Ok(serde_json::from_str(&output)?)
}
