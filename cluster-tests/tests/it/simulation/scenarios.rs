//! Scenarios: how many nodes there are, what is written, and what goes wrong meanwhile.

use std::slice;
use std::sync::Arc;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::{IndexedRandom, SliceRandom};
use rand::{Rng, SeedableRng};
use tokio::sync::Semaphore;
use varve_cluster_tests::{
    Action, Clogs, Crashes, Delays, Episodes, FailingDisks, FullDisks, Losses, Partitions, Rot,
    Simulation, Skews, SlowDisks,
};
use varve_env::sim::Survival;

use super::client::Client;
use super::load::{CHANGING, GROWING, Load, REPLICATED, ROLLING, SPREAD, WIDE, run_node};
use super::operator::Operator;
use super::recorder::Recorder;

const WRITERS: u64 = 2;

/// Makes the choices of a scenario others than those of the plans, which are drawn from the same
/// seed.
const CHOICES: u64 = 0x7377_6172_6d00_0000;

/// How likely it is that a hazard is one of a swarm, in percent.
const IN_SWARM_PERCENT: u32 = 30;

/// One node, its writers, and who checks when they are done. Nothing happens to them yet.
pub(super) fn quiet(seed: u64) -> Simulation {
    cluster(seed, ROLLING)
}

/// The same with three nodes.
pub(super) fn three_quiet(seed: u64) -> Simulation {
    cluster(seed, REPLICATED)
}

/// One node that crashes, loses power, and is cut off from its clients.
pub(super) fn under_fire(seed: u64) -> Simulation {
    struck(quiet(seed))
}

/// Merges go on while crashes and partitions do.
pub(super) fn merging_under_fire(seed: u64) -> Simulation {
    struck(cluster(seed, GROWING))
}

/// Three nodes, of which now this one and now that one is gone, or cut off from others.
pub(super) fn replicated_under_fire(seed: u64) -> Simulation {
    struck(three_quiet(seed))
}

/// Five nodes, any number of which lose power at the same time, or are cut off.
pub(super) fn spread_under_fire(seed: u64) -> Simulation {
    let crashes = Crashes { at_once_max: 5, ..Crashes::default() };
    struck(cluster(seed, SPREAD)).under(crashes)
}

/// Five nodes on a network that does everything that a network does.
pub(super) fn bad_network(seed: u64) -> Simulation {
    cluster(seed, SPREAD)
        .under(short_partitions())
        .under(Clogs::default())
        .under(Delays::default())
        .under(Losses::default())
}

/// Three nodes whose clocks are wrong, and that crash.
pub(super) fn wrong_clocks(seed: u64) -> Simulation {
    three_quiet(seed).under(Skews::default()).under(Crashes::default())
}

/// Writes and syncs that fail, one every few seconds.
pub(super) fn failing_disk(seed: u64) -> Simulation {
    quiet(seed).under(FailingDisks::default())
}

/// The same with three nodes, now on this one and now on that, and slow ones between.
pub(super) fn failing_disks_of_three(seed: u64) -> Simulation {
    three_quiet(seed).under(FailingDisks::default()).under(SlowDisks::default())
}

/// A disk that has no room for some seconds, again and again, and crashes beside.
pub(super) fn filling_disk(seed: u64) -> Simulation {
    quiet(seed).under(FullDisks::default()).under(Crashes::default())
}

/// Three nodes, one of which has a disk that rots.
pub(super) fn rotting_disk(seed: u64) -> Simulation {
    three_quiet(seed).under(Rot::default())
}

/// Three nodes. Of the two that have what was acknowledged last, one has a log that rots, and the
/// other is away while it comes back; again and again.
pub(super) fn last_copy_rots(seed: u64) -> Simulation {
    let mut rng = StdRng::seed_from_u64(seed ^ CHOICES);
    let mut nodes = REPLICATED.names();
    nodes.shuffle(&mut rng);
    let [behind, rotten, away] = nodes.try_into().expect("three nodes");
    let newest = [rotten.clone(), away.clone()];
    let mut simulation = three_quiet(seed);
    for start in [8, 28, 48].map(Duration::from_secs) {
        let down = start + Duration::from_millis(rng.random_range(3_000..5_000));
        let crash = |node: &String| {
            let survival = Survival::Everything;
            Action::Crash { node: node.clone(), survival }
        };
        let (within, seed) = ("/varve-data/wal".into(), rng.random());
        for (time, action) in [
            (start, Action::split(slice::from_ref(&behind), &newest)),
            (down, crash(&rotten)),
            (down, crash(&away)),
            (down, Action::Rot { node: rotten.clone(), within, seed }),
            (down, Action::Repair),
            (down + Duration::from_millis(500), Action::Restart { node: rotten.clone() }),
            (down + Duration::from_secs(8), Action::Restart { node: away.clone() }),
        ] {
            simulation = simulation.at(time, action);
        }
    }
    simulation
}

/// Three nodes, one of which now and then does not reach the others for so long that they elect
/// another leader.
pub(super) fn cut_off(seed: u64) -> Simulation {
    let lasting = Duration::from_secs(3)..Duration::from_secs(8);
    three_quiet(seed).under(Partitions(Episodes { lasting, ..Episodes::default() }))
}

/// Three nodes with slow disks, of which now this one and now that one is gone, or cut off.
pub(super) fn slow_under_fire(seed: u64) -> Simulation {
    replicated_under_fire(seed).under(SlowDisks::default())
}

/// Three nodes that others join, and one of which is taken out or loses its disk, while shards are
/// sealed, leaders are moved, and nodes crash.
pub(super) fn changing_members(seed: u64) -> Simulation {
    operated(seed, CHANGING).under(Crashes::default())
}

/// As many nodes as the seed says, and whatever it says, all at the same time.
pub(super) fn swarm(seed: u64) -> Simulation {
    let mut rng = StdRng::seed_from_u64(seed ^ CHOICES);
    let loads = [ROLLING, GROWING, REPLICATED, REPLICATED, SPREAD, SPREAD, WIDE];
    let load = *loads.choose(&mut rng).expect("there are some");
    let mut simulation = cluster(seed, load);
    let mut takes_part = || rng.random_range(0..100) < IN_SWARM_PERCENT;
    if takes_part() {
        simulation = simulation.under(Crashes::default());
    }
    if takes_part() {
        let at_once_max = usize::try_from(load.nodes).expect("few nodes");
        let every = Duration::from_secs(10)..Duration::from_secs(30);
        simulation = simulation.under(Crashes { at_once_max, every, ..Crashes::default() });
    }
    if takes_part() {
        simulation = simulation.under(short_partitions());
    }
    if takes_part() {
        simulation = simulation.under(Clogs::default());
    }
    if takes_part() {
        simulation = simulation.under(Delays::default());
    }
    if takes_part() {
        simulation = simulation.under(Losses::default());
    }
    if takes_part() {
        simulation = simulation.under(Skews::default());
    }
    if takes_part() {
        simulation = simulation.under(SlowDisks::default());
    }
    if takes_part() {
        simulation = simulation.under(FailingDisks::default());
    }
    if takes_part() {
        simulation = simulation.under(FullDisks::default());
    }
    simulation
}

/// The planted bug of all planted bugs: acknowledged before it is synced, because the disk says
/// that it is.
pub(super) fn lying_disk(seed: u64) -> Simulation {
    let simulation = under_fire(seed);
    simulation.disk(&ROLLING.names()[0]).lie_about_syncs();
    simulation
}

fn struck(simulation: Simulation) -> Simulation {
    simulation.under(Crashes::default()).under(short_partitions())
}

fn short_partitions() -> Partitions {
    let lasting = Duration::from_millis(100)..Duration::from_secs(3);
    Partitions(Episodes { lasting, ..Episodes::default() })
}

fn cluster(seed: u64, load: Load) -> Simulation {
    used(seed, load, WRITERS, &nobody_is_done())
}

/// The same, with operators: who checks waits for the one that replaces a node as well.
fn operated(seed: u64, load: Load) -> Simulation {
    let done = nobody_is_done();
    let simulation = used(seed, load, WRITERS + 1, &done);
    let (levers, steers, is_done) = (simulation.levers(), simulation.levers(), Arc::clone(&done));
    simulation
        .client("operator", move |world| Operator::new(world, load, levers).replace_one(done))
        .client("steersman", move |world| {
            Operator::new(world, load, steers).steer(WRITERS + 1, is_done)
        })
}

/// Nodes, writers, a reader, and who checks once so many have said that they are done.
fn used(seed: u64, load: Load, all: u64, done: &Arc<Semaphore>) -> Simulation {
    let recorder = Recorder::default();
    let mut simulation = Simulation::new(seed).duration_max(Duration::from_mins(20));
    for name in load.names() {
        simulation = simulation.node(&name, move |world| run_node(world, load));
    }
    for writer in 0..WRITERS {
        let (recorder, done) = (recorder.clone(), Arc::clone(done));
        simulation = simulation.client(&format!("writer-{writer}"), move |world| {
            Client::new(world, load, recorder).write(writer, done)
        });
    }
    let (reads, is_read, done) = (recorder.clone(), Arc::clone(done), Arc::clone(done));
    simulation
        .client("reader", move |world| Client::new(world, load, reads).read(WRITERS, all, is_read))
        .client("checker", move |world| {
            Client::new(world, load, recorder).check(WRITERS, all, done)
        })
}

fn nobody_is_done() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(0))
}
