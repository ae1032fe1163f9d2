//! Nodes that end without warning, and start again on what their disks kept.

use std::ops::Range;
use std::time::Duration;

use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use varve_env::sim::Survival;

use super::{Action, Hazard, Hosts, Plan};

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

impl Hazard for Crashes {
    fn plan(&self, hosts: &Hosts, rng: &mut StdRng) -> Plan {
        let mut plan = Plan::new();
        let mut at = rng.random_range(self.every.clone());
        while at < self.until {
            let mut nodes = hosts.nodes.clone();
            nodes.shuffle(rng);
            nodes.truncate(rng.random_range(1..=self.at_once_max.clamp(1, nodes.len())));
            let manner = rng.random_range(0..3);
            let back = at + rng.random_range(self.down.clone());
            for node in nodes {
                plan.push((at, crash(manner, node.clone(), rng)));
                plan.push((back, Action::Restart { node }));
            }
            at += rng.random_range(self.every.clone());
        }
        plan
    }
}

fn crash(manner: u32, node: String, rng: &mut StdRng) -> Action {
    let seed = rng.random();
    match manner {
        0 => Action::Crash { node, survival: Survival::Everything },
        1 => Action::Crash { node, survival: Survival::Seeded(seed) },
        _ => Action::CutPower { node, changes: rng.random_range(0..50), seed },
    }
}
