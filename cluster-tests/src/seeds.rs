//! Runs a simulation under many seeds, each in a process of its own.
//!
//! A process, and not only a thread, because libraries have counters that outlive a run: tokio
//! mixes the number of runtimes made so far into the randomness of `select!`. So the seventh seed
//! of a loop would not be what the seventh seed is alone, and a failure could not be replayed.
//!
//! A test that calls [`run_each`] is started again by it, as a child that runs one seed:
//!
//! ```text
//! test ──▶ run_each(name, …) ──▶ current_exe --exact name   VARVE_SIM_CHILD=0 ──▶ one line
//!                            ──▶ current_exe --exact name   VARVE_SIM_CHILD=1 ──▶ one line …
//! ```

use std::collections::BTreeMap;
use std::env;
use std::io::{self, Write};
use std::num::NonZero;
use std::process::{self, Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use crate::{Report, Simulation, TraceDigest};

/// Tells a child its seed.
const CHILD: &str = "VARVE_SIM_CHILD";

/// Set to anything, has all events printed, also of runs that went well; set to `debug`, has more
/// of them.
const EVENTS: &str = "VARVE_SIM_EVENTS";

/// The one seed to run.
const REPLAY: &str = "VARVE_SIM_SEED";

/// Before the line in which a child answers.
const ANSWER: &str = "simulated: ";

/// What came of one seed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// The seed.
    pub seed: u64,
    /// The digest of its run.
    pub digest: TraceDigest,
    /// How much virtual time passed.
    pub elapsed: Duration,
    /// How often each fault happened.
    pub happened: BTreeMap<String, u32>,
}

/// Runs the simulation for every seed: for the one in `VARVE_SIM_SEED`, or for as many as
/// `VARVE_SIM_SEEDS` says, or for the first `count`. With `VARVE_SIM_EVENTS` set all events are
/// printed. `test` is the path of the test that calls,
/// as the test runner prints it.
///
/// In a child this does not return.
///
/// # Panics
///
/// When a seed finds something, with what it found; when a variable is no number; when there is
/// no such test.
pub fn run_each(test: &str, count: u64, simulation: impl Fn(u64) -> Simulation) -> Vec<Summary> {
    answer_in_child(simulation);
    let mut summaries = Vec::new();
    for seeds in chosen(count).chunks(at_once()) {
        for (seed, found) in seeds.iter().zip(try_each(test, seeds, &[])) {
            summaries.push(found.unwrap_or_else(|complaint| {
                panic!(
                    "{complaint}\n{test}: seed {seed} found something; to see it again:\n  \
                     {REPLAY}={seed} cargo test -p varve-cluster-tests --test it -- --exact {test} \
                     --nocapture"
                )
            }));
        }
    }
    println!("{test}: {}", total(&summaries));
    summaries
}

/// How many seeds there were, how much time they simulated, and what happened to them.
fn total(summaries: &[Summary]) -> String {
    let elapsed: Duration = summaries.iter().map(|summary| summary.elapsed).sum();
    let happened = happened(summaries);
    let faults: Vec<String> =
        happened.iter().map(|(fault, times)| format!("{fault} {times}")).collect();
    let hours = elapsed.as_secs_f64() / 3600.0;
    format!("{} seeds, {hours:.2} simulated hours; {}", summaries.len(), faults.join(", "))
}

/// In a child, runs the simulation for its seed, and does not return. Elsewhere does nothing.
///
/// # Panics
///
/// In a child, when its seed finds something.
pub fn answer_in_child(simulation: impl Fn(u64) -> Simulation) {
    let Some(seed) = number(CHILD) else { return };
    let report = simulation(seed).run();
    if are_all_events_asked_for() {
        eprintln!("{}", report.events.join("\n"));
    }
    println!("{}", answer(seed, &report));
    io::stdout().flush().expect("the parent reads what a child says");
    process::exit(0);
}

/// Runs these seeds of a test that calls [`answer_in_child`], all at the same time, with variables
/// in their environment. Answers what came of each, in order: an error is what a seed found.
///
/// # Panics
///
/// When there is no such test.
pub fn try_each(
    test: &str,
    seeds: &[u64],
    variables: &[(&str, &str)],
) -> Vec<Result<Summary, String>> {
    let children: Vec<Child> = seeds.iter().map(|seed| start(test, *seed, variables)).collect();
    children.into_iter().map(|child| finish(test, child)).collect()
}

/// How many seeds to run at the same time.
#[must_use]
pub fn at_once() -> usize {
    thread::available_parallelism().map_or(1, NonZero::get)
}

/// How often each fault happened under all seeds.
#[must_use]
pub fn happened(summaries: &[Summary]) -> BTreeMap<String, u32> {
    let mut sums = BTreeMap::new();
    for (fault, times) in summaries.iter().flat_map(|summary| &summary.happened) {
        *sums.entry(fault.clone()).or_default() += times;
    }
    sums
}

/// Whether one single seed was asked for: then sums over many make no sense.
#[must_use]
pub fn is_replay() -> bool {
    number(REPLAY).is_some()
}

pub(crate) fn are_all_events_asked_for() -> bool {
    env::var_os(EVENTS).is_some()
}

pub(crate) fn is_debug_asked_for() -> bool {
    env::var(EVENTS).is_ok_and(|asked| asked == "debug")
}

fn chosen(count: u64) -> Vec<u64> {
    match number(REPLAY) {
        Some(seed) => vec![seed],
        None => (0..number("VARVE_SIM_SEEDS").unwrap_or(count)).collect(),
    }
}

fn start(test: &str, seed: u64, variables: &[(&str, &str)]) -> Child {
    let program = env::current_exe().expect("a test knows its own binary");
    Command::new(program)
        .args(["--exact", test, "--nocapture"])
        .env(CHILD, seed.to_string())
        .envs(variables.iter().copied())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("cannot start this test's binary again: {error}"))
}

fn finish(test: &str, child: Child) -> Result<Summary, String> {
    let output = child.wait_with_output().expect("a child can be waited for");
    let said = String::from_utf8_lossy(&output.stdout);
    let complaint = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        return Err(format!("{complaint}\n{}", output.status));
    }
    if are_all_events_asked_for() {
        eprintln!("{complaint}");
    }
    Ok(parse(&said).unwrap_or_else(|| {
        panic!("{test}: no such test, or it does not answer in a child:\n{said}\n{complaint}")
    }))
}

fn answer(seed: u64, report: &Report) -> String {
    let happened: Vec<String> =
        report.happened.iter().map(|(fault, times)| format!("{fault}={times}")).collect();
    let elapsed = report.elapsed.as_millis();
    format!("{ANSWER}{seed};{};{elapsed};{}", report.digest, happened.join(","))
}

fn parse(said: &str) -> Option<Summary> {
    let line = said.split(ANSWER).nth(1)?.lines().next()?;
    let mut parts = line.split(';');
    let seed = parts.next()?.parse().ok()?;
    let digest = TraceDigest(u128::from_str_radix(parts.next()?, 16).ok()?);
    let elapsed = Duration::from_millis(parts.next()?.parse().ok()?);
    let happened = parts.next()?.split(',').filter_map(|part| {
        let (fault, times) = part.split_once('=')?;
        Some((fault.to_owned(), times.parse().ok()?))
    });
    Some(Summary { seed, digest, elapsed, happened: happened.collect() })
}

fn number(variable: &str) -> Option<u64> {
    let text = env::var(variable).ok()?;
    match text.parse() {
        Ok(number) => Some(number),
        Err(_) => panic!("{variable} must be a number from 0 to {}, not {text:?}", u64::MAX),
    }
}
