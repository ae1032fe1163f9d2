//! Who runs the cluster while others use it: ends windows, moves leaders, and takes a node out
//! for good, whose place others take. As `varve cluster` does, over gRPC.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::sleep;
use varve_client::v1::NodeStatus;
use varve_client::{CallError, Client, RetryPolicy};
use varve_cluster_tests::{Action, Ended, Levers, World, note};
use varve_types::{NodeId, ShardId};

use super::grpc::client;
use super::load::Load;

/// Members change once late ones may be there.
const BEGINS: Duration = Duration::from_secs(12);

const POLL: Duration = Duration::from_millis(500);

/// An answer that takes longer is asked for again, somewhere else.
const ANSWER_WITHIN: Duration = Duration::from_secs(8);

pub(super) struct Operator {
    world: World,
    load: Load,
    levers: Levers,
}

impl Operator {
    pub(super) const fn new(world: World, load: Load, levers: Levers) -> Self {
        Self { world, load, levers }
    }

    /// Takes one of the founders out: one that is there, or one whose disk is gone.
    pub(super) async fn replace_one(self, done: Arc<Semaphore>) -> Ended {
        sleep(BEGINS + Duration::from_millis(self.below(10_000))).await;
        let founders = self.load.founders();
        let name = &founders[usize::try_from(self.below(founders.len() as u64))?];
        let is_dead = self.below(2) == 0;
        let address = format!("{name}:9432");
        let number = loop {
            let nodes = self.ask("nodes", async |client| client.nodes().await).await;
            if let Some(node) = nodes.iter().find(|node| node.peer_address == address) {
                break NodeId(node.node_id);
            }
            sleep(POLL).await;
        };
        if is_dead {
            self.levers.pull(Action::Retire { node: name.clone() });
        }
        note(format_args!("operator: {name} is drained"));
        self.ask("drain", async |client| client.drain(number).await).await;
        while !self.is_empty(number).await {
            sleep(POLL).await;
        }
        note(format_args!("operator: {name} is removed"));
        // It ends by itself when it hears of that.
        self.levers.pull(Action::Dismiss { node: name.clone() });
        while !self.is_gone(number).await {
            self.try_once("remove", async |client| client.remove(number).await).await;
            sleep(POLL).await;
        }
        if !is_dead {
            self.levers.pull(Action::Retire { node: name.clone() });
        }
        done.add_permits(1);
        Ok(())
    }

    /// Ends windows and moves leaders, until all is written. What is refused is refused.
    pub(super) async fn steer(self, writers: u64, done: Arc<Semaphore>) -> Ended {
        while done.available_permits() < usize::try_from(writers)? {
            sleep(Duration::from_millis(3_000 + self.below(9_000))).await;
            if self.below(3) == 0 {
                self.try_once("seal", async |client| client.seal().await).await;
                continue;
            }
            let open = ["OPEN".to_owned()];
            let shards = self.try_once("shards", async |client| client.shards(&open).await).await;
            let shards = shards.unwrap_or_default();
            if shards.is_empty() {
                continue;
            }
            let shard = &shards[usize::try_from(self.below(shards.len() as u64))?];
            let nodes = &shard.replica_nodes;
            let to = NodeId(nodes[usize::try_from(self.below(nodes.len() as u64))?]);
            let id = ShardId(shard.shard);
            let moved = async |client: Client| client.transfer_leader(id, to).await;
            self.try_once("transfer-leader", moved).await;
        }
        Ok(())
    }

    async fn is_empty(&self, number: NodeId) -> bool {
        let empty = |node: &NodeStatus| {
            (node.open_replicas, node.closed_replicas) == (0, 0) && node.metadata == "WATCHER"
        };
        let nodes = self.ask("nodes", async |client| client.nodes().await).await;
        // The node that answers may not have heard of the drain yet.
        let Some(node) = nodes.iter().find(|node| node.node_id == number.get()) else {
            return false;
        };
        let NodeStatus { state, metadata, open_replicas, closed_replicas, .. } = node;
        note(format_args!(
            "operator: node {number} is {state}, {metadata}, and holds {open_replicas} open and \
             {closed_replicas} closed shards"
        ));
        node.state != "SERVING" && empty(node)
    }

    async fn is_gone(&self, number: NodeId) -> bool {
        let nodes = self.ask("nodes", async |client| client.nodes().await).await;
        nodes.iter().all(|node| node.node_id != number.get())
    }

    /// Asks until there is an answer.
    async fn ask<T>(
        &self,
        what: &str,
        call: impl AsyncFn(Client) -> Result<T, CallError> + Copy,
    ) -> T {
        loop {
            if let Some(answer) = self.try_once(what, call).await {
                return answer;
            }
            sleep(POLL).await;
        }
    }

    async fn try_once<T>(
        &self,
        what: &str,
        call: impl AsyncFn(Client) -> Result<T, CallError>,
    ) -> Option<T> {
        match tokio::time::timeout(ANSWER_WITHIN, call(self.client())).await {
            Ok(Ok(answer)) => Some(answer),
            Ok(Err(error)) => {
                note(format_args!("operator: {what}: {error}"));
                None
            }
            Err(_) => {
                note(format_args!("operator: {what}: no answer"));
                None
            }
        }
    }

    /// A connection to one of the nodes.
    fn client(&self) -> Client {
        let names = self.load.names();
        let at = usize::try_from(self.below(names.len() as u64)).unwrap_or_default();
        let host = format!("{}:9431", names[at]);
        let policy = RetryPolicy { answer_timeout: ANSWER_WITHIN, ..RetryPolicy::default() };
        client(&self.world.env, &host).with_policy(policy)
    }

    fn below(&self, end: u64) -> u64 {
        self.world.env.random.next_u64() % end
    }
}
