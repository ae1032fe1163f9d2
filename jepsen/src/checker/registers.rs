//! Settings of the cluster behave as one copy of each (linearizability): every call took effect at
//! one moment between its beginning and its end.
//!
//! A search for such moments after Wing and Gong, with Lowe's memory of what was tried. A call
//! whose end nobody knows took effect at any later moment, or never.

use std::collections::{BTreeMap, HashSet};

use super::Verdict;
use crate::history::{Action, Calls, End};

/// States after which a search is given up.
const STATES_MAX: usize = 2_000_000;

/// A call, as the search sees it: by the indexes of the operations that began and ended it.
#[derive(Clone, Copy, Debug)]
struct Effective {
    begun: u64,
    /// `u64::MAX` when nobody knows that it ended.
    end: u64,
    effect: Effect,
}

#[derive(Clone, Copy, Debug)]
enum Effect {
    Set(u64),
    Show(Option<u64>),
}

/// Calls that took effect, one bit each, and what the register is then.
type State = (Vec<u64>, Option<u64>);

pub(super) fn check(calls: &Calls<'_>) -> Verdict {
    let mut verdict = Verdict::new("registers");
    let mut registers: BTreeMap<&str, Vec<Effective>> = BTreeMap::new();
    for call in calls.iter() {
        let begun = call.begun.index;
        let (register, end, effect) = match (call.asked, call.end) {
            (Action::Write { register, value }, End::Ok { at, .. }) => {
                (register, at.index, Effect::Set(*value))
            }
            (Action::Write { register, value }, End::Unknown) => {
                (register, u64::MAX, Effect::Set(*value))
            }
            (Action::Get { register, .. }, End::Ok { at, answer: Action::Get { value, .. } }) => {
                (register, at.index, Effect::Show(*value))
            }
            _ => continue,
        };
        registers.entry(register).or_default().push(Effective { begun, end, effect });
    }
    for (register, calls) in registers {
        verdict.count("calls", calls.len());
        match is_linearizable(&calls) {
            Some(true) => {}
            Some(false) => verdict.found(format_args!(
                "{register}: no order of its {} calls explains what they answered",
                calls.len()
            )),
            None => {
                verdict.undecided =
                    Some(format!("{register}: after {STATES_MAX} states the search was given up"));
            }
        }
    }
    if verdict.undecided.is_some() { verdict } else { verdict.needs("calls") }
}

/// `None` when the search takes too long.
fn is_linearizable(calls: &[Effective]) -> Option<bool> {
    let words = calls.len().div_ceil(64);
    let has = |done: &[u64], at: usize| done[at / 64] >> (at % 64) & 1 == 1;
    let mut tried: HashSet<State> = HashSet::new();
    let mut to_try: Vec<State> = vec![(vec![0; words], None)];
    while let Some((done, value)) = to_try.pop() {
        let left = || calls.iter().enumerate().filter(|(at, _)| !has(&done, *at));
        if left().all(|(_, call)| call.end == u64::MAX) {
            return Some(true);
        }
        // What began after another had ended cannot have come before it.
        let first_end = left().map(|(_, call)| call.end).min().unwrap_or(u64::MAX);
        for (at, call) in left().filter(|(_, call)| call.begun <= first_end) {
            let after = match call.effect {
                Effect::Set(set) => Some(set),
                Effect::Show(shown) if shown == value => value,
                Effect::Show(_) => continue,
            };
            let mut done = done.clone();
            done[at / 64] |= 1 << (at % 64);
            let state = (done, after);
            if tried.insert(state.clone()) {
                to_try.push(state);
            }
        }
        if tried.len() > STATES_MAX {
            return None;
        }
    }
    Some(false)
}
