//! Nodes: how many there are, how long their shards take writes, and how much is written.

use std::time::Duration;

use varve_cluster_tests::{Ended, World, note};
use varve_node::{CataloguePlace, Node, NodeOptions, RawConfig};

const NODE: &str = "node";

/// The first that joins later does after so long, and so does each that follows.
const LATE: Duration = Duration::from_secs(8);

/// How many nodes there are, how long a shard takes writes, and how much is written.
#[derive(Clone, Copy)]
pub(super) struct Load {
    pub(super) nodes: u64,
    /// How many of them join when the others have long been there.
    late: u64,
    window: &'static str,
    pub(super) batch_rows_max: u64,
}

/// Windows are rolled over again and again.
pub(super) const ROLLING: Load = Load { nodes: 1, late: 0, window: "10s", batch_rows_max: 60 };

/// One shard takes so much that its segments are merged while it does.
pub(super) const GROWING: Load = Load { nodes: 1, late: 0, window: "10m", batch_rows_max: 400 };

/// Every shard is on three nodes, each of which takes writes and answers.
pub(super) const REPLICATED: Load = Load { nodes: 3, late: 0, window: "20s", batch_rows_max: 40 };

/// Every shard is on three of five nodes, and five look after the catalog.
pub(super) const SPREAD: Load = Load { nodes: 5, late: 0, window: "20s", batch_rows_max: 40 };

/// Two of seven nodes watch the catalog that the others look after.
pub(super) const WIDE: Load = Load { nodes: 7, late: 0, window: "30s", batch_rows_max: 40 };

/// Three nodes that two more join.
pub(super) const CHANGING: Load = Load { nodes: 5, late: 2, window: "15s", batch_rows_max: 40 };

impl Load {
    pub(super) fn names(self) -> Vec<String> {
        match self.nodes {
            1 => vec![NODE.to_owned()],
            nodes => (1..=nodes).map(|node| format!("{NODE}-{node}")).collect(),
        }
    }

    /// One of the nodes, as `host:port` of its HTTP.
    pub(super) fn any_node(self, world: &World) -> String {
        let names = self.names();
        let at = if self.nodes == 1 { 0 } else { world.env.random.next_u64() % self.nodes };
        format!("{}:9430", names[usize::try_from(at).expect("few nodes")])
    }

    /// Those that are there from the start.
    pub(super) fn founders(self) -> Vec<String> {
        let mut names = self.names();
        names.truncate(usize::try_from(self.nodes - self.late).expect("few nodes"));
        names
    }

    /// Whom a node that is not the first joins.
    fn seeds(self, name: &str) -> Vec<String> {
        let founders = self.founders();
        if name == founders[0] {
            return Vec::new();
        }
        let others = founders.iter().filter(|founder| *founder != name);
        others.map(|founder| format!("{founder}:9432")).collect()
    }

    /// When a node is started for the first time.
    fn begins(self, name: &str) -> Duration {
        let founders = self.founders();
        let late = self.names().iter().skip(founders.len()).position(|late| late == name);
        late.map_or(Duration::ZERO, |at| LATE * u32::try_from(at + 1).expect("few nodes"))
    }
}

/// One life of a node.
pub(super) async fn run_node(world: World, load: Load) -> Ended {
    let now = turmoil::sim_elapsed().unwrap_or_default();
    tokio::time::sleep(load.begins(&world.name).saturating_sub(now)).await;
    let config = RawConfig {
        data_dir: "/varve-data".to_owned(),
        listen_http: "0.0.0.0:9430".to_owned(),
        listen_grpc: "0.0.0.0:9431".to_owned(),
        listen_peer: "0.0.0.0:9432".to_owned(),
        advertise_peer: format!("{}:9432", world.name),
        join: load.seeds(&world.name),
        insecure: true,
        window: load.window.to_owned(),
        // Small enough that tails are written out in every run.
        tail_size: "64 KiB".to_owned(),
        disk_free_min: "4 MiB".to_owned(),
        wal_file_size: "32 MiB".to_owned(),
        wal_reserve_size: "1 MiB".to_owned(),
        request_timeout: "5s".to_owned(),
        ..RawConfig::default()
    };
    let options =
        NodeOptions { env: world.env, on_fatal: world.on_fatal, catalogue: CataloguePlace::Memory };
    let node = Node::start(config.resolve()?, options).await?;
    note(format_args!("{}: serves", world.name));
    node.serve(std::future::pending()).await?;
    Ok(())
}
