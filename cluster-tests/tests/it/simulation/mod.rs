//! A whole node, and a cluster of three, under crashes, lost power and partitions: what was
//! acknowledged is there, once, for the next query and for ever (G1, G2, G4).

mod client;
mod recorder;

use std::sync::Arc;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::sync::Semaphore;
use varve_cluster_tests::{Action, Crashes, Ended, Partitions, Simulation, World, note, seeds};
use varve_env::sim::{Action as DiskAction, Fault};
use varve_node::{CataloguePlace, Node, NodeOptions, RawConfig};

use self::client::Client;
use self::recorder::Recorder;

const NODE: &str = "node";
const WRITERS: u64 = 2;

/// How many nodes there are, how long a shard takes writes, and how much is written.
#[derive(Clone, Copy)]
struct Load {
    nodes: u64,
    window: &'static str,
    batch_rows_max: u64,
}

/// Windows are rolled over again and again.
const ROLLING: Load = Load { nodes: 1, window: "10s", batch_rows_max: 60 };

/// One shard takes so much that its segments are merged while it does.
const GROWING: Load = Load { nodes: 1, window: "10m", batch_rows_max: 400 };

/// Every shard is on three nodes, each of which takes writes and answers.
const REPLICATED: Load = Load { nodes: 3, window: "20s", batch_rows_max: 40 };

/// Every shard is on three of five nodes, and five look after the catalog.
const SPREAD: Load = Load { nodes: 5, window: "20s", batch_rows_max: 40 };

impl Load {
    fn names(self) -> Vec<String> {
        match self.nodes {
            1 => vec![NODE.to_owned()],
            nodes => (1..=nodes).map(|node| format!("{NODE}-{node}")).collect(),
        }
    }

    /// One of the nodes, as `host:port` of its HTTP.
    fn any_node(self, world: &World) -> String {
        let names = self.names();
        let at = if self.nodes == 1 { 0 } else { world.env.random.next_u64() % self.nodes };
        format!("{}:9430", names[usize::try_from(at).expect("few nodes")])
    }

    /// Whom a node that is not the first joins.
    fn seeds(self, name: &str) -> Vec<String> {
        let first = &self.names()[0];
        if name == first { Vec::new() } else { vec![format!("{first}:9432")] }
    }
}

async fn run_node(world: World, load: Load) -> Ended {
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

/// One node, its writers, and who checks when they are done. Nothing happens to them yet.
fn cluster(seed: u64) -> Simulation {
    cluster_under(seed, ROLLING)
}

fn cluster_under(seed: u64, load: Load) -> Simulation {
    let (recorder, done) = (Recorder::default(), Arc::new(Semaphore::new(0)));
    let mut simulation = Simulation::new(seed).duration_max(Duration::from_mins(20));
    for name in load.names() {
        simulation = simulation.node(&name, move |world| run_node(world, load));
    }
    for writer in 0..WRITERS {
        let (recorder, done) = (recorder.clone(), Arc::clone(&done));
        simulation = simulation.client(&format!("writer-{writer}"), move |world| {
            Client::new(world, load, recorder).write(writer, done)
        });
    }
    let (reads, is_read) = (recorder.clone(), Arc::clone(&done));
    simulation
        .client("reader", move |world| Client::new(world, load, reads).read(WRITERS, is_read))
        .client("checker", move |world| Client::new(world, load, recorder).check(WRITERS, done))
}

fn under_fire(seed: u64) -> Simulation {
    struck(cluster(seed))
}

/// Merges go on while crashes and partitions do.
fn merging_under_fire(seed: u64) -> Simulation {
    struck(cluster_under(seed, GROWING))
}

/// Three nodes, of which now this one and now that one is gone, or cut off from others.
fn replicated_under_fire(seed: u64) -> Simulation {
    struck(cluster_under(seed, REPLICATED))
}

/// Five nodes, any number of which lose power at the same time, or are cut off.
fn spread_under_fire(seed: u64) -> Simulation {
    let crashes = Crashes { at_once_max: 5, ..Crashes::default() };
    struck(cluster_under(seed, SPREAD)).crash_at_random(crashes)
}

fn struck(simulation: Simulation) -> Simulation {
    simulation.crash_at_random(Crashes::default()).partition_at_random(Partitions {
        lasting: Duration::from_millis(100)..Duration::from_secs(3),
        ..Partitions::default()
    })
}

/// Writes and syncs that fail, one every few seconds.
fn failing_disk(seed: u64) -> Simulation {
    failing_disks(seed, ROLLING)
}

/// The same with three nodes, now on this one and now on that.
fn failing_disks_of_three(seed: u64) -> Simulation {
    failing_disks(seed, REPLICATED)
}

fn failing_disks(seed: u64, load: Load) -> Simulation {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut simulation = cluster_under(seed, load);
    let names = load.names();
    for second in (2..40).step_by(4) {
        let kinds = [DiskAction::SyncData, DiskAction::Write, DiskAction::SyncDir];
        let action = kinds[rng.random_range(0..kinds.len())];
        let times = rng.random_range(1..=3);
        let fault = Fault { action, under: "/varve-data".into(), times };
        let at = Duration::from_millis(second * 1_000 + rng.random_range(0..4_000));
        let node = names[rng.random_range(0..names.len())].clone();
        simulation = simulation.at(at, Action::Disk { node, fault });
    }
    simulation
}

/// A disk that has no room for some seconds, again and again, and crashes beside.
fn filling_disk(seed: u64) -> Simulation {
    let mut simulation = cluster(seed).crash_at_random(Crashes::default());
    for second in (4..60).step_by(8) {
        for (after, bytes) in [(0, Some(0)), (5, None)] {
            let limit = Action::Capacity { node: NODE.to_owned(), bytes };
            simulation = simulation.at(Duration::from_secs(second + after), limit);
        }
    }
    simulation
}

/// The planted bug of all planted bugs: acknowledged before it is synced, because the disk says
/// that it is.
fn lying_disk(seed: u64) -> Simulation {
    let simulation = under_fire(seed);
    simulation.disk(NODE).lie_about_syncs();
    simulation
}

#[test]
fn a_quiet_node_stores_everything_once() {
    seeds::run_each("simulation::a_quiet_node_stores_everything_once", 1, cluster);
}

#[test]
fn acknowledged_records_survive_crashes_once() {
    let test = "simulation::acknowledged_records_survive_crashes_once";
    let happened = seeds::happened(&seeds::run_each(test, 6, under_fire));
    for fault in ["kill", "power loss", "power cut while writing", "partition"] {
        let missed = !seeds::is_replay() && !happened.contains_key(fault);
        assert!(!missed, "{fault} never happened: {happened:?}");
    }
}

#[test]
fn acknowledged_records_survive_crashes_of_three_nodes_once() {
    let test = "simulation::acknowledged_records_survive_crashes_of_three_nodes_once";
    let happened = seeds::happened(&seeds::run_each(test, 3, replicated_under_fire));
    for fault in ["kill", "power loss", "partition"] {
        let missed = !seeds::is_replay() && !happened.contains_key(fault);
        assert!(!missed, "{fault} never happened: {happened:?}");
    }
}

#[test]
fn acknowledged_records_survive_the_loss_of_all_power_once() {
    let test = "simulation::acknowledged_records_survive_the_loss_of_all_power_once";
    let happened = seeds::happened(&seeds::run_each(test, 3, spread_under_fire));
    for fault in ["kill", "power loss", "partition"] {
        let missed = !seeds::is_replay() && !happened.contains_key(fault);
        assert!(!missed, "{fault} never happened: {happened:?}");
    }
}

#[test]
fn acknowledged_records_survive_failing_disks_of_three_nodes_once() {
    let test = "simulation::acknowledged_records_survive_failing_disks_of_three_nodes_once";
    let happened = seeds::happened(&seeds::run_each(test, 3, failing_disks_of_three));
    for fault in ["disk fault", "end after a disk fault"] {
        let missed = !seeds::is_replay() && !happened.contains_key(fault);
        assert!(!missed, "{fault} never happened: {happened:?}");
    }
}

#[test]
fn three_quiet_nodes_store_everything_once() {
    let test = "simulation::three_quiet_nodes_store_everything_once";
    seeds::run_each(test, 1, |seed| cluster_under(seed, REPLICATED));
}

#[test]
fn merges_lose_nothing_to_crashes() {
    let test = "simulation::merges_lose_nothing_to_crashes";
    let happened = seeds::happened(&seeds::run_each(test, 4, merging_under_fire));
    assert!(seeds::is_replay() || happened.contains_key("power loss"), "{happened:?}");
    for (simulation, closed) in [(merging_under_fire(0), false), (under_fire(0), true)] {
        let merged = format!("closed={closed}");
        let events = simulation.run().events;
        let found = events.iter().any(|e| e.contains("segments merged") && e.contains(&merged));
        assert!(found, "no segments were merged while {merged}");
    }
}

#[test]
fn a_seed_repeats_a_whole_node_bit_for_bit() {
    let test = "simulation::a_seed_repeats_a_whole_node_bit_for_bit";
    let run = || seeds::run_each(test, 2, under_fire);
    assert_eq!(run(), run());
}

#[test]
fn a_seed_repeats_three_nodes_bit_for_bit() {
    let test = "simulation::a_seed_repeats_three_nodes_bit_for_bit";
    let run = || seeds::run_each(test, 2, replicated_under_fire);
    assert_eq!(run(), run());
}

#[test]
fn acknowledged_records_survive_a_failing_disk_once() {
    let test = "simulation::acknowledged_records_survive_a_failing_disk_once";
    let happened = seeds::happened(&seeds::run_each(test, 4, failing_disk));
    for fault in ["disk fault", "end after a disk fault"] {
        let missed = !seeds::is_replay() && !happened.contains_key(fault);
        assert!(!missed, "{fault} never happened: {happened:?}");
    }
}

#[test]
fn acknowledged_records_survive_a_full_disk_once() {
    let test = "simulation::acknowledged_records_survive_a_full_disk_once";
    let happened = seeds::happened(&seeds::run_each(test, 4, filling_disk));
    assert!(happened.contains_key("disk limit"), "{happened:?}");
}

#[test]
fn a_disk_that_lies_about_syncs_is_found_out() {
    let found = (0..3).filter_map(|seed| lying_disk(seed).try_run().err()).count();
    assert!(found > 0, "no seed noticed that nothing was ever synced");
}
