//! A whole node, and a cluster of three, under crashes, lost power and partitions: what was
//! acknowledged is there, once, for the next query and for ever (G1, G2, G4).

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::Value;
use varve_cluster_tests::{Action, Crashes, Ended, Partitions, Simulation, World, note, seeds};
use varve_env::sim::{Action as DiskAction, Fault};
use varve_node::{CataloguePlace, Node, NodeOptions, RawConfig};

use crate::http::{Request, ask};

const NODE: &str = "node";
const WRITERS: u64 = 2;
const BATCHES: u64 = 40;
const ASK_AGAIN: Duration = Duration::from_millis(300);
const ANSWER_WITHIN: Duration = Duration::from_secs(8);

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

/// Messages, and whether they were acknowledged.
type Sent = Arc<Mutex<BTreeMap<String, bool>>>;

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

/// Appends batches one after the other, each until it is acknowledged, some of them twice, and
/// looks for each right after.
async fn write(world: World, writer: u64, load: Load, sent: Sent) -> Ended {
    for sequence in 1..=BATCHES {
        let size = 1 + world.env.random.next_u64() % load.batch_rows_max;
        let token = format!("w{writer}n{sequence}");
        let messages: Vec<String> =
            (0..size).map(|row| format!("{token} row{row} {}", noise(&world))).collect();
        let lines = messages.iter().zip(0..).map(|(message, row)| {
            serde_json::json!({ "service": format!("service-{}", row % 3), "message": message })
        });
        let body: String = lines.map(|line| format!("{line}\n")).collect();
        mark(&sent, &messages, false);
        append(&world, load, &format!("writer-{writer}:1:{sequence}"), &body).await?;
        mark(&sent, &messages, true);
        let path = format!("/api/v1/logs/search?query={token}&page_size=1000");
        let found = messages_of(&search(&world, load, &path).await?);
        for message in &messages {
            if !found.contains(message) {
                return Err(format!("acknowledged and not found at once: {message}").into());
            }
        }
        if world.env.random.next_u64().is_multiple_of(4) {
            append(&world, load, &format!("writer-{writer}:1:{sequence}"), &body).await?;
        }
        let pause = world.env.random.next_u64() % 1_000;
        tokio::time::sleep(Duration::from_millis(pause)).await;
    }
    Ok(())
}

/// Text that does not compress, so that tails fill up.
fn noise(world: &World) -> String {
    (0..12).map(|_| format!("{:016x}", world.env.random.next_u64())).collect()
}

fn mark(sent: &Sent, messages: &[String], acknowledged: bool) {
    let mut sent = sent.lock().expect("nobody panics while holding it");
    sent.extend(messages.iter().map(|message| (message.clone(), acknowledged)));
}

/// Appends until it is acknowledged. Resending is always safe.
async fn append(world: &World, load: Load, key: &str, body: &str) -> Ended {
    loop {
        let headers = format!("content-type: application/x-ndjson\r\nidempotency-key: {key}\r\n");
        let request = Request { method: "POST", path: "/api/v1/logs", headers, body };
        match answer(world, load, request).await {
            Ok((200, _)) => {
                note(format_args!("{key}: acknowledged"));
                return Ok(());
            }
            Ok((429 | 503, answer)) => note(format_args!("{key}: {answer}")),
            Ok((status, answer)) => return Err(format!("{key}: {status} {answer}").into()),
            Err(error) => note(format_args!("{key}: {error}")),
        }
        tokio::time::sleep(ASK_AGAIN).await;
    }
}

/// Searches until there is an answer.
async fn search(
    world: &World,
    load: Load,
    path: &str,
) -> Result<Value, Box<dyn std::error::Error>> {
    loop {
        let request = Request { method: "GET", path, headers: String::new(), body: "" };
        match answer(world, load, request).await {
            Ok((200, answer)) => return Ok(answer),
            Ok((429 | 503, answer)) => note(format_args!("search: {answer}")),
            Ok((status, answer)) => return Err(format!("{path}: {status} {answer}").into()),
            Err(error) => note(format_args!("search: {error}")),
        }
        tokio::time::sleep(ASK_AGAIN).await;
    }
}

async fn answer(world: &World, load: Load, request: Request<'_>) -> io::Result<(u16, Value)> {
    let node = load.any_node(world);
    tokio::time::timeout(ANSWER_WITHIN, ask(&world.env, &node, request)).await?
}

fn messages_of(answer: &Value) -> Vec<String> {
    let logs = answer["logs"].as_array().into_iter().flatten();
    logs.filter_map(|log| log["message"].as_str().map(str::to_owned)).collect()
}

/// After all writers: every page of everything, against what was sent.
async fn check(world: World, load: Load, sent: Sent) -> Ended {
    let (mut found, mut ids) = (Vec::new(), BTreeSet::new());
    for page in 1.. {
        let path = format!("/api/v1/logs/search?order=oldest&page_size=500&page={page}");
        let answer = search(&world, load, &path).await?;
        let messages = messages_of(&answer);
        if messages.is_empty() {
            if answer["total"] != found.len() {
                return Err(format!("total is {}, found {}", answer["total"], found.len()).into());
            }
            break;
        }
        for log in answer["logs"].as_array().into_iter().flatten() {
            if !ids.insert(log["log_id"].to_string()) {
                return Err(format!("an id twice: {log}").into());
            }
        }
        found.extend(messages);
    }
    let sent = sent.lock().expect("nobody panics while holding it");
    let once: BTreeSet<&String> = found.iter().collect();
    if once.len() != found.len() {
        return Err(format!("{} records are there more than once", found.len() - once.len()).into());
    }
    for (message, acknowledged) in &*sent {
        if *acknowledged && !once.contains(message) {
            return Err(format!("acknowledged and lost: {message}").into());
        }
    }
    if let Some(stranger) = once.iter().find(|message| !sent.contains_key(**message)) {
        return Err(format!("never sent: {stranger}").into());
    }
    note(format_args!("{} records are as they should be", found.len()));
    Ok(())
}

/// One node, its writers, and who checks when they are done. Nothing happens to them yet.
fn cluster(seed: u64) -> Simulation {
    cluster_under(seed, ROLLING)
}

fn cluster_under(seed: u64, load: Load) -> Simulation {
    let sent = Sent::default();
    let done = Arc::new(tokio::sync::Semaphore::new(0));
    let mut simulation = Simulation::new(seed).duration_max(Duration::from_mins(20));
    for name in load.names() {
        simulation = simulation.node(&name, move |world| run_node(world, load));
    }
    for writer in 0..WRITERS {
        let (sent, done) = (Arc::clone(&sent), Arc::clone(&done));
        simulation = simulation.client(&format!("writer-{writer}"), move |world| async move {
            write(world, writer, load, sent).await?;
            done.add_permits(1);
            Ok(())
        });
    }
    simulation.client("checker", move |world| async move {
        // Polled, because hosts' runtimes do not wake each other.
        while done.available_permits() < usize::try_from(WRITERS)? {
            tokio::time::sleep(ASK_AGAIN).await;
        }
        check(world, load, sent).await
    })
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

fn struck(simulation: Simulation) -> Simulation {
    simulation.crash_at_random(Crashes::default()).partition_at_random(Partitions {
        lasting: Duration::from_millis(100)..Duration::from_secs(3),
        ..Partitions::default()
    })
}

/// Writes and syncs that fail, one every few seconds.
fn failing_disk(seed: u64) -> Simulation {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut simulation = cluster(seed);
    for second in (2..40).step_by(4) {
        let kinds = [DiskAction::SyncData, DiskAction::Write, DiskAction::SyncDir];
        let action = kinds[rng.random_range(0..kinds.len())];
        let times = rng.random_range(1..=3);
        let fault = Fault { action, under: "/varve-data".into(), times };
        let at = Duration::from_millis(second * 1_000 + rng.random_range(0..4_000));
        simulation = simulation.at(at, Action::Disk { node: NODE.to_owned(), fault });
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
