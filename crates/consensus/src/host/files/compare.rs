//! Comparing the replicas of open shards while nobody asks.
//!
//! Reading files again shows whether they are what this replica wrote. Whether that is what the
//! others wrote shows only when what they hold after one entry is compared. Whoever leads a shard
//! does that. A replica that a majority contradicts is replaced by a new one, as a damaged one is;
//! where there is no majority, nobody can tell which is right, and people are told.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use tokio::time::{Instant, sleep, timeout};
use tracing::{debug, error};
use varve_types::{ContentDigest, LogIndex, NodeId, ReplicaId, ShardId};

use super::verify::last_common;
use crate::catalog::ShardState;
use crate::host::Inner;
use crate::host::local::Replica;
use crate::machine::Applied;
use crate::network::{FilesReply, FilesRequest};

/// How often an open shard's replicas are compared, unless files are read again more often. A
/// window may be shorter than the time between two scrubs, and a comparison costs some messages.
const COMPARE_EVERY: Duration = Duration::from_secs(600);
/// How often to look for a shard that is due; one whose replicas differ always is.
const LOOK: Duration = Duration::from_secs(10);
/// How long a replica may take to say what it holds.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);
/// How often replicas are asked until there is an entry that all of them applied of late.
const ATTEMPTS: usize = 5;
const ATTEMPT_PAUSE: Duration = Duration::from_millis(100);

/// What a comparison found.
#[derive(Debug, PartialEq, Eq)]
enum Found {
    Alike,
    /// A majority holds the same, and these others something else.
    Odd(BTreeSet<NodeId>),
    /// There is no such majority.
    Split,
}

/// Compares the shards that are led here, one after the other, until the node stops.
pub(in crate::host) async fn compare_always(inner: Arc<Inner>) {
    let every = inner.settings.scrub_every.min(COMPARE_EVERY);
    let mut done: BTreeMap<ShardId, Instant> = BTreeMap::new();
    loop {
        sleep(LOOK.min(every)).await;
        let led = inner.open_and_led();
        let shards = led.iter().map(|(shard, _)| *shard).collect();
        inner.upkeep.comparisons.retain(&shards);
        done.retain(|shard, _| shards.contains(shard));
        for (shard, replica) in led {
            // Who has just come to lead has enough to do.
            let last = done.entry(shard).or_insert_with(Instant::now);
            if last.elapsed() >= every || inner.upkeep.comparisons.is_differing(shard) {
                *last = Instant::now();
                inner.compare(shard, &replica).await;
            }
        }
    }
}

impl Inner {
    fn open_and_led(&self) -> Vec<(ShardId, Arc<Replica>)> {
        let catalog = self.catalog();
        let is_open = |shard: &ShardId| {
            catalog.shards.get(shard).is_some_and(|entry| entry.state == ShardState::Open)
        };
        let running = self.running().into_iter();
        running.filter(|(shard, replica)| is_open(shard) && replica.group.leads()).collect()
    }

    /// Compares the replicas of a shard that is led here, those of them that answer.
    async fn compare(&self, shard: ShardId, replica: &Replica) {
        let catalog = self.catalog();
        let Some(entry) = catalog.shards.get(&shard) else { return };
        let replicas: BTreeMap<NodeId, ReplicaId> = entry
            .staying()
            .filter(|(replica, _)| !entry.coming.contains(replica))
            .map(|(replica, node)| (node, replica))
            .collect();
        let Some((index, held)) = self.held_at_one_entry(shard, &replicas).await else {
            debug!(shard = shard.get(), "its replicas are too far apart to be compared now");
            return;
        };
        let odd = match judge(&held, replicas.len()) {
            Found::Alike => return self.upkeep.comparisons.alike(shard),
            Found::Odd(nodes) => nodes,
            Found::Split => BTreeSet::new(),
        };
        let difference = describe(index, &held, &odd);
        let odd_replicas = odd.iter().filter_map(|node| replicas.get(node)).copied().collect();
        if !self.upkeep.comparisons.differ(shard, odd_replicas) {
            return;
        }
        error!(shard = shard.get(), "{difference}");
        if odd.contains(&self.node) {
            // Another must lead before this one may go, and what is known here goes with it.
            let others = self.other_replicas(shard);
            replica.set_damage(self.damaged(shard, &difference, &others));
        }
    }

    /// What each of the replicas that answer held after the last entry that all of them applied;
    /// `None` when there is none, or fewer than two answer.
    async fn held_at_one_entry(
        &self,
        shard: ShardId,
        replicas: &BTreeMap<NodeId, ReplicaId>,
    ) -> Option<(LogIndex, BTreeMap<NodeId, Applied>)> {
        for _ in 0..ATTEMPTS {
            let ask = async |node| {
                let asked = self.ask_to(shard, node, FilesRequest::Recent);
                match timeout(ANSWER_LIMIT, asked).await {
                    Ok(Ok(FilesReply::Recent(states))) => Some((node, states)),
                    _ => None,
                }
            };
            let states = join_all(replicas.keys().copied().map(ask)).await;
            let states: BTreeMap<NodeId, Vec<Applied>> = states.into_iter().flatten().collect();
            if states.len() < 2 {
                return None;
            }
            if let Some(index) = last_common(&states) {
                let at =
                    |states: &Vec<Applied>| states.iter().find(|at| at.index == index).copied();
                let held = states.iter().filter_map(|(node, states)| Some((*node, at(states)?)));
                return Some((index, held.collect()));
            }
            sleep(ATTEMPT_PAUSE).await;
        }
        None
    }
}

/// Who is right, when `replicas` are all that there are, whether they answered or not.
fn judge(held: &BTreeMap<NodeId, Applied>, replicas: usize) -> Found {
    let mut holders: BTreeMap<(u64, ContentDigest), BTreeSet<NodeId>> = BTreeMap::new();
    for (node, Applied { rows, digest, .. }) in held {
        holders.entry((*rows, *digest)).or_default().insert(*node);
    }
    if holders.len() < 2 {
        return Found::Alike;
    }
    let most = holders.into_values().max_by_key(BTreeSet::len).unwrap_or_default();
    if most.len() < 2 || most.len() * 2 <= replicas {
        return Found::Split;
    }
    Found::Odd(held.keys().copied().filter(|node| !most.contains(node)).collect())
}

fn describe(index: LogIndex, held: &BTreeMap<NodeId, Applied>, odd: &BTreeSet<NodeId>) -> String {
    let mut text = format!("after entry {index} its replicas hold different rows:");
    for (node, Applied { rows, digest, .. }) in held {
        // Writing to a text never fails.
        let _ = write!(text, " node {node} {rows} rows with digest {digest};");
    }
    let odd: Vec<String> = odd.iter().map(ToString::to_string).collect();
    text += &if odd.is_empty() {
        " no majority agrees, so that nothing is replaced: keep the data directories of all of \
         these nodes, and see what `varve cluster verify` finds"
            .to_owned()
    } else {
        format!(
            " a majority agrees, and a new replica takes the place of that of {}",
            odd.join(", ")
        )
    };
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(digests: &[u128]) -> BTreeMap<NodeId, Applied> {
        let state =
            |digest: &u128| Applied { index: LogIndex(7), rows: 5, digest: ContentDigest(*digest) };
        (1..).map(NodeId).zip(digests.iter().map(state)).collect()
    }

    fn odd(nodes: &[u64]) -> Found {
        Found::Odd(nodes.iter().copied().map(NodeId).collect())
    }

    #[test]
    fn only_a_majority_of_all_replicas_contradicts_one() {
        assert_eq!(judge(&held(&[1, 1, 1]), 3), Found::Alike);
        assert_eq!(judge(&held(&[1, 1]), 3), Found::Alike);
        assert_eq!(judge(&held(&[1, 2, 1]), 3), odd(&[2]));
        assert_eq!(judge(&held(&[2, 1, 1]), 3), odd(&[1]));
        assert_eq!(judge(&held(&[1, 2, 1, 3, 1]), 5), odd(&[2, 4]));
        assert_eq!(judge(&held(&[1, 2]), 2), Found::Split);
        assert_eq!(judge(&held(&[1, 2]), 3), Found::Split);
        assert_eq!(judge(&held(&[1, 2, 3]), 3), Found::Split);
        assert_eq!(judge(&held(&[1, 1, 2, 2]), 4), Found::Split);
        // Two that do not answer could agree with the one.
        assert_eq!(judge(&held(&[1, 1, 2]), 5), Found::Split);
        // The same digest of another number of rows is another content.
        let mut other_rows = held(&[1, 1, 1]);
        other_rows.get_mut(&NodeId(3)).unwrap().rows = 6;
        assert_eq!(judge(&other_rows, 3), odd(&[3]));
    }

    #[test]
    fn what_is_said_names_both_contents_and_what_becomes_of_it() {
        let text = describe(LogIndex(7), &held(&[1, 1, 2]), &BTreeSet::from([NodeId(3)]));
        assert!(text.starts_with("after entry 7 its replicas hold different rows: node 1 5 rows"));
        assert!(text.ends_with("takes the place of that of 3"), "{text}");
        let text = describe(LogIndex(7), &held(&[1, 2]), &BTreeSet::new());
        assert!(text.contains("varve cluster verify"), "{text}");
    }
}
