//! What was measured: a table for people, a JSON file for programs, and whether the floors hold.

mod figure;
mod machine;
mod markdown;

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::Failure;
use crate::scale::Scale;
use figure::Figure;
pub use figure::{Floor, Outcome};

/// All figures of one run.
pub struct Report {
    scale: Scale,
    begun: jiff::Timestamp,
    machine: Value,
    commit: String,
    figures: Vec<Figure>,
    skipped: Vec<String>,
}

impl Report {
    /// An empty report about this machine and this commit.
    #[must_use]
    pub fn begin(scale: Scale) -> Self {
        Self {
            scale,
            begun: jiff::Timestamp::now(),
            machine: machine::machine(),
            commit: machine::commit(),
            figures: Vec::new(),
            skipped: Vec::new(),
        }
    }

    /// Takes a figure, and prints it.
    pub fn measured(&mut self, part: &'static str, name: &str, value: f64, unit: &'static str) {
        self.take(part, name, unit, Outcome::Measured(value), None);
    }

    /// Takes a figure that has a floor.
    pub fn bounded(
        &mut self,
        part: &'static str,
        name: &str,
        value: f64,
        unit: &'static str,
        floor: Floor,
    ) {
        self.take(part, name, unit, Outcome::Measured(value), Some(floor));
    }

    /// Takes any outcome.
    pub fn take(
        &mut self,
        part: &'static str,
        name: &str,
        unit: &'static str,
        outcome: Outcome,
        floor: Option<Floor>,
    ) {
        let figure = Figure { part, name: name.to_owned(), unit, outcome, floor };
        println!("{}", figure::line(&figure));
        self.figures.push(figure);
    }

    /// Notes what was not measured, and why.
    pub fn skip(&mut self, what: &str) {
        println!("skipped: {what}");
        self.skipped.push(what.to_owned());
    }

    /// Whether an answer was wrong: then no figure means anything.
    #[must_use]
    pub fn has_wrong_answers(&self) -> bool {
        self.figures.iter().any(|figure| matches!(figure.outcome, Outcome::Wrong(_)))
    }

    /// The machine, the commit and the scale, in a line.
    #[must_use]
    pub fn heading(&self) -> String {
        format!(
            "{} scale, commit {}, {}\nsyncing 64 KiB takes {} ms; load of the machine before: {}",
            self.scale.name,
            self.commit,
            self.machine["processor"].as_str().unwrap_or("unknown processor"),
            self.machine["sync_ms"].as_f64().map_or_else(|| "?".to_owned(), figure::number),
            self.machine["load_before"].as_str().unwrap_or("unknown"),
        )
    }

    /// Writes the JSON file into a folder, and the same as Markdown for docs/benchmarks.md beside
    /// it; answers the path of the first.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub fn write(&self, dir: &Path) -> Result<PathBuf, Failure> {
        fs::create_dir_all(dir)?;
        let path = dir.join(format!("{}.json", self.begun.strftime("%Y%m%dT%H%M%SZ")));
        let figures: Vec<Value> = self.figures.iter().map(figure::json).collect();
        let report = json!({
            "begun": self.begun.to_string(),
            "scale": self.scale.name,
            "commit": self.commit,
            "machine": self.machine,
            "figures": figures,
            "skipped": self.skipped,
        });
        fs::write(&path, format!("{report:#}\n"))?;
        fs::write(path.with_extension("md"), markdown::tables(self))?;
        Ok(path)
    }
}
