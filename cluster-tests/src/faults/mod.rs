//! What is done to a simulated cluster, and plans of it drawn from a seed.
//!
//! A plan is data: it is drawn before the run begins, and depends on the seed and nothing else.

mod crashes;
mod disks;
mod episodes;
mod network;
mod partitions;
mod skews;

use std::path::PathBuf;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use varve_env::sim::{Fault, Survival};

pub use crashes::Crashes;
pub use disks::{FailingDisks, FullDisks, Rot, SlowDisks};
pub use episodes::Episodes;
pub use network::{Clogs, Delays, Losses};
pub use partitions::{Partitions, Shape};
pub use skews::Skews;

/// What happens, and when. In any order.
pub type Plan = Vec<(Duration, Action)>;

/// Something that may go wrong again and again.
pub trait Hazard {
    /// Draws what happens to these hosts, and when. Whatever it brings it also takes away, in the
    /// same plan.
    fn plan(&self, hosts: &Hosts, rng: &mut StdRng) -> Plan;
}

/// Who is in a simulation.
#[derive(Clone, Debug)]
pub struct Hosts {
    /// Those that are struck: at least one.
    pub nodes: Vec<String>,
    /// Those that are not, but for what the network does to them.
    pub clients: Vec<String>,
}

impl Hosts {
    fn any_node(&self, rng: &mut StdRng) -> String {
        self.nodes.choose(rng).expect("BUG: a simulation without nodes").clone()
    }

    /// All of them.
    pub(crate) fn all(&self) -> Vec<String> {
        self.nodes.iter().chain(&self.clients).cloned().collect()
    }

    /// All links, each once.
    pub(crate) fn pairs(&self) -> Vec<(String, String)> {
        let (all, mut pairs) = (self.all(), Vec::new());
        for (at, one) in all.iter().enumerate() {
            pairs.extend(all[at + 1..].iter().map(|other| (one.clone(), other.clone())));
        }
        pairs
    }
}

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
    /// A node may end by itself from now on, and then stays down.
    Dismiss {
        /// The node.
        node: String,
    },
    /// A node ends for good: nothing that is planned for it happens any more.
    Retire {
        /// The node.
        node: String,
    },
    /// Hosts lose sight of each other.
    Partition {
        /// In which way.
        shape: Shape,
        /// From whom messages are lost, and to whom.
        lost: Vec<(String, String)>,
    },
    /// All hosts reach each other again.
    Repair,
    /// Nothing moves on a link, and nothing is lost on it.
    Clog {
        /// Its ends.
        pair: (String, String),
    },
    /// What a link held comes, all at once.
    Unclog {
        /// Its ends.
        pair: (String, String),
    },
    /// Messages from and to a node take up to so long from now on.
    Delay {
        /// The node.
        node: String,
        /// How long; `None` for as long as everywhere.
        latency_max: Option<Duration>,
    },
    /// Links of a node lose messages from now on.
    Lose {
        /// The node.
        node: String,
        /// How many of a thousand break their link for the next few; 0 for none.
        permille: u32,
    },
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
    /// A file on a node's disk is changed behind its back. The node may end by itself from now on,
    /// or refuse to start for good.
    Rot {
        /// The node.
        node: String,
        /// The folder that it is in, or in a folder of it.
        within: PathBuf,
        /// Decides which file and what becomes of it.
        seed: u64,
    },
    /// Whatever a node asks of its disk takes up to so long from now on.
    SlowDisk {
        /// The node.
        node: String,
        /// How long; `None` for as long as usual.
        job: Option<Duration>,
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
            Self::Dismiss { .. } => "dismissal",
            Self::Retire { .. } => "end for good",
            Self::Partition { shape, .. } => shape.name(),
            Self::Repair => "repair",
            Self::Clog { .. } => "clog",
            Self::Unclog { .. } => "unclog",
            Self::Delay { latency_max: Some(_), .. } => "slow network",
            Self::Delay { .. } => "network as usual",
            Self::Lose { permille: 0, .. } => "no more losses",
            Self::Lose { .. } => "losses",
            Self::Skew { .. } => "clock skew",
            Self::Disk { .. } => "disk fault",
            Self::Rot { .. } => "rot",
            Self::SlowDisk { job: Some(_), .. } => "slow disk",
            Self::SlowDisk { .. } => "disk as usual",
            Self::Capacity { bytes: Some(_), .. } => "disk limit",
            Self::Capacity { .. } => "disk limit lifted",
        }
    }
}
