//! `make bench`: runs the parts, prints figures, writes a JSON file.
//!
//! `BENCH=NAME` picks one part, `QUICK=1` measures for about a minute, `BENCH_DIR` is where the
//! file goes, `VARVE_BIN` is the binary.

use std::path::PathBuf;
use std::process::ExitCode;

use varve_benches::parts::PARTS;
use varve_benches::report::Report;
use varve_benches::scale::Scale;
use varve_benches::{Failure, binary};

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => {
            eprintln!("the server answered something else than what was stored");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Whether all answers were right.
fn run() -> Result<bool, Failure> {
    let set = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    let scale = match set("QUICK") {
        Some(value) if value != "0" => Scale::QUICK,
        _ => Scale::FULL,
    };
    let wanted = set("BENCH");
    let is_wanted = |name: &str| wanted.as_deref().is_none_or(|wanted| wanted == name);
    if !PARTS.iter().any(|part| is_wanted(part.name)) {
        let names: Vec<&str> = PARTS.iter().map(|part| part.name).collect();
        return Err(format!("BENCH is one of: {}", names.join(", ")).into());
    }
    let mut report = Report::begin(scale);
    println!("{}\nserver: {}", report.heading(), binary()?.display());
    for part in PARTS.iter().filter(|part| is_wanted(part.name)) {
        part.run(&mut report, &scale)?;
    }
    let dir = set("BENCH_DIR").map_or_else(|| PathBuf::from("target/bench"), PathBuf::from);
    println!("\nwritten: {}", report.write(&dir)?.display());
    Ok(!report.has_wrong_answers())
}
