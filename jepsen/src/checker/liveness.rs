//! The cluster answers, and answers again soon after faults are gone (G10): a run in which little
//! went well shows little.

use super::Verdict;
use crate::history::{Action, Called, Calls, End, History, Op};

/// The fault that takes all others away.
pub const HEAL: &str = "heal";

/// What a cluster must reach.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// How soon after each heal an append and a search must have gone well that began after it.
    pub back_within_ns: u64,
    /// Of a hundred calls so many must go well.
    pub ok_percent_min: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { back_within_ns: 10_000_000_000, ok_percent_min: 20 }
    }
}

pub(super) fn check(history: &History, calls: &Calls<'_>, limits: &Limits) -> Verdict {
    let mut verdict = Verdict::new("liveness");
    let is_ok = |call: &&Called<'_>| matches!(call.end, End::Ok { .. });
    let (all, ok) = (calls.iter().count(), calls.iter().filter(is_ok).count());
    verdict.count("calls", all);
    verdict.count("calls that went well", ok);
    if (ok as u64) * 100 < (all as u64) * limits.ok_percent_min {
        let least = limits.ok_percent_min;
        verdict.undecided = Some(format!(
            "{ok} of {all} calls went well, and {least} % are to: the run shows little"
        ));
    }
    for back in recoveries(history, calls) {
        verdict.count("heals", 1);
        let healed_ns = back.healed_ns;
        for (what, back) in [("append", back.append), ("search", back.search)] {
            let Back::Asked(back_ns) = back else { continue };
            if back_ns.is_none_or(|back_ns| back_ns > limits.back_within_ns) {
                let seconds = |ns: u64| ns as f64 / 1e9;
                let took =
                    back_ns.map_or("never".to_owned(), |ns| format!("after {:.1} s", seconds(ns)));
                verdict.found(format_args!(
                    "healed at {:.1} s, and the next {what} went well {took}",
                    seconds(healed_ns)
                ));
            }
            let slowest = verdict.facts.entry("ms until back, at most").or_default();
            *slowest = (*slowest).max(back_ns.unwrap_or(0) / 1_000_000);
        }
    }
    if verdict.undecided.is_some() { verdict } else { verdict.needs("calls that went well") }
}

/// How soon after a heal something went well that was asked after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Back {
    /// Nobody asked any more.
    NotAsked,
    /// So soon; `None` if never.
    Asked(Option<u64>),
}

/// What came after a heal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recovery {
    /// When it was, since the run began.
    pub healed_ns: u64,
    /// When an append went well.
    pub append: Back,
    /// When a search went well.
    pub search: Back,
}

/// What came after each heal of a history.
#[must_use]
pub fn recoveries(history: &History, calls: &Calls<'_>) -> Vec<Recovery> {
    let heals = history.ops().iter().filter(is_heal);
    let recovery = |heal: &Op| {
        let back = |is_one: fn(&Action) -> bool| {
            let after = calls.iter().filter(|call| call.begun > heal.moment());
            let mut asked = after.filter(|call| is_one(call.asked)).peekable();
            if asked.peek().is_none() {
                return Back::NotAsked;
            }
            let back = asked.filter_map(|call| match call.end {
                End::Ok { at, .. } => Some(at.time_ns - heal.time_ns),
                End::Failed | End::Unknown => None,
            });
            Back::Asked(back.min())
        };
        Recovery { healed_ns: heal.time_ns, append: back(is_append), search: back(is_read) }
    };
    heals.map(recovery).collect()
}

fn is_heal(op: &&Op) -> bool {
    matches!(&op.action, Action::Fault { name, .. } if name == HEAL)
}

const fn is_append(action: &Action) -> bool {
    matches!(action, Action::Append { .. })
}

const fn is_read(action: &Action) -> bool {
    matches!(action, Action::Read { .. })
}
