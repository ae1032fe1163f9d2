//! Nothing lost, nothing stale, nothing twice, nothing made up (G1, G2, G4).
//!
//! After Jepsen's `set-full`: a row is *known* once it was acknowledged or an answer showed it. An
//! answer to a question asked later must show it; if none does any more it is lost, and if a later
//! one does it was stale.

use std::collections::{BTreeMap, HashSet};

use super::Verdict;
use super::ledger::{Ledger, answers};
use crate::history::{Calls, Element, Moment};

/// When a row was looked for.
#[derive(Default)]
struct Looked {
    /// The last question after which it was missing, though it was known.
    missing: Option<Moment>,
    /// The last question after which it was there.
    there: Option<Moment>,
}

pub(super) fn check(calls: &Calls<'_>) -> Verdict {
    let mut verdict = Verdict::new("set-full");
    let ledger = Ledger::of(calls);
    let mut looked: BTreeMap<Element, Looked> = BTreeMap::new();
    let answers = answers(calls);
    verdict.count("answers", answers.len());
    for answer in &answers {
        let mut once = HashSet::new();
        for found in answer.found {
            let element = found.element;
            if !once.insert(element) {
                verdict.found(format_args!("{element} is twice in one answer"));
            }
            let sent = ledger.sent(element.batch);
            let is_sent =
                |sent: &super::ledger::Sent| element.row < sent.rows && sent.begun <= answer.end;
            if !sent.is_some_and(is_sent) {
                verdict.found(format_args!("{element} was found and had not been sent"));
            }
            let looked = looked.entry(element).or_default();
            looked.there = looked.there.max(Some(answer.begun));
        }
        for missing in ledger.missing(answer) {
            let looked = looked.entry(missing.element).or_default();
            looked.missing = looked.missing.max(Some(answer.begun));
        }
    }
    for (element, Looked { missing, there }) in &looked {
        match (missing, there) {
            (None, _) => {}
            (Some(missing), Some(there)) if there > missing => {
                verdict.found(format_args!("{element} was known, missing, and there again: stale"));
            }
            (Some(_), _) => verdict.found(format_args!("{element} is lost")),
        }
    }
    let acknowledged = ledger.batches().filter(|(_, sent)| sent.acked.is_some());
    let rows = acknowledged
        .flat_map(|(batch, sent)| (0..sent.rows).map(|row| Element { batch: *batch, row }));
    for element in rows {
        verdict.count("rows acknowledged", 1);
        if !looked.contains_key(&element) {
            verdict.count("rows acknowledged and never looked for", 1);
        }
    }
    verdict.needs("answers").needs("rows acknowledged")
}
