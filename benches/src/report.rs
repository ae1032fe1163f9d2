//! What was measured: a table for people, a JSON file for programs, and whether the floors hold.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use serde_json::{Value, json};

use crate::Failure;
use crate::scale::Scale;

/// How often a sync is tried.
const SYNC_PROBES: usize = 50;

/// A bound that a figure must keep at full scale.
#[derive(Clone, Copy, Debug)]
pub enum Floor {
    /// It may not be less.
    AtLeast(f64),
    /// It may not be more.
    AtMost(f64),
    /// It must be less.
    Below(f64),
}

impl Floor {
    fn holds(self, value: f64) -> bool {
        match self {
            Self::AtLeast(bound) => value >= bound,
            Self::AtMost(bound) => value <= bound,
            Self::Below(bound) => value < bound,
        }
    }

    fn text(self) -> String {
        match self {
            Self::AtLeast(bound) => format!(">= {}", number(bound)),
            Self::AtMost(bound) => format!("<= {}", number(bound)),
            Self::Below(bound) => format!("< {}", number(bound)),
        }
    }
}

/// What came of measuring one thing.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// A figure.
    Measured(f64),
    /// The server refused, and why: no figure.
    NotAnswered(String),
    /// The server answered something else than what is true.
    Wrong(String),
}

struct Figure {
    part: &'static str,
    name: String,
    unit: &'static str,
    outcome: Outcome,
    floor: Option<Floor>,
}

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
            machine: machine(),
            commit: commit(),
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
        println!("{}", line(&figure));
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
            self.machine["sync_ms"].as_f64().map_or_else(|| "?".to_owned(), number),
            self.machine["load_before"].as_str().unwrap_or("unknown"),
        )
    }

    /// Writes the JSON file into a folder, and answers its path.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub fn write(&self, dir: &Path) -> Result<PathBuf, Failure> {
        fs::create_dir_all(dir)?;
        let path = dir.join(format!("{}.json", self.begun.strftime("%Y%m%dT%H%M%SZ")));
        let figures: Vec<Value> = self.figures.iter().map(json_figure).collect();
        let report = json!({
            "begun": self.begun.to_string(),
            "scale": self.scale.name,
            "commit": self.commit,
            "machine": self.machine,
            "figures": figures,
            "skipped": self.skipped,
        });
        fs::write(&path, format!("{report:#}\n"))?;
        Ok(path)
    }
}

fn json_figure(figure: &Figure) -> Value {
    let mut object = json!({
        "part": figure.part,
        "name": figure.name,
        "unit": figure.unit,
        "floor": figure.floor.map(Floor::text),
    });
    match &figure.outcome {
        Outcome::Measured(value) => {
            object["value"] = json!(value);
            object["holds"] = json!(figure.floor.map(|floor| floor.holds(*value)));
        }
        Outcome::NotAnswered(why) => object["not_answered"] = json!(why),
        Outcome::Wrong(why) => object["wrong"] = json!(why),
    }
    object
}

fn line(figure: &Figure) -> String {
    let (value, verdict) = match &figure.outcome {
        Outcome::Measured(value) => {
            let verdict = figure.floor.map_or("", |floor| match floor.holds(*value) {
                true => "holds",
                false => "MISSED",
            });
            (number(*value), verdict.to_owned())
        }
        Outcome::NotAnswered(why) => ("-".to_owned(), format!("not answered: {why}")),
        Outcome::Wrong(why) => ("-".to_owned(), format!("WRONG: {why}")),
    };
    let floor = figure.floor.map_or_else(String::new, Floor::text);
    let Figure { part, name, unit, .. } = figure;
    let line = format!("{part:<8}  {name:<62}  {value:>12} {unit:<9} {floor:>11}  {verdict}");
    line.trim_end().to_owned()
}

/// Three digits that count, thousands apart.
fn number(value: f64) -> String {
    let decimals = match value.abs() {
        size if size >= 100.0 => 0,
        size if size >= 10.0 => 1,
        size if size >= 1.0 => 2,
        _ => 3,
    };
    let plain = format!("{value:.decimals$}");
    let (whole, fraction) = plain.split_once('.').map_or((&*plain, ""), |(w, f)| (w, f));
    let mut grouped = String::new();
    for (place, digit) in whole.char_indices() {
        if place > 0 && (whole.len() - place).is_multiple_of(3) && digit.is_ascii_digit() {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    if fraction.is_empty() { grouped } else { format!("{grouped}.{fraction}") }
}

fn machine() -> Value {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let field = |text: &str, name: &str| {
        let line = text.lines().find(|line| line.starts_with(name));
        line.and_then(|line| Some(line.split_once(':')?.1.trim().to_owned()))
    };
    let processors = std::thread::available_parallelism().map_or(0, usize::from);
    let model = field(&read("/proc/cpuinfo"), "model name").unwrap_or_default();
    json!({
        "processor": format!("{processors} x {model}"),
        "memory": field(&read("/proc/meminfo"), "MemTotal"),
        "kernel": read("/proc/sys/kernel/osrelease").trim(),
        "sync_ms": sync_ms(),
        // Others that compute at the same time make every figure worse.
        "load_before": read("/proc/loadavg").trim(),
    })
}

/// What writing 64 KiB and syncing them takes in the folder where servers get their data.
fn sync_ms() -> Option<f64> {
    let mut file = tempfile::tempfile().ok()?;
    let mut took = Vec::new();
    for _ in 0..SYNC_PROBES {
        let begun = Instant::now();
        file.write_all(&[b'x'; 64 << 10]).ok()?;
        file.sync_data().ok()?;
        took.push(begun.elapsed());
    }
    took.sort_unstable();
    Some(took[SYNC_PROBES / 2].as_secs_f64() * 1e3)
}

fn commit() -> String {
    let git = |arguments: &[&str]| {
        let output = Command::new("git").args(arguments).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let Some(commit) = git(&["rev-parse", "--short=12", "HEAD"]) else {
        return "unknown".to_owned();
    };
    let changed = git(&["status", "--porcelain", "--untracked-files=no"]);
    if changed.is_none_or(|changed| changed.is_empty()) { commit } else { commit + " with changes" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_at_a_glance() {
        let numbers = [0.0123, 5.25, 42.44, 999.6, 250_000.0, 1_234_567.8, -1_000.0];
        let printed: Vec<String> = numbers.into_iter().map(number).collect();
        assert_eq!(printed, ["0.012", "5.25", "42.4", "1,000", "250,000", "1,234,568", "-1,000"]);
    }

    #[test]
    fn a_figure_says_whether_its_floor_holds() {
        let figure = |value, floor| Figure {
            part: "p",
            name: "n".to_owned(),
            unit: "ms",
            outcome: Outcome::Measured(value),
            floor: Some(floor),
        };
        assert!(line(&figure(20.0, Floor::Below(20.0))).ends_with("< 20.0  MISSED"));
        assert!(line(&figure(20.0, Floor::AtMost(20.0))).ends_with("<= 20.0  holds"));
        assert!(line(&figure(19.0, Floor::AtLeast(20.0))).ends_with(">= 20.0  MISSED"));
    }
}
