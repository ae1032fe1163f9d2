//! Checkers: each holds a history against one promise and says what it found.

mod digests;
mod exactly_once;
mod lag;
mod ledger;
mod liveness;
mod order;
mod registers;
mod set_full;

use std::collections::BTreeMap;
use std::fmt;

pub use liveness::{Back, HEAL, Limits, Recovery, recoveries};

use crate::history::{History, Malformed};

/// Findings that a verdict prints; the others are counted.
const SHOWN: usize = 20;

/// What a checker has to say of a history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Which checker.
    pub checker: &'static str,
    /// What breaks the promise: nothing if it was kept.
    pub findings: Vec<String>,
    /// Why nothing can be said, if so: a history in which nothing happened keeps no promise.
    pub undecided: Option<String>,
    /// How much was looked at, by what it is.
    pub facts: BTreeMap<&'static str, u64>,
}

impl Verdict {
    fn new(checker: &'static str) -> Self {
        let (findings, facts) = (Vec::new(), BTreeMap::new());
        Self { checker, findings, undecided: None, facts }
    }

    fn found(&mut self, finding: impl fmt::Display) {
        self.findings.push(finding.to_string());
    }

    fn count(&mut self, what: &'static str, number: usize) {
        *self.facts.entry(what).or_default() += number as u64;
    }

    /// Says that nothing can be said where nothing of a kind was looked at.
    fn needs(mut self, what: &'static str) -> Self {
        if self.facts.get(what).copied().unwrap_or(0) == 0 {
            self.undecided = Some(format!("there are no {what}"));
        }
        self
    }

    /// Whether the promise was kept, as far as the history shows.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        self.findings.is_empty() && self.undecided.is_none()
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let how = match (&self.undecided, self.findings.len()) {
            (None, 0) => "kept".to_owned(),
            (Some(why), 0) => format!("UNDECIDED: {why}"),
            (_, count) => format!("BROKEN: {count} found"),
        };
        write!(f, "{:<14} {how}", self.checker)?;
        let facts: Vec<String> =
            self.facts.iter().map(|(what, number)| format!("{what}: {number}")).collect();
        if !facts.is_empty() {
            write!(f, " ({})", facts.join(", "))?;
        }
        for finding in self.findings.iter().take(SHOWN) {
            write!(f, "\n    {finding}")?;
        }
        if self.findings.len() > SHOWN {
            write!(f, "\n    and {} more", self.findings.len() - SHOWN)?;
        }
        Ok(())
    }
}

/// What all checkers say of a history.
///
/// # Errors
///
/// It is none.
pub fn check(history: &History, limits: &Limits) -> Result<Vec<Verdict>, Malformed> {
    let calls = history.calls()?;
    Ok(vec![
        set_full::check(&calls),
        order::check(&calls),
        exactly_once::check(&calls),
        lag::check(&calls),
        registers::check(&calls),
        digests::check(&calls),
        liveness::check(history, &calls, limits),
    ])
}
