//! Clocks that are wrong: ahead or behind for a while, or now this and now that.

use std::time::Duration;

use rand::Rng;
use rand::rngs::StdRng;

use super::{Action, Episodes, Hazard, Hosts, Plan};

/// Time between two jumps of a clock that goes to and fro.
const STROBE: Duration = Duration::from_millis(200);

/// Wall clocks that jump, and jump back.
#[derive(Clone, Debug)]
pub struct Skews {
    /// When.
    pub episodes: Episodes,
    /// By how much at most, either way. Nodes whose clocks are too far apart refuse each other,
    /// which is another fault.
    pub by_max: Duration,
}

impl Default for Skews {
    fn default() -> Self {
        Self { episodes: Episodes::default(), by_max: Duration::from_mins(2) }
    }
}

impl Hazard for Skews {
    fn plan(&self, hosts: &Hosts, rng: &mut StdRng) -> Plan {
        let by_max = i64::try_from(self.by_max.as_nanos()).unwrap_or(i64::MAX);
        let mut plan = Plan::new();
        for episode in self.episodes.draw(rng) {
            let node = hosts.any_node(rng);
            let skew_ns = rng.random_range(-by_max..=by_max);
            let mut jump = |at, skew_ns| {
                plan.push((at, Action::Skew { node: node.clone(), skew_ns }));
            };
            jump(episode.start, skew_ns);
            if rng.random() {
                let mut at = episode.start + STROBE;
                let mut is_back = true;
                while at < episode.end {
                    jump(at, if is_back { 0 } else { skew_ns });
                    at += STROBE;
                    is_back = !is_back;
                }
            }
            jump(episode.end, 0);
        }
        plan
    }
}
