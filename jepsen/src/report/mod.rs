//! What a run leaves in its folder: its history, what the checkers say, a summary and a plot.
//!
//! ```text
//! FOLDER/history.edn    every call and every fault, for `varve-jepsen check` and for others
//!        verdicts.txt   what the checkers say
//!        summary.json   seed, commit, operations, faults, verdicts, for scripts
//!        latency.svg    latency, throughput and availability over time, faults shaded
//!        node-N.log     what node N said, over all its lives
//! ```

mod plot;
mod summary;

use std::fmt::Write as _;
use std::path::Path;

use crate::Failure;
use crate::checker::Verdict;
use crate::history::{self, Calls, History};
use crate::run::{NOT_ASKED, Options, Ran};

/// Writes all of it, and answers what is to be shown to whoever waits.
///
/// # Errors
///
/// When it cannot be written.
pub fn write(folder: &Path, options: &Options, ran: &Ran) -> Result<String, Failure> {
    let calls = ran.history.calls().map_err(|error| format!("BUG: no history: {error}"))?;
    std::fs::write(folder.join("history.edn"), history::write(&ran.history))?;
    std::fs::write(folder.join("latency.svg"), plot::draw(&ran.history, &calls))?;
    let summary = summary::of(options, ran, &calls);
    std::fs::write(folder.join("summary.json"), format!("{summary:#}\n"))?;
    let shown = show(ran, &calls)?;
    std::fs::write(folder.join("verdicts.txt"), &shown)?;
    Ok(shown)
}

/// A plot of a history that was read from a file.
#[must_use]
pub fn draw(history: &History, calls: &Calls<'_>) -> String {
    plot::draw(history, calls)
}

/// Verdicts, for people.
#[must_use]
pub fn show_verdicts(verdicts: &[Verdict]) -> String {
    let line = |verdict: &Verdict| {
        let is_asked = !NOT_ASKED.contains(&verdict.checker) || !verdict.findings.is_empty();
        if is_asked || verdict.is_valid() {
            format!("{verdict}\n")
        } else {
            format!("{:<14} not asked for\n", verdict.checker)
        }
    };
    verdicts.iter().map(line).collect()
}

fn show(ran: &Ran, calls: &Calls<'_>) -> Result<String, Failure> {
    let mut out = String::new();
    for (name, tally) in &ran.faults {
        let said = match &tally.never {
            Some(why) => format!("skipped: {why}"),
            None => format!(
                "{} seen, {} skipped, {} not seen{}",
                tally.installed,
                tally.skipped,
                tally.indeterminate,
                if tally.last.is_empty() { String::new() } else { format!(" ({})", tally.last) }
            ),
        };
        writeln!(out, "{name:<19} {said}")?;
    }
    let (all, ok) = summary::counts(calls);
    writeln!(out, "\n{all} operations, {ok} went well\n{}", show_verdicts(&ran.verdicts))?;
    for problem in &ran.problems {
        writeln!(out, "PROBLEM: {problem}")?;
    }
    Ok(out)
}
