//! What to do next, as data: a pure function of the catalog, the replicas' reports and the time.

use std::collections::BTreeSet;
use std::fmt;

use varve_placement::{WindowLoad, bucket_bits, place};
use varve_shard::Successor;
use varve_types::{HashRange, NodeId, ShardId, TimestampNs};

use crate::catalog::{Catalog, Closed, ShardEntry, ShardState, SuccessorPlan};
use crate::driver::{Observations, ReplicaReport, SeenPhase, Written};
use crate::membership::candidates;

/// One step of a rollover. Doing it twice, or late, changes nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Name successors in the catalog.
    Prepare {
        /// Who is to be followed.
        predecessors: Vec<ShardId>,
        /// The ranges and nodes of those that follow.
        successors: Vec<(HashRange, Vec<NodeId>)>,
    },
    /// Commit the seal in a shard.
    Seal {
        /// Which shard.
        shard: ShardId,
        /// The node that leads it.
        leader: NodeId,
        /// Who takes the writes from then on.
        successors: Vec<Successor>,
    },
    /// Say in the catalog that a shard is sealed.
    RecordSealed(ShardId),
    /// Give a successor what its predecessors remember.
    Inherit {
        /// The successor.
        shard: ShardId,
        /// The node that leads it.
        leader: NodeId,
        /// Each predecessor, and a node whose replica has applied its seal.
        from: Vec<(ShardId, NodeId)>,
    },
    /// Say in the catalog that a successor takes writes.
    RecordOpened(ShardId),
    /// Say in the catalog what a quorum wrote.
    RecordClosed {
        /// Which shard.
        shard: ShardId,
        /// Its content and holders.
        closed: Closed,
    },
}

/// The steps to take now. None of them depends on another; what follows from one shows once it was
/// taken and [noted](Observations::note).
pub(crate) fn plan(catalog: &Catalog, seen: &Observations, now: TimestampNs) -> Vec<Step> {
    let mut steps = preparations(catalog, seen, now);
    for (&id, shard) in &catalog.shards {
        let step = match shard.state {
            ShardState::Preparing => opening(catalog, seen, id, shard),
            ShardState::Open if !shard.successors.is_empty() => sealing(catalog, seen, id, shard),
            ShardState::Sealed => closing(catalog, seen, id, shard),
            ShardState::Open | ShardState::Closed(_) => None,
        };
        steps.extend(step);
    }
    steps
}

/// Successors for shards that are due. A change of the number of buckets happens here: ranges of
/// fewer bits than wanted are split, and those of more bits are joined with their neighbours.
fn preparations(catalog: &Catalog, seen: &Observations, now: TimestampNs) -> Vec<Step> {
    let active = catalog.nodes.values().filter(|node| node.is_usable()).count();
    let bits = catalog
        .settings
        .bucket_bits
        .unwrap_or_else(|| bucket_bits(active, load(catalog, seen, now)));
    let rollable =
        |shard: &ShardEntry| shard.state == ShardState::Open && shard.successors.is_empty();
    let mut due: Vec<(Vec<ShardId>, Vec<HashRange>)> = Vec::new();
    let mut done: BTreeSet<ShardId> = BTreeSet::new();
    for (&id, shard) in &catalog.shards {
        if done.contains(&id) || !rollable(shard) || !is_due(catalog, seen, now, id, shard) {
            continue;
        }
        let space = first_bits(shard.range, bits);
        // Live shards never overlap but along a rollover, so these cover the space once.
        let predecessors: Vec<(ShardId, &ShardEntry)> = catalog
            .shards
            .iter()
            .filter(|(_, other)| is_live(other) && other.range.overlaps(space))
            .map(|(id, other)| (*id, other))
            .collect();
        if !predecessors.iter().all(|(_, other)| rollable(other)) {
            continue;
        }
        let predecessors: Vec<ShardId> = predecessors.iter().map(|(id, _)| *id).collect();
        done.extend(&predecessors);
        due.push((predecessors, split_to(space, bits)));
    }
    // All at once, so that who leads one of them leads fewer of the others.
    let count = due.iter().map(|(_, ranges)| ranges.len()).sum();
    let wanted = usize::try_from(catalog.settings.replicas).unwrap_or(usize::MAX);
    // Without a node to place them on there is nothing to do: windows stretch.
    let Ok(placed) = place(candidates(catalog, seen), count, wanted) else { return Vec::new() };
    let mut placed = placed.into_iter();
    let step = |(predecessors, ranges): (Vec<ShardId>, Vec<HashRange>)| Step::Prepare {
        predecessors,
        successors: ranges.into_iter().zip(placed.by_ref()).collect(),
    };
    due.into_iter().map(step).collect()
}

/// What the open shards would take of a window, each as fast as it was filled so far. One that is
/// young has shown little: it counts as if it had taken an eighth of a window for it.
fn load(catalog: &Catalog, seen: &Observations, now: TimestampNs) -> WindowLoad {
    let window_ns = u128::from(catalog.settings.window_age_ns.max(8));
    let of_shard = |(id, shard): (ShardId, &ShardEntry)| {
        let age_ns = u128::try_from(now.get().saturating_sub(shard.opened_at.get())).unwrap_or(0);
        let taken = u128::from(stored(seen, id, shard).bytes);
        taken * window_ns / age_ns.max(window_ns / 8)
    };
    let bytes = catalog.open_shards().map(of_shard).sum::<u128>();
    WindowLoad {
        bytes: u64::try_from(bytes).unwrap_or(u64::MAX),
        shard_bytes_max: catalog.settings.window_bytes,
    }
}

/// What a shard holds, as the replica that has most of it says.
struct Stored {
    rows: u64,
    bytes: u64,
}

fn stored(seen: &Observations, id: ShardId, shard: &ShardEntry) -> Stored {
    let reports = shard.replicas.values().filter_map(|node| seen.reports.get(&(id, *node)));
    reports.fold(Stored { rows: 0, bytes: 0 }, |most, report| Stored {
        rows: most.rows.max(report.rows),
        bytes: most.bytes.max(report.bytes),
    })
}

/// Whether a shard is to be rolled: on request, by age or by size; never an empty one.
fn is_due(
    catalog: &Catalog,
    seen: &Observations,
    now: TimestampNs,
    id: ShardId,
    shard: &ShardEntry,
) -> bool {
    let Stored { rows, bytes } = stored(seen, id, shard);
    let age = now.get().saturating_sub(shard.opened_at.get());
    rows > 0
        && (seen.requested.contains(&id)
            || u64::try_from(age).is_ok_and(|age| age >= catalog.settings.window_age_ns)
            || bytes >= catalog.settings.window_bytes)
}

const fn is_live(shard: &ShardEntry) -> bool {
    matches!(shard.state, ShardState::Preparing | ShardState::Open)
}

/// The range of at most `bits` bits that a range lies in.
fn first_bits(range: HashRange, bits: u8) -> HashRange {
    let bits = bits.min(range.bits());
    HashRange::new(bits, range.prefix() >> (range.bits() - bits))
        .expect("BUG: a prefix without its last bits fits in fewer bits")
}

/// The pieces of `bits` bits that a range consists of.
fn split_to(range: HashRange, bits: u8) -> Vec<HashRange> {
    match range.halves() {
        Some(halves) if range.bits() < bits => {
            halves.into_iter().flat_map(|half| split_to(half, bits)).collect()
        }
        _ => vec![range],
    }
}

fn leader(seen: &Observations, id: ShardId, shard: &ShardEntry) -> Option<NodeId> {
    let leads = |node: &&NodeId| seen.reports.get(&(id, **node)).is_some_and(|r| r.leads);
    shard.replicas.values().find(leads).copied()
}

/// A node whose replica of a shard has applied the seal.
fn sealed_at(seen: &Observations, id: ShardId, shard: &ShardEntry) -> Option<NodeId> {
    let sealed = |node: &&NodeId| {
        seen.reports.get(&(id, **node)).is_some_and(|r| r.phase == SeenPhase::Sealed)
    };
    shard.replicas.values().find(sealed).copied()
}

fn sealing(
    catalog: &Catalog,
    seen: &Observations,
    id: ShardId,
    shard: &ShardEntry,
) -> Option<Step> {
    if sealed_at(seen, id, shard).is_some() {
        return Some(Step::RecordSealed(id));
    }
    let mut successors = Vec::new();
    for after in &shard.successors {
        let entry = catalog.shards.get(after)?;
        leader(seen, *after, entry)?;
        successors.push(Successor { shard: *after, range: entry.range });
    }
    Some(Step::Seal { shard: id, leader: leader(seen, id, shard)?, successors })
}

fn opening(
    catalog: &Catalog,
    seen: &Observations,
    id: ShardId,
    shard: &ShardEntry,
) -> Option<Step> {
    let leader = leader(seen, id, shard)?;
    match seen.reports.get(&(id, leader))?.phase {
        SeenPhase::AwaitingInherit => {
            let sealed = |before: &ShardId| {
                let at = sealed_at(seen, *before, catalog.shards.get(before)?)?;
                Some((*before, at))
            };
            let from = shard.predecessors.iter().map(sealed).collect::<Option<_>>()?;
            Some(Step::Inherit { shard: id, leader, from })
        }
        SeenPhase::Open | SeenPhase::Sealed => {
            let is_recorded = |before: &ShardId| {
                catalog.shards.get(before).is_some_and(|entry| entry.state != ShardState::Open)
            };
            shard.predecessors.iter().all(is_recorded).then_some(Step::RecordOpened(id))
        }
    }
}

/// Closes a shard when a quorum wrote the same, and no replica that can be reached is still
/// writing: one that is left behind would have to fetch what it could have written itself.
fn closing(
    catalog: &Catalog,
    seen: &Observations,
    id: ShardId,
    shard: &ShardEntry,
) -> Option<Step> {
    let inherited = |after: &ShardId| {
        catalog.shards.get(after).is_some_and(|shard| shard.state != ShardState::Preparing)
    };
    if !shard.successors.iter().all(inherited) {
        return None;
    }
    let reports: Vec<(NodeId, &ReplicaReport)> = shard
        .replicas
        .values()
        .filter_map(|node| Some((*node, seen.reports.get(&(id, *node))?)))
        .collect();
    let written: Vec<(NodeId, &Written)> = reports
        .iter()
        .map(|(node, report)| report.written.as_ref().map(|written| (*node, written)))
        .collect::<Option<_>>()?;
    let quorum = shard.replicas.len() / 2 + 1;
    let alike = |content: &Written| -> BTreeSet<NodeId> {
        written.iter().filter(|(_, other)| *other == content).map(|(node, _)| *node).collect()
    };
    let (holders, content) = written
        .iter()
        .map(|(_, content)| (alike(content), *content))
        .find(|(holders, _)| holders.len() >= quorum)?;
    let (rows, digest, events) = (content.rows, content.digest, content.events.clone());
    Some(Step::RecordClosed {
        shard: id,
        closed: Closed { holders, rows, digest, events, finished: None },
    })
}

impl Step {
    /// The shard that it changes; of several the first.
    pub(crate) fn shard(&self) -> Option<ShardId> {
        match self {
            Self::Prepare { predecessors, .. } => predecessors.first().copied(),
            Self::Seal { shard, .. }
            | Self::RecordSealed(shard)
            | Self::Inherit { shard, .. }
            | Self::RecordOpened(shard)
            | Self::RecordClosed { shard, .. } => Some(*shard),
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fn list<T: fmt::Display>(items: impl Iterator<Item = T>) -> String {
            items.map(|item| item.to_string()).collect::<Vec<_>>().join(", ")
        }
        match self {
            Self::Prepare { predecessors, successors } => {
                let after = successors
                    .iter()
                    .map(|(range, nodes)| format!("{range} on {}", list(nodes.iter())));
                write!(f, "prepare after {}: {}", list(predecessors.iter()), list(after))
            }
            Self::Seal { shard, leader, successors } => {
                let after = list(successors.iter().map(|after| after.shard));
                write!(f, "seal {shard} at {leader} for {after}")
            }
            Self::RecordSealed(shard) => write!(f, "{shard} is sealed"),
            Self::Inherit { shard, leader, from } => {
                let from = list(from.iter().map(|(shard, node)| format!("{shard} at {node}")));
                write!(f, "{shard} at {leader} inherits from {from}")
            }
            Self::RecordOpened(shard) => write!(f, "{shard} is open"),
            Self::RecordClosed { shard, closed } => {
                let holders = list(closed.holders.iter());
                write!(f, "{shard} is closed with {} rows at {holders}", closed.rows)
            }
        }
    }
}

impl From<&(HashRange, Vec<NodeId>)> for SuccessorPlan {
    fn from((range, nodes): &(HashRange, Vec<NodeId>)) -> Self {
        Self { range: *range, nodes: nodes.clone() }
    }
}

#[cfg(test)]
mod tests;
