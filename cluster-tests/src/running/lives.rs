//! The lives of nodes and clients: what each begins with, and how it ends by itself.

use std::future::pending;
use std::panic::panic_any;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, PoisonError};

use varve_env::sim::{SimClock, SimDisk, Survival, world_with_clock};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::{LastWords, Node};
use crate::note;
use crate::panics::ProcessEnd;
use crate::simulation::{ClientPlan, NodePlan, World};

pub(super) fn add_node(
    sim: &mut turmoil::Sim<'static>,
    seed: u64,
    name: String,
    plan: NodePlan,
) -> Node {
    let NodePlan { disk, clock, start } = plan;
    let last_words = LastWords::default();
    let node = Node {
        disk: disk.clone(),
        clock: clock.clone(),
        last_words: Arc::clone(&last_words),
        up: true,
        is_retired: false,
        may_end: false,
        is_rotten: false,
        cut_seed: 0,
    };
    let lives = AtomicU32::new(0);
    sim.host(name.clone(), move || {
        let life = lives.fetch_add(1, Ordering::Relaxed) + 1;
        let world = World {
            env: world_with_clock(node_seed(seed, &name, life), &disk, &clock),
            on_fatal: end_process(name.clone(), disk.clone(), Arc::clone(&last_words)),
            name: name.clone(),
            life,
        };
        let software = start(world);
        let (name, last_words) = (name.clone(), Arc::clone(&last_words));
        async move {
            match software.await {
                Ok(()) => note(format_args!("{name}: ended")),
                Err(error) => {
                    note(format_args!("{name}: ended: {error}"));
                    say(&last_words, &error.to_string());
                }
            }
            // Turmoil spares the other tasks of a host whose software has ended, so it does not.
            pending().await
        }
    });
    node
}

pub(super) fn add_client(sim: &mut turmoil::Sim<'static>, seed: u64, plan: ClientPlan) {
    let ClientPlan { name, start } = plan;
    let (disk, clock) = (SimDisk::new(), SimClock::new());
    let world = World {
        env: world_with_clock(node_seed(seed, &name, 1), &disk, &clock),
        on_fatal: Arc::new(|what| panic!("a client must not go on: {what}")),
        name: name.clone(),
        life: 1,
    };
    sim.client(name, start(world));
}

/// What stands for the end of a process: from here on its disk is closed to it, and the task that
/// called is unwound. The harness takes the rest down before time goes on.
fn end_process(
    name: String,
    disk: SimDisk,
    last_words: LastWords,
) -> Arc<dyn Fn(&str) + Send + Sync> {
    Arc::new(move |what| {
        note(format_args!("{name}: fatal: {what}"));
        say(&last_words, what);
        if !disk.has_lost_power() {
            disk.crash(Survival::Everything);
        }
        panic_any(ProcessEnd)
    })
}

fn say(last_words: &LastWords, what: &str) {
    let mut last_words = last_words.lock().unwrap_or_else(PoisonError::into_inner);
    last_words.get_or_insert_with(|| what.to_owned());
}

/// Another seed for each life of each host.
pub(super) fn node_seed(seed: u64, name: &str, life: u32) -> u64 {
    xxh3_64_with_seed(name.as_bytes(), seed.wrapping_mul(0x1_0000_0001).wrapping_add(life.into()))
}
