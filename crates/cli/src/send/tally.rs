//! What became of the lines: counted, and told at the end.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde_json::json;
use varve_client::Appended;
use varve_client::lines::LineNumber;

/// Refused lines that are shown one by one; the others are counted.
const SHOWN_REFUSALS: u64 = 10;

/// Counts of lines.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    /// Acknowledged by the server, in this run or an earlier one.
    accepted: u64,
    /// Of those: found stored.
    duplicates: u64,
    /// Of those: so long ago that the server only knows that it was acknowledged.
    earlier: u64,
    skipped: u64,
    refused: u64,
    /// By reason, without the line's own details.
    silent_refusals: BTreeMap<String, u64>,
}

impl Tally {
    pub(super) const fn skip(&mut self) {
        self.skipped += 1;
    }

    /// Counts a refused line, and answers what to say of it now.
    pub(super) fn refuse(&mut self, input: &str, line: LineNumber, reason: &str) -> Option<String> {
        self.refused += 1;
        if self.refused <= SHOWN_REFUSALS {
            return Some(format!("{input}: line {line} refused: {reason}"));
        }
        let kind = reason.split_once(':').map_or(reason, |(kind, _)| kind);
        *self.silent_refusals.entry(kind.to_owned()).or_default() += 1;
        None
    }

    /// Counts an acknowledged batch of this many lines.
    pub(super) const fn acknowledge(&mut self, lines: u64, appended: Appended) {
        self.accepted += lines;
        match appended {
            Appended::Stored { duplicate: true, .. } => self.duplicates += lines,
            Appended::Stored { duplicate: false, .. } => {}
            Appended::Earlier => self.earlier += lines,
        }
    }

    pub(super) const fn accepted(&self) -> u64 {
        self.accepted
    }

    pub(super) const fn has_refusals(&self) -> bool {
        self.refused > 0
    }

    /// The line that ends every run, and what needs to be known beside it.
    pub(super) fn text(&self) -> String {
        let mut text = format!(
            "accepted {}, skipped {} (empty), refused {}\n",
            self.accepted, self.skipped, self.refused
        );
        let mut add = |line: std::fmt::Arguments<'_>| {
            // Writing to a string does not fail.
            let _ = writeln!(text, "{line}");
        };
        if self.duplicates > 0 {
            add(format_args!("  {} of the accepted had been stored before", self.duplicates));
        }
        if self.earlier > 0 {
            add(format_args!(
                "  {} of the accepted were acknowledged in an earlier run, so long ago that their content was not compared",
                self.earlier
            ));
        }
        text
    }

    /// Refusals that were not shown when they happened.
    pub(super) fn further_refusals(&self) -> Vec<String> {
        let line = |(kind, count): (&String, &u64)| format!("{count} more lines refused: {kind}");
        self.silent_refusals.iter().map(line).collect()
    }

    pub(super) fn json(&self) -> String {
        let json = json!({
            "accepted": self.accepted,
            "skipped": self.skipped,
            "refused": self.refused,
            "stored_before": self.duplicates,
            "acknowledged_earlier": self.earlier,
        });
        format!("{json}\n")
    }
}
