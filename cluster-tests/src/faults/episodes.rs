//! When something is wrong, and for how long.

use std::ops::Range;
use std::time::Duration;

use rand::Rng;
use rand::rngs::StdRng;

use super::{Action, Hosts, Plan};

/// Something is wrong for a while, again and again.
#[derive(Clone, Debug)]
pub struct Episodes {
    /// The time between the end of one and the beginning of the next.
    pub every: Range<Duration>,
    /// How long one lasts.
    pub lasting: Range<Duration>,
    /// When the last one may begin.
    pub until: Duration,
}

impl Default for Episodes {
    fn default() -> Self {
        Self {
            every: Duration::from_secs(2)..Duration::from_secs(15),
            lasting: Duration::from_millis(100)..Duration::from_secs(6),
            until: Duration::from_mins(1),
        }
    }
}

impl Episodes {
    /// Draws episodes of one node each: what `strike` says begins them, and what it says ends them.
    pub(crate) fn of_one_node(
        &self,
        hosts: &Hosts,
        rng: &mut StdRng,
        strike: impl Fn(String, &mut StdRng) -> [Action; 2],
    ) -> Plan {
        let mut plan = Plan::new();
        for episode in self.draw(rng) {
            let [begin, end] = strike(hosts.any_node(rng), rng);
            plan.push((episode.start, begin));
            plan.push((episode.end, end));
        }
        plan
    }

    /// Draws their beginnings and ends.
    pub(crate) fn draw(&self, rng: &mut StdRng) -> Vec<Range<Duration>> {
        let mut drawn = Vec::new();
        let mut begin = rng.random_range(self.every.clone());
        while begin < self.until {
            let end = begin + rng.random_range(self.lasting.clone());
            drawn.push(begin..end);
            begin = end + rng.random_range(self.every.clone());
        }
        drawn
    }
}
