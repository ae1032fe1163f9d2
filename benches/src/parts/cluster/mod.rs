//! Three nodes against one, of the same build, on the same machine, in the same run: what each row
//! costs to be stored three times, what nodes do when nobody asks for anything, and how long a
//! shard is led by nobody.
//!
//! All nodes share this machine's processors and its disk, so three nodes do three times the work
//! of one with the same means: on machines of their own they are faster than here.

mod failover;
mod idle;
mod nodes;
mod rollover;

use std::time::Duration;

use super::ingest::run_once;
use super::{SEED, median, percentile_ms};
use crate::Failure;
use crate::corpus::{Corpus, LineSize};
use crate::load::{
    Batches, Measured, Meter, Protocol, ROWS_PER_SHORT_BATCH, grpc_closed_loop, grpc_open_loop,
};
use crate::report::{Floor, Report};
use crate::scale::Scale;
use crate::server::Server;
use nodes::Nodes;

const PART: &str = "cluster";

/// Rows in a batch of the open loop: what an agent sends while it is not behind.
const ROWS_PER_BATCH: usize = 1_000;

pub(super) fn run(report: &mut Report, scale: &Scale) -> Result<(), Failure> {
    throughput(report, scale)?;
    let rows_per_s = sustained(report, scale)?;
    latency(report, scale, rows_per_s / 2.0)?;
    rollover::run(report, scale, rows_per_s / 2.0)?;
    idle::run(report, scale)?;
    failover::run(report, scale)
}

fn throughput(report: &mut Report, scale: &Scale) -> Result<(), Failure> {
    let mut corpus = Corpus::new(SEED, LineSize::Short, scale.short_rows);
    let batches = Batches::of(&mut corpus, Protocol::Grpc, ROWS_PER_SHORT_BATCH);
    let (mut one, mut three) = (Vec::new(), Vec::new());
    // In turn, so that what else the machine does falls on both.
    for _ in 0..scale.runs {
        one.push(run_once(&Server::start()?, &batches, Protocol::Grpc)?);
        let nodes = Nodes::start()?;
        let meter = Meter::begin(nodes.clock(), batches.rows)?;
        grpc_closed_loop(&nodes.endpoints(), &batches, &meter)?;
        three.push(meter.end()?);
        nodes.check(batches.rows)?;
    }
    let of = |runs: &[Measured], what: fn(&Measured) -> f64| {
        median(runs.iter().map(what).collect::<Vec<_>>())
    };
    let rows_per_s = |runs: &[Measured]| of(runs, |run| run.whole.rows_per_s);
    let processor = |runs: &[Measured]| of(runs, |run| run.whole.processor_us_per_row);
    report.measured(PART, "one node, rows/s", rows_per_s(&one), "rows/s");
    report.measured(PART, "three nodes, rows/s, each synced by two", rows_per_s(&three), "rows/s");
    let share = 100.0 * rows_per_s(&three) / rows_per_s(&one);
    report.bounded(PART, "three nodes against one", share, "%", Floor::AtLeast(40.0));
    report.measured(PART, "one node, processor time", processor(&one), "us/row");
    report.measured(PART, "three nodes together, processor time", processor(&three), "us/row");
    let p99 = of(&three, |run| percentile_ms(&run.latencies, 99));
    report.measured(PART, "ack of a batch meanwhile, p99", p99, "ms");
    Ok(())
}

/// Answers the full load of three nodes: the rows a second that they take for as long as it may be.
/// What tails have room for is taken faster, and is not counted: only the second half of the rows
/// is.
fn sustained(report: &mut Report, scale: &Scale) -> Result<f64, Failure> {
    let mut corpus = Corpus::new(SEED, LineSize::Short, scale.sustained_rows);
    let batches = Batches::of(&mut corpus, Protocol::Grpc, ROWS_PER_SHORT_BATCH);
    let nodes = Nodes::start()?;
    let meter = Meter::begin(nodes.clock(), batches.rows)?;
    grpc_closed_loop(&nodes.endpoints(), &batches, &meter)?;
    let tenths = meter.end()?.tenths;
    nodes.check(batches.rows)?;
    let settled = &tenths[tenths.len() / 2..];
    let seconds_per_row: f64 = settled.iter().map(|tenth| 1.0 / tenth.rows_per_s).sum();
    let rows_per_s = settled.len() as f64 / seconds_per_row;
    report.measured(PART, "three nodes, rows/s for long: the full load", rows_per_s, "rows/s");
    Ok(rows_per_s)
}

/// Small batches for an open loop of so many rows a second, and how often one is due.
fn open_load(scale: &Scale, rows_per_s: f64) -> (Batches, Duration) {
    let rows = (rows_per_s * scale.half_load.as_secs_f64()).max(ROWS_PER_BATCH as f64);
    let mut corpus = Corpus::new(SEED, LineSize::Short, rows as u64);
    let batches = Batches::of(&mut corpus, Protocol::Grpc, ROWS_PER_BATCH);
    (batches, Duration::from_secs_f64(ROWS_PER_BATCH as f64 / rows_per_s))
}

/// An open loop of small batches at half of what three nodes take.
fn latency(report: &mut Report, scale: &Scale, rows_per_s: f64) -> Result<(), Failure> {
    let (batches, interval) = open_load(scale, rows_per_s);
    let mut runs = Vec::new();
    for _ in 0..scale.runs {
        let nodes = Nodes::start()?;
        let meter = Meter::begin(nodes.clock(), batches.rows)?;
        grpc_open_loop(&nodes.endpoints(), &batches, interval, &meter)?;
        runs.push(meter.end()?);
        nodes.check(batches.rows)?;
    }
    let of = |hundredths| {
        median(runs.iter().map(|run| percentile_ms(&run.latencies, hundredths)).collect())
    };
    report.measured(PART, "half of the full load", rows_per_s, "rows/s");
    report.measured(PART, "ack, p50", of(50), "ms");
    report.bounded(PART, "ack, p99", of(99), "ms", Floor::Below(100.0));
    report.measured(PART, "ack, longest", of(100), "ms");
    Ok(())
}
