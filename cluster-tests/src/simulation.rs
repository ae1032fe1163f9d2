//! A simulation as it is put together: nodes, clients, and what happens to them.

use std::collections::BTreeMap;
use std::error::Error;
use std::pin::Pin;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use rand::SeedableRng;
use rand::rngs::StdRng;
use varve_env::Env;
use varve_env::sim::{SimClock, SimDisk};

use crate::faults::{Action, Hazard, Hosts, Plan};
use crate::levers::Levers;
use crate::report::{Failure, Report};
use crate::running::Running;

/// Deep futures of unoptimised builds need more than the default.
const STACK_BYTES: usize = 16 << 20;

/// How a node or client ended.
pub type Ended = Result<(), Box<dyn Error>>;

pub(crate) type Software = Pin<Box<dyn Future<Output = Ended>>>;

/// What one life of a node or client gets.
#[derive(Clone)]
pub struct World {
    /// Its host name.
    pub name: String,
    /// Counts its lives, from 1.
    pub life: u32,
    /// Everything else that it meets.
    pub env: Env,
    /// Ends the process that it stands for, as `abort` would. Never returns to its caller.
    pub on_fatal: Arc<dyn Fn(&str) + Send + Sync>,
}

pub(crate) struct NodePlan {
    pub(crate) disk: SimDisk,
    pub(crate) clock: SimClock,
    pub(crate) start: Box<dyn Fn(World) -> Software + Send>,
}

pub(crate) struct ClientPlan {
    pub(crate) name: String,
    pub(crate) start: Box<dyn FnOnce(World) -> Software + Send>,
}

/// A simulation that has not begun. It ends when all clients have.
#[must_use = "nothing happens before `run`"]
pub struct Simulation {
    pub(crate) seed: u64,
    pub(crate) duration_max: Duration,
    pub(crate) latency_max: Duration,
    pub(crate) nodes: BTreeMap<String, NodePlan>,
    pub(crate) clients: Vec<ClientPlan>,
    pub(crate) actions: Plan,
    pub(crate) levers: Levers,
    hazards: Vec<Box<dyn Hazard + Send>>,
}

impl Simulation {
    /// A world without anybody in it.
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            duration_max: Duration::from_mins(10),
            latency_max: Duration::from_millis(10),
            nodes: BTreeMap::new(),
            clients: Vec::new(),
            actions: Vec::new(),
            levers: Levers::default(),
            hazards: Vec::new(),
        }
    }

    /// The virtual time after which clients that have not ended count as stuck; ten minutes if
    /// nothing is said.
    pub fn duration_max(mut self, duration: Duration) -> Self {
        self.duration_max = duration;
        self
    }

    /// The longest time that a message takes; 10 ms if nothing is said.
    pub fn latency_max(mut self, latency: Duration) -> Self {
        self.latency_max = latency;
        self
    }

    /// A node: `start` makes its software, in each of its lives. Others reach it by its name.
    ///
    /// Software that ends with an error fails the run, unless its disk was made to fail.
    pub fn node<S, F>(mut self, name: &str, start: S) -> Self
    where
        S: Fn(World) -> F + Send + 'static,
        F: Future<Output = Ended> + 'static,
    {
        let start = Box::new(move |world| Box::pin(start(world)) as Software);
        let plan = NodePlan { disk: SimDisk::new(), clock: SimClock::new(), start };
        let before = self.nodes.insert(name.to_owned(), plan);
        assert!(before.is_none(), "there are two nodes with the name {name}");
        self
    }

    /// A client: it lives once, nothing strikes it, and it fails the run when it fails.
    pub fn client<S, F>(mut self, name: &str, start: S) -> Self
    where
        S: FnOnce(World) -> F + Send + 'static,
        F: Future<Output = Ended> + 'static,
    {
        let start = Box::new(move |world| Box::pin(start(world)) as Software);
        self.clients.push(ClientPlan { name: name.to_owned(), start });
        self
    }

    /// Does something at a virtual time.
    pub fn at(mut self, time: Duration, action: Action) -> Self {
        self.actions.push((time, action));
        self
    }

    /// Lets something go wrong; the seed says when, how and to whom.
    pub fn under(mut self, hazard: impl Hazard + Send + 'static) -> Self {
        self.hazards.push(Box::new(hazard));
        self
    }

    /// What a client may use to have the harness do something.
    #[must_use]
    pub fn levers(&self) -> Levers {
        self.levers.clone()
    }

    /// The disk of a node, to look at it after the run or to prepare it before.
    ///
    /// # Panics
    ///
    /// When there is no such node.
    #[must_use]
    pub fn disk(&self, node: &str) -> SimDisk {
        match self.nodes.get(node) {
            Some(node) => node.disk.clone(),
            None => panic!("there is no node with the name {node}"),
        }
    }

    /// Runs to the end.
    ///
    /// # Panics
    ///
    /// When the run finds something: with the last events and the seed.
    pub fn run(self) -> Report {
        match self.try_run() {
            Ok(report) => report,
            Err(failure) => panic!("{failure}"),
        }
    }

    /// Runs to the end, in a thread of its own.
    ///
    /// # Errors
    ///
    /// What the run found.
    pub fn try_run(mut self) -> Result<Report, Failure> {
        let seed = self.seed;
        self.draw_plans();
        let thread = thread::Builder::new()
            .name(format!("simulation {seed}"))
            .stack_size(STACK_BYTES)
            .spawn(move || Running::run(self))
            .unwrap_or_else(|error| panic!("cannot start a thread for the simulation: {error}"));
        match thread.join() {
            Ok(done) => done,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }

    pub(crate) fn hosts(&self) -> Hosts {
        let clients = self.clients.iter().map(|client| client.name.clone());
        Hosts { nodes: self.nodes.keys().cloned().collect(), clients: clients.collect() }
    }

    /// Draws what the seed says will happen, in the order of its times.
    fn draw_plans(&mut self) {
        let (hosts, mut rng) = (self.hosts(), StdRng::seed_from_u64(self.seed));
        for hazard in &self.hazards {
            self.actions.extend(hazard.plan(&hosts, &mut rng));
        }
        self.actions.sort_by_key(|(time, _)| *time);
    }
}
