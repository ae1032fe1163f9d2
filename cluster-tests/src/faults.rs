//! What is done to a simulated cluster, and plans of it drawn from a seed.
//!
//! A plan is data: it is drawn before the run begins, and depends on the seed and nothing else.

use std::ops::Range;
use std::time::Duration;

use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use varve_env::sim::{Fault, Survival};

/// One thing done to the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// A node ends without warning, and its disk crashes: [`Survival::Everything`] is a
    /// `kill -9`, the others a loss of power.
    Crash {
        /// The node.
        node: String,
        /// What its disk keeps.
        survival: Survival,
    },
    /// A node's power fails in the middle of its work, after it changed its disk so many times
    /// more; what was not synced is then decided by the seed.
    CutPower {
        /// The node.
        node: String,
        /// How many changes go through.
        changes: u64,
        /// Decides what its disk keeps.
        seed: u64,
    },
    /// A node that is down starts again on its disk.
    Restart {
        /// The node.
        node: String,
    },
    /// Messages between any of the ones and any of the others are lost.
    Partition {
        /// Hosts on one side.
        side: Vec<String>,
        /// Hosts on the other.
        other: Vec<String>,
    },
    /// All hosts reach each other again.
    Repair,
    /// A node's wall clock is wrong by so much from now on.
    Skew {
        /// The node.
        node: String,
        /// How much it is ahead, in nanoseconds.
        skew_ns: i64,
    },
    /// Something fails on a node's disk. The node may end by itself from now on, and is
    /// restarted.
    Disk {
        /// The node.
        node: String,
        /// What fails.
        fault: Fault,
    },
    /// A node's disk takes so many bytes from now on, by the lengths of its files; `None` lifts
    /// the limit.
    Capacity {
        /// The node.
        node: String,
        /// The limit.
        bytes: Option<u64>,
    },
}

impl Action {
    /// What a report counts it as.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Crash { survival: Survival::Everything, .. } => "kill",
            Self::Crash { .. } => "power loss",
            Self::CutPower { .. } => "power cut while writing",
            Self::Restart { .. } => "restart",
            Self::Partition { .. } => "partition",
            Self::Repair => "repair",
            Self::Skew { .. } => "clock skew",
            Self::Disk { .. } => "disk fault",
            Self::Capacity { .. } => "disk limit",
        }
    }
}

/// Nodes that crash and come back, again and again.
#[derive(Clone, Debug)]
pub struct Crashes {
    /// The time between two crashes.
    pub every: Range<Duration>,
    /// How long a node stays down.
    pub down: Range<Duration>,
    /// When the last one may come.
    pub until: Duration,
    /// How many nodes may go down together, for one reason.
    pub at_once_max: usize,
}

impl Default for Crashes {
    fn default() -> Self {
        Self {
            every: Duration::from_secs(1)..Duration::from_secs(10),
            down: Duration::from_millis(100)..Duration::from_secs(5),
            until: Duration::from_mins(1),
            at_once_max: 1,
        }
    }
}

impl Crashes {
    /// Draws what happens, and when.
    pub(crate) fn plan(&self, nodes: &[String], rng: &mut StdRng) -> Vec<(Duration, Action)> {
        let mut plan = Vec::new();
        let mut at = rng.random_range(self.every.clone());
        while at < self.until && !nodes.is_empty() {
            let victims = rng.random_range(1..=self.at_once_max.clamp(1, nodes.len()));
            let mut nodes = nodes.to_vec();
            nodes.shuffle(rng);
            let manner = rng.random_range(0..3);
            let back = at + rng.random_range(self.down.clone());
            for node in nodes.into_iter().take(victims) {
                let seed = rng.random();
                let power_loss =
                    Action::Crash { node: node.clone(), survival: Survival::Seeded(seed) };
                match manner {
                    0 => {
                        let survival = Survival::Everything;
                        plan.push((at, Action::Crash { node: node.clone(), survival }));
                    }
                    1 => plan.push((at, power_loss)),
                    _ => {
                        let changes = rng.random_range(0..50);
                        plan.push((at, Action::CutPower { node: node.clone(), changes, seed }));
                    }
                }
                plan.push((back, Action::Restart { node }));
            }
            at += rng.random_range(self.every.clone());
        }
        plan
    }
}

/// Hosts that cannot reach each other for a while, again and again.
#[derive(Clone, Debug)]
pub struct Partitions {
    /// The time between the beginnings of two.
    pub every: Range<Duration>,
    /// How long one lasts; the next begins after it ended.
    pub lasting: Range<Duration>,
    /// When the last one may come.
    pub until: Duration,
}

impl Default for Partitions {
    fn default() -> Self {
        Self {
            every: Duration::from_secs(2)..Duration::from_secs(15),
            lasting: Duration::from_millis(100)..Duration::from_secs(6),
            until: Duration::from_mins(1),
        }
    }
}

impl Partitions {
    /// Draws what happens, and when.
    pub(crate) fn plan(&self, hosts: &[String], rng: &mut StdRng) -> Vec<(Duration, Action)> {
        let mut plan = Vec::new();
        let mut at = rng.random_range(self.every.clone());
        while at < self.until && hosts.len() > 1 {
            let mut side = hosts.to_vec();
            side.shuffle(rng);
            let other = side.split_off(rng.random_range(1..side.len()));
            plan.push((at, Action::Partition { side, other }));
            let end = at + rng.random_range(self.lasting.clone());
            plan.push((end, Action::Repair));
            at = end + rng.random_range(self.every.clone());
        }
        plan
    }
}
