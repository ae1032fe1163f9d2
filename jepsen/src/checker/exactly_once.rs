//! A batch is stored once, however often it is sent (G2): all acknowledgements of it say the same, and
//! answers show its rows there and nowhere else.

use std::collections::BTreeMap;

use super::Verdict;
use super::ledger::answers;
use crate::history::{Action, Batch, Calls, Element, End, Place};

pub(super) fn check(calls: &Calls<'_>) -> Verdict {
    let mut verdict = Verdict::new("exactly-once");
    let mut told: BTreeMap<Batch, &[Place]> = BTreeMap::new();
    let mut sent: BTreeMap<Batch, usize> = BTreeMap::new();
    for call in calls.iter() {
        let Action::Append { batch, rows, .. } = call.asked else { continue };
        *sent.entry(*batch).or_default() += 1;
        let End::Ok { answer: Action::Append { places, .. }, .. } = call.end else { continue };
        // Whoever did not ask where they are was not told.
        if places.is_empty() {
            continue;
        }
        let stored = places.len();
        if stored as u64 != u64::from(*rows) {
            verdict.found(format_args!("{batch} has {rows} rows, and {stored} were stored"));
        }
        if *told.entry(*batch).or_insert(places) != places.as_slice() {
            verdict.found(format_args!("{batch} was acknowledged as stored at two places"));
        }
    }
    verdict.count("batches", sent.len());
    verdict.count("batches sent again", sent.values().filter(|times| **times > 1).count());
    let rows = told.iter().flat_map(|(batch, places)| {
        (0..).zip(*places).map(|(row, place)| (Element { batch: *batch, row }, *place))
    });
    let mut places: BTreeMap<Element, Place> = rows.collect();
    for found in answers(calls).iter().flat_map(|answer| answer.found) {
        let before = *places.entry(found.element).or_insert(found.place);
        if before != found.place {
            let (element, place) = (found.element, found.place);
            verdict.found(format_args!("{element} is at two places: {before}, {place}"));
        }
    }
    verdict.needs("batches")
}
