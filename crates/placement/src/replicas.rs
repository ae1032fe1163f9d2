//! Which nodes hold a shard's replicas.

use std::collections::BTreeMap;

use varve_types::NodeId;

/// Whether a node may be given something new to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It may.
    Active,
    /// It is being emptied: it keeps what it has until others have it.
    Draining,
    /// It has been gone for so long that what it held is replaced.
    Lost,
}

/// A node that may be chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Which node.
    pub node: NodeId,
    /// What fails together with it; empty when nobody said.
    pub zone: String,
    /// Whether it takes anything new.
    pub standing: Standing,
    /// Open replicas it holds already.
    pub load: u32,
    /// Bytes it has stored, as far as known.
    pub bytes: u64,
}

/// One holder for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Swap {
    /// Who is to hold a replica, before the other is given up.
    pub comes: NodeId,
    /// Who is not to, then.
    pub goes: NodeId,
}

/// Why shards could not be placed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlacementError {
    /// There is no node to place a replica on.
    #[error("no active node to place a shard on: add a node, or stop draining one")]
    NoNodes,
}

/// How many replicas a group has when `wanted` are asked for and `nodes` may hold one each.
#[must_use]
pub fn replica_count(wanted: usize, nodes: usize) -> usize {
    wanted.clamp(1, nodes.max(1))
}

/// How many nodes vote in the metadata group: five survive the loss of two, and more would only
/// make every change slower.
#[must_use]
pub const fn metadata_voters(nodes: usize) -> usize {
    match nodes {
        0 | 1 => 1,
        2 => 2,
        3 | 4 => 3,
        _ => 5,
    }
}

/// Chooses the nodes of one shard: as many zones as possible, then the least loaded, then those
/// that store least, then the lowest ids. The first chosen is meant to lead.
///
/// # Errors
///
/// [`PlacementError::NoNodes`] when no node is active.
pub fn choose_replicas(
    candidates: &[Candidate],
    wanted: usize,
) -> Result<Vec<NodeId>, PlacementError> {
    let active = candidates.iter().filter(|node| node.standing == Standing::Active).count();
    let mut chosen = Vec::new();
    for _ in 0..replica_count(wanted, active) {
        chosen.push(choose_addition(candidates, &chosen).ok_or(PlacementError::NoNodes)?);
    }
    Ok(chosen)
}

/// Chooses the node of one more replica beside those that `holders` have: in the zone that has
/// fewest of them, then as [`choose_replicas`].
#[must_use]
pub fn choose_addition(candidates: &[Candidate], holders: &[NodeId]) -> Option<NodeId> {
    let in_zone = zones(candidates, holders);
    let free = candidates
        .iter()
        .filter(|node| node.standing == Standing::Active && !holders.contains(&node.node));
    let best = free.min_by_key(|node| {
        let crowd = in_zone.get(node.zone.as_str()).copied().unwrap_or(0);
        (crowd, node.load, node.bytes, node.node)
    });
    best.map(|node| node.node)
}

/// Chooses which of `holders` is given up when there is one too many: a lost one, a draining one,
/// else in the zone that has most of them the one that stores most.
#[must_use]
pub fn choose_spare(candidates: &[Candidate], holders: &[NodeId]) -> Option<NodeId> {
    let in_zone = zones(candidates, holders);
    let held = candidates.iter().filter(|node| holders.contains(&node.node));
    let worst = held.max_by_key(|node| {
        let standing = match node.standing {
            Standing::Active => 0,
            Standing::Draining => 1,
            Standing::Lost => 2,
        };
        let crowd = in_zone.get(node.zone.as_str()).copied().unwrap_or(0);
        (standing, crowd, node.bytes, node.load, node.node)
    });
    worst.map(|node| node.node)
}

/// Chooses which node takes the place of which of `holders`, so that they are spread better over
/// zones: one of the zone that has most of them makes way for one of a zone that has at least two
/// fewer. Each swap makes them more even, so that they come to rest, and what moved stays.
///
/// `None` while one of them is not to stay: it is replaced first, and that may be enough.
#[must_use]
pub fn choose_swap(candidates: &[Candidate], holders: &[NodeId]) -> Option<Swap> {
    let in_zone = zones(candidates, holders);
    let find = |node: NodeId| candidates.iter().find(|candidate| candidate.node == node);
    let crowd = |node: NodeId| Some(*in_zone.get(find(node)?.zone.as_str()).unwrap_or(&0));
    let all_stay = holders
        .iter()
        .all(|node| find(*node).is_some_and(|held| held.standing == Standing::Active));
    let comes = choose_addition(candidates, holders).filter(|_| all_stay)?;
    let goes = choose_spare(candidates, holders)?;
    (crowd(comes)? + 2 <= crowd(goes)?).then_some(Swap { comes, goes })
}

/// How many of `holders` each zone has.
fn zones<'a>(candidates: &'a [Candidate], holders: &[NodeId]) -> BTreeMap<&'a str, usize> {
    let mut zones = BTreeMap::new();
    for node in candidates.iter().filter(|node| holders.contains(&node.node)) {
        *zones.entry(node.zone.as_str()).or_default() += 1;
    }
    zones
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
    let mut leads: BTreeMap<NodeId, u32> = BTreeMap::new();
    for _ in 0..shards {
        let mut chosen = choose_replicas(&candidates, wanted)?;
        for candidate in &mut candidates {
            if chosen.contains(&candidate.node) {
                candidate.load += 1;
            }
        }
        // The one that is to lead fewest of them leads this one.
        chosen.sort_by_key(|node| leads.get(node).copied().unwrap_or(0));
        *leads.entry(chosen[0]).or_default() += 1;
        placed.push(chosen);
    }
    Ok(placed)
}
