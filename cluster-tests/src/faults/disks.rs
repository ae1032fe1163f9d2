//! Disks that fail, are full, are slow, or rot.

use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use varve_env::sim::{Action as DiskAction, Fault, Survival};

use super::{Action, Episodes, Hazard, Hosts, Plan};

/// Calls to a disk that end with an error, a few in a row.
#[derive(Clone, Debug)]
pub struct FailingDisks {
    /// The time between two failures.
    pub every: Range<Duration>,
    /// When the last one may come.
    pub until: Duration,
    /// Which calls.
    pub actions: Vec<DiskAction>,
}

impl Default for FailingDisks {
    fn default() -> Self {
        Self {
            every: Duration::from_secs(1)..Duration::from_secs(7),
            until: Duration::from_secs(45),
            actions: vec![DiskAction::SyncData, DiskAction::Write, DiskAction::SyncDir],
        }
    }
}

impl Hazard for FailingDisks {
    fn plan(&self, hosts: &Hosts, rng: &mut StdRng) -> Plan {
        let mut plan = Plan::new();
        let mut at = rng.random_range(self.every.clone());
        while at < self.until {
            let action = *self.actions.choose(rng).expect("BUG: no call is to fail");
            let times = rng.random_range(1..=3);
            let fault = Fault { action, under: "/".into(), times };
            plan.push((at, Action::Disk { node: hosts.any_node(rng), fault }));
            at += rng.random_range(self.every.clone());
        }
        plan
    }
}

/// Disks without any room for a while.
#[derive(Clone, Debug, Default)]
pub struct FullDisks(pub Episodes);

impl Hazard for FullDisks {
    fn plan(&self, hosts: &Hosts, rng: &mut StdRng) -> Plan {
        self.0.of_one_node(hosts, rng, |node, _| {
            [Some(0), None].map(|bytes| Action::Capacity { node: node.clone(), bytes })
        })
    }
}

/// Disks that take long for everything for a while.
#[derive(Clone, Debug)]
pub struct SlowDisks {
    /// When.
    pub episodes: Episodes,
    /// The longest time that one job then takes.
    pub job_max: Duration,
}

impl Default for SlowDisks {
    fn default() -> Self {
        Self { episodes: Episodes::default(), job_max: Duration::from_millis(500) }
    }
}

impl Hazard for SlowDisks {
    fn plan(&self, hosts: &Hosts, rng: &mut StdRng) -> Plan {
        self.episodes.of_one_node(hosts, rng, |node, rng| {
            let job = rng.random_range(self.job_max / 50..self.job_max);
            [Some(job), None].map(|job| Action::SlowDisk { node: node.clone(), job })
        })
    }
}

/// One node's disk, on which files change behind its back: bits flip, files end early, pages
/// are written to the wrong place. The node is killed with it, so that it also reads what it only
/// reads when it starts.
#[derive(Clone, Debug)]
pub struct Rot {
    /// The time between two changes.
    pub every: Range<Duration>,
    /// How long the node stays down.
    pub down: Range<Duration>,
    /// When the last one may come.
    pub until: Duration,
}

impl Default for Rot {
    fn default() -> Self {
        Self {
            every: Duration::from_secs(5)..Duration::from_secs(20),
            down: Duration::from_secs(4)..Duration::from_secs(8),
            until: Duration::from_mins(1),
        }
    }
}

impl Hazard for Rot {
    fn plan(&self, hosts: &Hosts, rng: &mut StdRng) -> Plan {
        let mut plan = Plan::new();
        // One disk alone: what two lose of three is lost.
        let node = hosts.any_node(rng);
        let mut at = rng.random_range(self.every.clone());
        while at < self.until {
            let survival = Survival::Everything;
            let back = at + rng.random_range(self.down.clone());
            plan.push((at, Action::Crash { node: node.clone(), survival }));
            let (within, seed) = (PathBuf::from("/"), rng.random());
            plan.push((at, Action::Rot { node: node.clone(), within, seed }));
            plan.push((back, Action::Restart { node: node.clone() }));
            at = back + rng.random_range(self.every.clone());
        }
        plan
    }
}
