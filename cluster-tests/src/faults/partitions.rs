//! Who loses sight of whom: the shapes that partitions of a network take.

use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::{IndexedRandom, SliceRandom};

use super::{Action, Episodes, Hazard, Hosts, Plan};

/// The shape of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Two sides, clients among them, that do not reach each other.
    Split,
    /// Messages from some hosts to the others are lost, and those the other way come.
    OneWay,
    /// Two halves of the nodes, and one node that reaches both.
    Bridge,
    /// Each node reaches a majority, and no two the same one: the nodes stand in a ring.
    MajorityRing,
}

/// Messages from the first to the second are lost.
pub(crate) type Lost = (String, String);

/// Hosts that cannot reach each other for a while, again and again.
#[derive(Clone, Debug, Default)]
pub struct Partitions(pub Episodes);

impl Hazard for Partitions {
    fn plan(&self, hosts: &Hosts, rng: &mut StdRng) -> Plan {
        let mut plan = Plan::new();
        for episode in self.0.draw(rng) {
            let shapes = Shape::of(hosts.nodes.len());
            let shape = *shapes.choose(rng).expect("BUG: there is no shape for this many nodes");
            let lost = shape.lost(&hosts.nodes, &hosts.clients, rng);
            plan.push((episode.start, Action::Partition { shape, lost }));
            plan.push((episode.end, Action::Repair));
        }
        plan
    }
}

impl Action {
    /// Two sides do not reach each other from now on.
    #[must_use]
    pub fn split(side: &[String], other: &[String]) -> Self {
        Self::Partition { shape: Shape::Split, lost: both_ways(side, other) }
    }
}

impl Shape {
    /// What a report counts it as.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Split => "partition",
            Self::OneWay => "one-way partition",
            Self::Bridge => "bridge",
            Self::MajorityRing => "ring of majorities",
        }
    }

    /// Those that so many nodes can be in: with three, a ring of majorities is whole.
    const fn of(nodes: usize) -> &'static [Self] {
        match nodes {
            0..3 => &[Self::Split, Self::OneWay],
            3..5 => &[Self::Split, Self::OneWay, Self::Bridge],
            _ => &[Self::Split, Self::OneWay, Self::Bridge, Self::MajorityRing],
        }
    }

    fn lost(self, nodes: &[String], clients: &[String], rng: &mut StdRng) -> Vec<Lost> {
        let mut nodes = nodes.to_vec();
        nodes.shuffle(rng);
        match self {
            Self::Split | Self::OneWay => {
                let mut side: Vec<String> = nodes.into_iter().chain(clients.to_vec()).collect();
                side.shuffle(rng);
                let other = side.split_off(rng.random_range(1..side.len()));
                if self == Self::Split { both_ways(&side, &other) } else { pairs(&side, &other) }
            }
            Self::Bridge => {
                let halves = &nodes[1..];
                let (side, other) = halves.split_at(halves.len() / 2);
                both_ways(side, other)
            }
            Self::MajorityRing => {
                // Neighbours up to so far make a majority with the node itself.
                let (count, reach) = (nodes.len(), (nodes.len() / 2).div_ceil(2));
                let apart = |one: usize, other: usize| {
                    let steps = one.abs_diff(other);
                    steps.min(count - steps) > reach
                };
                let mut lost = Vec::new();
                for (at, node) in nodes.iter().enumerate() {
                    let unseen = nodes.iter().enumerate().filter(|(other, _)| apart(at, *other));
                    lost.extend(unseen.map(|(_, other)| (node.clone(), other.clone())));
                }
                lost
            }
        }
    }
}

fn pairs(side: &[String], other: &[String]) -> Vec<Lost> {
    let mut pairs = Vec::new();
    for from in side {
        pairs.extend(other.iter().map(|to| (from.clone(), to.clone())));
    }
    pairs
}

fn both_ways(side: &[String], other: &[String]) -> Vec<Lost> {
    [pairs(side, other), pairs(other, side)].concat()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use rand::SeedableRng;

    use super::*;

    fn hosts(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    /// Whom each node reaches both ways, itself among them.
    fn reached(shape: Shape, nodes: &[String]) -> Vec<BTreeSet<String>> {
        let lost = shape.lost(nodes, &hosts(&["client"]), &mut StdRng::seed_from_u64(7));
        let reaches = |from: &String, to: &String| !lost.contains(&(from.clone(), to.clone()));
        let of = |node: &String| {
            let reached = nodes.iter().filter(|to| reaches(node, to) && reaches(to, node));
            reached.cloned().collect()
        };
        nodes.iter().map(of).collect()
    }

    #[test]
    fn in_a_ring_each_reaches_another_majority() {
        for names in [&["a", "b", "c", "d", "e"][..], &["a", "b", "c", "d", "e", "f", "g"]] {
            let nodes = hosts(names);
            let reached = reached(Shape::MajorityRing, &nodes);
            assert!(reached.iter().all(|seen| seen.len() > nodes.len() / 2), "{reached:?}");
            assert!(reached.iter().all(|seen| seen.len() < nodes.len()), "{reached:?}");
            assert_eq!(reached.iter().collect::<BTreeSet<_>>().len(), nodes.len());
        }
    }

    #[test]
    fn one_node_bridges_two_halves() {
        let nodes = hosts(&["a", "b", "c", "d", "e"]);
        let mut sizes: Vec<usize> =
            reached(Shape::Bridge, &nodes).iter().map(BTreeSet::len).collect();
        sizes.sort_unstable();
        assert_eq!(sizes, [3, 3, 3, 3, 5]);
    }

    #[test]
    fn one_way_is_one_way() {
        let nodes = hosts(&["a", "b", "c"]);
        let lost = Shape::OneWay.lost(&nodes, &[], &mut StdRng::seed_from_u64(7));
        assert!(!lost.is_empty());
        assert!(lost.iter().all(|(from, to)| !lost.contains(&(to.clone(), from.clone()))));
    }
}
