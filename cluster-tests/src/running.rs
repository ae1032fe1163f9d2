//! A simulation that runs: steps turmoil, strikes between the steps, and watches.

use std::collections::{BTreeMap, VecDeque};
use std::future::pending;
use std::panic::panic_any;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, UNIX_EPOCH};

use varve_env::sim::{EPOCH, SimClock, SimDisk, Survival, world_with_clock};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::faults::Action;
use crate::observe::Observer;
use crate::panics::{self, ProcessEnd};
use crate::report::{Failure, Report};
use crate::simulation::{ClientPlan, NodePlan, Simulation, World};
use crate::{clocks, entropy, note, trace};

/// Virtual time a step: what tokio's timers can tell apart.
const TICK: Duration = Duration::from_millis(1);

/// A node that ended at a time of its own is restarted after this time.
const RESTART_AFTER: Duration = Duration::from_secs(1);

/// Connections that partitions break leak their ports, so there must be many.
const FIRST_EPHEMERAL_PORT: u16 = 10_000;

/// Segments that may wait at one host's sockets.
const TCP_CAPACITY: usize = 1 << 16;

/// What a node said when its process had to end.
type LastWords = Arc<Mutex<Option<String>>>;

struct Node {
    disk: SimDisk,
    clock: SimClock,
    last_words: LastWords,
    up: bool,
    /// Its disk was made to fail: it may end by itself.
    may_end: bool,
    /// Decides what its disk keeps when its power is cut.
    cut_seed: u64,
}

pub(crate) struct Running {
    seed: u64,
    sim: turmoil::Sim<'static>,
    nodes: BTreeMap<String, Node>,
    hosts: Vec<String>,
    todo: VecDeque<(Duration, Action)>,
    happened: BTreeMap<&'static str, u32>,
}

impl Running {
    /// Runs a simulation on this thread, which must be fresh.
    pub(crate) fn run(plan: Simulation) -> Result<Report, Failure> {
        let seed = plan.seed;
        entropy::seed_thread(Some(seed));
        clocks::advance_thread(Duration::ZERO);
        panics::watch();
        trace::start();
        let outcome = tracing::subscriber::with_default(Observer, || {
            let mut running = Self::new(plan);
            let outcome = running.go_on();
            trace::between_steps(Some(running.sim.elapsed()));
            outcome.map(|()| (running.sim.elapsed(), running.happened))
        });
        let (digest, events) = trace::finish();
        match outcome {
            Ok((elapsed, happened)) => Ok(Report { digest, elapsed, happened, events }),
            Err(what) => Err(Failure { seed, what, events }),
        }
    }

    fn new(plan: Simulation) -> Self {
        let epoch = UNIX_EPOCH + Duration::from_nanos(EPOCH.0.unsigned_abs());
        let mut sim = turmoil::Builder::new()
            .rng_seed(plan.seed)
            .epoch(epoch)
            .tick_duration(TICK)
            .simulation_duration(plan.duration_max)
            .max_message_latency(plan.latency_max)
            .ephemeral_ports(FIRST_EPHEMERAL_PORT..=u16::MAX)
            .tcp_capacity(TCP_CAPACITY)
            .enable_random_order()
            .build();
        let clients = plan.clients.iter().map(|client| client.name.clone());
        let hosts = plan.nodes.keys().cloned().chain(clients).collect();
        trace::between_steps(Some(Duration::ZERO));
        let nodes = plan
            .nodes
            .into_iter()
            .map(|(name, node)| (name.clone(), add_node(&mut sim, plan.seed, name, node)))
            .collect();
        for client in plan.clients {
            add_client(&mut sim, plan.seed, client);
        }
        Self {
            seed: plan.seed,
            sim,
            nodes,
            hosts,
            todo: plan.actions.into(),
            happened: BTreeMap::new(),
        }
    }

    fn go_on(&mut self) -> Result<(), String> {
        loop {
            let now = self.sim.elapsed();
            clocks::advance_thread(now);
            trace::between_steps(Some(now));
            while let Some((_, action)) = self.todo.pop_front_if(|(time, _)| *time <= now) {
                self.act(action);
            }
            self.collect_the_dead()?;
            trace::between_steps(None);
            let stepped = self.sim.step();
            trace::between_steps(Some(self.sim.elapsed()));
            if let Some(panic) = panics::first() {
                return Err(panic);
            }
            if stepped.map_err(|error| error.to_string())? {
                note("the clients have ended");
                return Ok(());
            }
        }
    }

    /// Takes down the nodes whose power was cut or that ended by themselves.
    fn collect_the_dead(&mut self) -> Result<(), String> {
        let names: Vec<String> = self.nodes.keys().cloned().collect();
        for name in names {
            let node = &self.nodes[&name];
            if !node.up {
                continue;
            }
            let last_words = node.last_words.lock().unwrap_or_else(PoisonError::into_inner).take();
            if node.disk.has_lost_power() {
                self.count("power cut while writing");
                let survival = Survival::Seeded(node_seed(self.nodes[&name].cut_seed, &name, 0));
                self.take_down(&name, survival);
                self.restart_later(name);
            } else if let Some(last_words) = last_words {
                if !node.may_end {
                    return Err(format!("{name} ended, and nothing was wrong: {last_words}"));
                }
                self.count("end after a disk fault");
                self.take_down(&name, Survival::Everything);
                self.restart_later(name);
            }
        }
        Ok(())
    }

    /// Plans the restart of a node that went down at a time of its own; if one was planned to
    /// come sooner, this one will find it up.
    fn restart_later(&mut self, node: String) {
        let back = self.sim.elapsed() + RESTART_AFTER;
        let place = self.todo.partition_point(|(time, _)| *time <= back);
        self.todo.insert(place, (back, Action::Restart { node }));
    }

    fn act(&mut self, action: Action) {
        let counted = action.name();
        let happened = match action {
            Action::Crash { node, survival } => self.take_down(&node, survival),
            Action::CutPower { node, changes, seed } => {
                let node = self.node(&node);
                if node.up {
                    node.disk.cut_power_after(changes);
                    node.cut_seed = seed;
                }
                // It is counted when it strikes.
                false
            }
            Action::Restart { node } => self.restart(&node),
            Action::Partition { side, other } => {
                note(format_args!("partition {side:?} from {other:?}"));
                self.every_pair(&side, &other, |sim, a, b| sim.partition(a, b));
                true
            }
            Action::Repair => {
                note("repair");
                let hosts = self.hosts.clone();
                self.every_pair(&hosts, &hosts, |sim, a, b| sim.repair(a, b));
                true
            }
            Action::Skew { node, skew_ns } => {
                note(format_args!("{node}: clock ahead by {skew_ns} ns"));
                self.node(&node).clock.set_skew_ns(skew_ns);
                true
            }
            Action::Capacity { node, bytes } => {
                note(format_args!("{node}: disk limit {bytes:?}"));
                self.node(&node).disk.set_capacity(bytes);
                true
            }
            Action::Disk { node, fault } => {
                note(format_args!("{node}: {fault:?}"));
                let node = self.node(&node);
                node.disk.inject(fault);
                node.may_end = true;
                true
            }
        };
        if happened {
            self.count(counted);
        }
    }

    /// Ends a node; answers whether it was up.
    fn take_down(&mut self, name: &str, survival: Survival) -> bool {
        let node = self.node(name);
        if !node.up {
            return false;
        }
        node.up = false;
        note(format_args!("{name}: down, {survival:?}"));
        // The disk first: destructors of the dying tasks must not reach it.
        self.node(name).disk.crash(survival);
        self.sim.crash(name);
        *self.node(name).last_words.lock().unwrap_or_else(PoisonError::into_inner) = None;
        true
    }

    /// Starts a node again; answers whether it was down.
    fn restart(&mut self, name: &str) -> bool {
        let node = self.node(name);
        if node.up {
            return false;
        }
        node.up = true;
        node.disk.heal();
        node.may_end = false;
        note(format_args!("{name}: up"));
        self.sim.bounce(name);
        true
    }

    fn every_pair(
        &self,
        side: &[String],
        other: &[String],
        act: impl Fn(&turmoil::Sim<'static>, &str, &str),
    ) {
        for a in side {
            for b in other.iter().filter(|b| *b != a) {
                act(&self.sim, a, b);
            }
        }
    }

    fn node(&mut self, name: &str) -> &mut Node {
        match self.nodes.get_mut(name) {
            Some(node) => node,
            None => {
                panic!("seed {}: an action names the node {name}, and there is none", self.seed)
            }
        }
    }

    fn count(&mut self, name: &'static str) {
        *self.happened.entry(name).or_default() += 1;
    }
}

fn add_node(sim: &mut turmoil::Sim<'static>, seed: u64, name: String, plan: NodePlan) -> Node {
    let NodePlan { disk, clock, start } = plan;
    let last_words = LastWords::default();
    let node = Node {
        disk: disk.clone(),
        clock: clock.clone(),
        last_words: Arc::clone(&last_words),
        up: true,
        may_end: false,
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

fn add_client(sim: &mut turmoil::Sim<'static>, seed: u64, plan: ClientPlan) {
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
fn node_seed(seed: u64, name: &str, life: u32) -> u64 {
    xxh3_64_with_seed(name.as_bytes(), seed.wrapping_mul(0x1_0000_0001).wrapping_add(life.into()))
}
