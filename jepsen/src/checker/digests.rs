//! Replicas that applied the same entries hold the same (G6), and those of a closed shard the same
//! files.

use std::collections::BTreeMap;

use super::Verdict;
use crate::history::{Action, Calls, End, ReplicaState};

pub(super) fn check(calls: &Calls<'_>) -> Verdict {
    let mut verdict = Verdict::new("digests");
    let reports = calls.iter().filter_map(|call| match call.end {
        End::Ok { answer: Action::Replicas(states), .. } => Some(states),
        _ => None,
    });
    let mut content: BTreeMap<(u64, Option<u64>), &ReplicaState> = BTreeMap::new();
    let mut files: BTreeMap<u64, (u64, &str)> = BTreeMap::new();
    for state in reports.flatten() {
        verdict.count("replicas", 1);
        let first = *content.entry((state.shard, state.applied)).or_insert(state);
        if (first.rows, &first.content) != (state.rows, &state.content) {
            let what = state.applied.map_or("closed".to_owned(), |at| format!("up to {at}"));
            verdict.found(format_args!(
                "shard {} {what}: {} rows with digest {} on node {}, {} with {} on node {}",
                state.shard,
                first.rows,
                first.content,
                first.node,
                state.rows,
                state.content,
                state.node
            ));
        }
        if first.node != state.node {
            verdict.count("replicas compared", 1);
        }
        let Some(digest) = &state.files else { continue };
        let (node, first) = *files.entry(state.shard).or_insert((state.node, digest));
        if first != digest {
            verdict.found(format_args!(
                "the files of shard {} differ: {first} on node {node}, {digest} on node {}",
                state.shard, state.node
            ));
        }
    }
    verdict.needs("replicas compared")
}
