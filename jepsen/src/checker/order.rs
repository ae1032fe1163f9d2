//! A shard has one order for ever, and answers show a beginning of it (G3).
//!
//! - *inconsistent offset*: two rows at one place;
//! - *inconsistent time*: a row that was stored at two times;
//! - *skipped*: an answer shows a row of a shard and not one before it that it was asked for, or
//!   part of an entry;
//! - *nonmonotonic*: what a producer sent after an acknowledgement lies before what was
//!   acknowledged.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::Verdict;
use super::ledger::{Answer, answers};
use crate::history::{Action, Batch, Calls, End, Found, Moment, Place};

/// The rows of one shard, as all answers together show them.
type Rows = BTreeMap<Batch, Vec<Found>>;

/// When a batch was sent, and when it was acknowledged, each for the first time.
#[derive(Clone, Copy)]
struct Times {
    begun: Moment,
    acked: Option<Moment>,
}

pub(super) fn check(calls: &Calls<'_>) -> Verdict {
    let mut verdict = Verdict::new("order");
    let answers = answers(calls);
    let mut at: HashMap<Place, Found> = HashMap::new();
    let mut shards: BTreeMap<u64, Rows> = BTreeMap::new();
    for found in answers.iter().flat_map(|answer| answer.found) {
        let Found { element, place, stored_at_ns } = *found;
        match at.get(&place) {
            Some(before) if before.element != element => {
                let before = before.element;
                verdict
                    .found(format_args!("inconsistent offset: {place} is {before} and {element}"));
            }
            Some(before) => {
                if let (Some(once), Some(now)) = (before.stored_at_ns, stored_at_ns)
                    && once != now
                {
                    verdict.found(format_args!(
                        "inconsistent time: {element} was stored at {once} ns and at {now} ns"
                    ));
                }
            }
            None => {
                at.insert(place, *found);
                let rows = shards.entry(place.shard).or_default();
                rows.entry(element.batch).or_default().push(*found);
            }
        }
    }
    for answer in &answers {
        skipped(&mut verdict, answer, &shards);
    }
    let times = times(calls);
    for (shard, rows) in &shards {
        reordered(&mut verdict, *shard, rows, &times);
    }
    verdict.count("answers", answers.len());
    verdict.count("shards", shards.len());
    verdict.needs("answers")
}

/// Finds rows that an answer leaves out although it shows a later one of their shard.
fn skipped(verdict: &mut Verdict, answer: &Answer<'_>, shards: &BTreeMap<u64, Rows>) {
    let shown: HashSet<Place> = answer.found.iter().map(|found| found.place).collect();
    let mut last: BTreeMap<u64, u64> = BTreeMap::new();
    for place in &shown {
        let last = last.entry(place.shard).or_default();
        *last = (*last).max(place.index);
    }
    for (shard, last) in last {
        let rows = shards.get(&shard).into_iter();
        let asked = rows.flat_map(|rows| rows.range(answer.selection.batches()));
        let before = asked.flat_map(|(_, rows)| rows).filter(|row| row.place.index <= last);
        for Found { element, place, .. } in before.filter(|row| !shown.contains(&row.place)) {
            verdict.found(format_args!(
                "skipped: {} was shown shard {shard} up to {last}, and not {element}, which is in {place}",
                answer.process
            ));
        }
    }
}

fn times(calls: &Calls<'_>) -> BTreeMap<Batch, Times> {
    let mut times: BTreeMap<Batch, Times> = BTreeMap::new();
    for call in calls.iter() {
        let Action::Append { batch, .. } = call.asked else { continue };
        let first = Times { begun: call.begun, acked: None };
        let times = times.entry(*batch).or_insert(first);
        if let End::Ok { at, .. } = call.end {
            times.acked = Some(times.acked.map_or(at, |before| before.min(at)));
        }
    }
    times
}

/// Finds batches that lie before what was acknowledged when they were sent.
fn reordered(verdict: &mut Verdict, shard: u64, rows: &Rows, times: &BTreeMap<Batch, Times>) {
    let mut producers: BTreeMap<u64, Vec<(Batch, u64, Times)>> = BTreeMap::new();
    for (batch, rows) in rows {
        let index = rows.iter().map(|row| row.place.index).min();
        if let (Some(index), Some(times)) = (index, times.get(batch)) {
            producers.entry(batch.producer).or_default().push((*batch, index, *times));
        }
    }
    for mut begun in producers.into_values() {
        let mut acked = begun.clone();
        acked.retain(|(.., times)| times.acked.is_some());
        acked.sort_unstable_by_key(|(.., times)| times.acked);
        begun.sort_unstable_by_key(|(.., times)| times.begun);
        let mut acked = acked.into_iter().peekable();
        let mut last: Option<(u64, Batch)> = None;
        for (batch, index, Times { begun: sent, .. }) in begun {
            let is_before = |times: &Times| times.acked.is_some_and(|at| at <= sent);
            while let Some((before, index, _)) = acked.next_if(|(.., times)| is_before(times)) {
                last = last.max(Some((index, before)));
            }
            if let Some((at, before)) = last.filter(|(at, _)| *at > index) {
                verdict.found(format_args!(
                    "nonmonotonic: {batch} is at {index} of shard {shard}, and {before}, which was acknowledged before it was sent, at {at}"
                ));
            }
        }
    }
}
