//! What must be there, as of when: every row that was acknowledged, or that an answer showed.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::history::{
    Action, Batch, Called, Calls, Element, End, Found, Moment, Process, Selection,
};

/// All batches of a history, and when their rows became known.
pub(super) struct Ledger {
    batches: BTreeMap<Batch, Sent>,
    /// When an answer first showed a row.
    seen: HashMap<Element, Moment>,
}

/// A batch that was sent, once or again and again.
pub(super) struct Sent {
    /// When it was first sent.
    pub(super) begun: Moment,
    pub(super) rows: u32,
    /// When it was first acknowledged, and to whom.
    pub(super) acked: Option<(Moment, Process)>,
}

/// A call that found rows.
pub(super) struct Answer<'a> {
    pub(super) process: Process,
    pub(super) begun: Moment,
    pub(super) end: Moment,
    pub(super) selection: Selection,
    pub(super) found: &'a [Found],
}

/// A row that an answer should have shown.
pub(super) struct Missing {
    pub(super) element: Element,
    /// Since when it was known.
    pub(super) known: Moment,
}

impl Ledger {
    pub(super) fn of(calls: &Calls<'_>) -> Self {
        let mut ledger = Self { batches: BTreeMap::new(), seen: HashMap::new() };
        for call in calls.iter() {
            if let Action::Append { batch, rows, .. } = call.asked {
                let sent = Sent { begun: call.begun, rows: *rows, acked: None };
                let sent = ledger.batches.entry(*batch).or_insert(sent);
                if let End::Ok { at, .. } = call.end
                    && sent.acked.is_none_or(|(before, _)| at < before)
                {
                    sent.acked = Some((at, call.process));
                }
            }
        }
        for answer in answers(calls) {
            for found in answer.found {
                let seen = ledger.seen.entry(found.element).or_insert(answer.end);
                *seen = (*seen).min(answer.end);
            }
        }
        ledger
    }

    pub(super) fn sent(&self, batch: Batch) -> Option<&Sent> {
        self.batches.get(&batch)
    }

    pub(super) fn batches(&self) -> impl Iterator<Item = (&Batch, &Sent)> {
        self.batches.iter()
    }

    /// When it became known that a row is there, if it ever did.
    fn known(&self, element: Element) -> Option<Moment> {
        let acked = self.batches.get(&element.batch).and_then(|sent| sent.acked);
        let seen = self.seen.get(&element).copied();
        acked.map(|(at, _)| at).into_iter().chain(seen).min()
    }

    /// Rows that were known when a question was asked, and that its answer does not show.
    pub(super) fn missing(&self, answer: &Answer<'_>) -> Vec<Missing> {
        let found: HashSet<Element> = answer.found.iter().map(|found| found.element).collect();
        let selected = self.batches.range(answer.selection.batches());
        let rows = selected
            .flat_map(|(batch, sent)| (0..sent.rows).map(|row| Element { batch: *batch, row }));
        let known =
            rows.filter_map(|element| Some(Missing { element, known: self.known(element)? }));
        let is_missing = |row: &Missing| row.known <= answer.begun && !found.contains(&row.element);
        known.filter(is_missing).collect()
    }
}

/// The searches of a history that were answered.
pub(super) fn answers<'a>(calls: &Calls<'a>) -> Vec<Answer<'a>> {
    let answer = |call: &Called<'a>| {
        let End::Ok { at, answer: Action::Read { selection, found } } = call.end else {
            return None;
        };
        Some(Answer {
            process: call.process,
            begun: call.begun,
            end: at,
            selection: *selection,
            found,
        })
    };
    calls.iter().filter_map(answer).collect()
}
