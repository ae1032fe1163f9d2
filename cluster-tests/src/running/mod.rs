//! A simulation that runs: steps turmoil, strikes between the steps, and watches.

mod acts;
mod lives;

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, UNIX_EPOCH};

use varve_env::sim::{EPOCH, SimClock, SimDisk, Survival};

use self::lives::{add_client, add_node, node_seed};
use crate::faults::{Action, Hosts};
use crate::levers::Levers;
use crate::observe::Observer;
use crate::panics;
use crate::report::{Failure, Report};
use crate::simulation::Simulation;
use crate::{clocks, entropy, note, trace};

/// Virtual time a step: what tokio's timers can tell apart.
const TICK: Duration = Duration::from_millis(1);

/// A node that ended at a time of its own is restarted after this time.
const RESTART_AFTER: Duration = Duration::from_secs(1);

/// Connections that partitions break leak their ports, so there must be many.
const FIRST_EPHEMERAL_PORT: u16 = 10_000;

/// How likely it is that a link which lost a message carries the next one.
const LINK_REPAIR_RATE: f64 = 0.2;

/// Segments that may wait at one host's sockets.
const TCP_CAPACITY: usize = 1 << 16;

/// What a node said when its process had to end.
type LastWords = Arc<Mutex<Option<String>>>;

struct Node {
    disk: SimDisk,
    clock: SimClock,
    last_words: LastWords,
    up: bool,
    /// Once it is down it stays so.
    is_retired: bool,
    /// Its disk was made to fail: it may end by itself.
    may_end: bool,
    /// A file on it is not what was written, and may never be again.
    is_rotten: bool,
    /// Decides what its disk keeps when its power is cut.
    cut_seed: u64,
}

pub(crate) struct Running {
    seed: u64,
    sim: turmoil::Sim<'static>,
    nodes: BTreeMap<String, Node>,
    hosts: Hosts,
    latency_max: Duration,
    todo: VecDeque<(Duration, Action)>,
    levers: Levers,
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
        let outcome = tracing::subscriber::with_default(Observer::new(), || {
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
            .repair_rate(LINK_REPAIR_RATE)
            .ephemeral_ports(FIRST_EPHEMERAL_PORT..=u16::MAX)
            .tcp_capacity(TCP_CAPACITY)
            .enable_random_order()
            .build();
        let hosts = plan.hosts();
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
            latency_max: plan.latency_max,
            todo: plan.actions.into(),
            levers: plan.levers,
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
            for action in self.levers.take() {
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

    fn count(&mut self, name: &'static str) {
        *self.happened.entry(name).or_default() += 1;
    }
}
