//! Which nodes hold a shard's replicas.

use std::collections::BTreeMap;

use varve_types::NodeId;

/// Whether a node may be given new shards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It takes new shards.
    Active,
    /// It is being emptied: it keeps what it has and is given nothing new.
    Draining,
}

/// A node that may be chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Which node.
    pub node: NodeId,
    /// What fails together with it; empty when nobody said.
    pub zone: String,
    /// Whether it takes new shards.
    pub standing: Standing,
    /// Open replicas it holds already.
    pub load: u32,
}

/// Why shards could not be placed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlacementError {
    /// There is no node to place a replica on.
    #[error("no active node to place a shard on: add a node, or stop draining one")]
    NoNodes,
}

/// How many replicas a shard gets when `wanted` are asked for and `nodes` may hold one: an odd
/// number, because an even one costs a replica and survives no more failures.
fn replica_count(wanted: usize, nodes: usize) -> usize {
    let count = wanted.clamp(1, nodes.max(1));
    count - usize::from(count.is_multiple_of(2))
}

/// Chooses the nodes of one shard: as many zones as possible, then the least loaded, then the
/// lowest ids. The first chosen is meant to lead.
///
/// # Errors
///
/// [`PlacementError::NoNodes`] when no node is active.
pub fn choose_replicas(
    candidates: &[Candidate],
    wanted: usize,
) -> Result<Vec<NodeId>, PlacementError> {
    let mut left: Vec<&Candidate> =
        candidates.iter().filter(|node| node.standing == Standing::Active).collect();
    if left.is_empty() {
        return Err(PlacementError::NoNodes);
    }
    let mut in_zone: BTreeMap<&str, usize> = BTreeMap::new();
    let mut chosen = Vec::new();
    for _ in 0..replica_count(wanted, left.len()) {
        let best = left.iter().enumerate().min_by_key(|(_, node)| {
            (in_zone.get(node.zone.as_str()).copied().unwrap_or(0), node.load, node.node)
        });
        let Some((at, _)) = best else { break };
        let node = left.swap_remove(at);
        *in_zone.entry(&node.zone).or_default() += 1;
        chosen.push(node.node);
    }
    Ok(chosen)
}

/// Chooses the nodes of `shards` new shards, each choice counting towards the load of the next.
///
/// # Errors
///
/// As [`choose_replicas`].
pub fn place(
    mut candidates: Vec<Candidate>,
    shards: usize,
    wanted: usize,
) -> Result<Vec<Vec<NodeId>>, PlacementError> {
    let mut placed = Vec::with_capacity(shards);
    for _ in 0..shards {
        let chosen = choose_replicas(&candidates, wanted)?;
        for candidate in &mut candidates {
            if chosen.contains(&candidate.node) {
                candidate.load += 1;
            }
        }
        placed.push(chosen);
    }
    Ok(placed)
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    /// Nodes as `id@zone`, with `!` before those that drain and `+load` behind the loaded ones.
    fn nodes(text: &str) -> Vec<Candidate> {
        let candidate = |word: &str| {
            let (draining, word) =
                word.strip_prefix('!').map_or((false, word), |word| (true, word));
            let (id, zone) = word.split_once('@').unwrap();
            let (zone, load) = zone.split_once('+').unwrap_or((zone, "0"));
            Candidate {
                node: NodeId(id.parse().unwrap()),
                zone: zone.to_owned(),
                standing: if draining { Standing::Draining } else { Standing::Active },
                load: load.parse().unwrap(),
            }
        };
        text.split_whitespace().map(candidate).collect()
    }

    fn check(text: &str, shards: usize, wanted: usize, expected: &Expect) {
        let shown = match place(nodes(text), shards, wanted) {
            Ok(placed) => placed
                .iter()
                .map(|nodes| nodes.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "))
                .collect::<Vec<_>>()
                .join(" | "),
            Err(error) => error.to_string(),
        };
        expected.assert_eq(&shown);
    }

    #[test]
    fn a_single_node_holds_everything() {
        check("1@", 2, 3, &expect!["1 | 1"]);
    }

    #[test]
    fn two_nodes_hold_one_replica_each_because_two_would_survive_no_more() {
        check("1@ 2@", 4, 3, &expect!["1 | 2 | 1 | 2"]);
    }

    #[test]
    fn leaders_and_load_spread() {
        check("1@ 2@ 3@ 4@", 4, 3, &expect!["1 2 3 | 4 1 2 | 3 4 1 | 2 3 4"]);
        check("1@+9 2@ 3@ 4@", 1, 3, &expect!["2 3 4"]);
    }

    #[test]
    fn zones_come_before_load() {
        check("1@a 2@a 3@a 4@b+5 5@c+5", 1, 3, &expect!["1 4 5"]);
        check("1@a 2@a 3@b", 1, 3, &expect!["1 3 2"]);
    }

    #[test]
    fn draining_nodes_get_nothing() {
        check("!1@ 2@ 3@ 4@", 1, 3, &expect!["2 3 4"]);
        check(
            "!1@",
            1,
            3,
            &expect!["no active node to place a shard on: add a node, or stop draining one"],
        );
    }
}
