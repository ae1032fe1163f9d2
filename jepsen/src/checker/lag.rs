//! A question that is asked after an acknowledgement sees what was acknowledged, whoever asks, and
//! whoever saw something sees it again (G4): the real-time lag is zero.

use super::Verdict;
use super::ledger::{Ledger, answers};
use crate::history::Calls;

pub(super) fn check(calls: &Calls<'_>) -> Verdict {
    let mut verdict = Verdict::new("lag");
    let ledger = Ledger::of(calls);
    let mut lag_ns = 0;
    for answer in answers(calls) {
        verdict.count("answers", 1);
        for missing in ledger.missing(&answer) {
            let late_ns = answer.begun.time_ns - missing.known.time_ns;
            lag_ns = lag_ns.max(late_ns);
            let acked = ledger.sent(missing.element.batch).and_then(|sent| sent.acked);
            let own =
                acked.is_some_and(|(at, process)| process == answer.process && at <= answer.begun);
            let whose = if own { "its own" } else { "somebody's" };
            verdict.found(format_args!(
                "{} asked {:.3} ms after {whose} {} was known, and did not see it",
                answer.process,
                late_ns as f64 / 1e6,
                missing.element
            ));
        }
    }
    verdict.facts.insert("lag in ns", lag_ns);
    verdict.needs("answers")
}
