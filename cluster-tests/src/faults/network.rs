//! A network that is whole and bad: links that stand still, are slow, or lose what they carry.

use std::time::Duration;

use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;

use super::{Action, Episodes, Hazard, Hosts, Plan};

/// Links on which nothing moves for a while, and nothing is lost: what was held comes all at once,
/// at a time of its own for each link.
#[derive(Clone, Debug, Default)]
pub struct Clogs(pub Episodes);

impl Hazard for Clogs {
    fn plan(&self, hosts: &Hosts, rng: &mut StdRng) -> Plan {
        let mut plan = Plan::new();
        for episode in self.0.draw(rng) {
            let mut pairs = hosts.pairs();
            pairs.shuffle(rng);
            pairs.truncate(rng.random_range(1..=pairs.len().max(1)));
            for pair in pairs {
                let end = rng.random_range(episode.clone());
                plan.push((episode.start, Action::Clog { pair: pair.clone() }));
                plan.push((end, Action::Unclog { pair }));
            }
        }
        plan
    }
}

/// A node that is far away for a while: what it sends and is sent takes up to so long, and messages
/// of several connections overtake each other.
#[derive(Clone, Debug)]
pub struct Delays {
    /// When.
    pub episodes: Episodes,
    /// The longest time that a message takes meanwhile.
    pub latency_max: Duration,
}

impl Default for Delays {
    fn default() -> Self {
        Self { episodes: Episodes::default(), latency_max: Duration::from_millis(800) }
    }
}

impl Hazard for Delays {
    fn plan(&self, hosts: &Hosts, rng: &mut StdRng) -> Plan {
        self.episodes.of_one_node(hosts, rng, |node, rng| {
            let longest = rng.random_range(self.latency_max / 20..self.latency_max);
            [Some(longest), None]
                .map(|latency_max| Action::Delay { node: node.clone(), latency_max })
        })
    }
}

/// Links that lose messages for a while, one by one or a few in a row. What is sent over them is a
/// stream that then has a hole: the connection is as good as dead, and neither end is told.
#[derive(Clone, Debug)]
pub struct Losses {
    /// When.
    pub episodes: Episodes,
    /// How many of a thousand messages break their link for the next few.
    pub permille: u32,
}

impl Default for Losses {
    fn default() -> Self {
        Self { episodes: Episodes::default(), permille: 20 }
    }
}

impl Hazard for Losses {
    fn plan(&self, hosts: &Hosts, rng: &mut StdRng) -> Plan {
        let mut plan = Plan::new();
        for episode in self.episodes.draw(rng) {
            let permille = rng.random_range(1..=self.permille);
            let node = hosts.any_node(rng);
            plan.push((episode.start, Action::Lose { node: node.clone(), permille }));
            plan.push((episode.end, Action::Lose { node, permille: 0 }));
        }
        plan
    }
}
