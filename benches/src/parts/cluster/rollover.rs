//! What an acknowledgement takes while windows end: an open loop at half of the full load, and all
//! shards, eight from the second window on, rolled over again and again meanwhile.

use std::thread::{scope, sleep};
use std::time::{Duration, Instant};

use super::nodes::Nodes;
use super::{PART, open_load};
use crate::Failure;
use crate::load::{Ack, Batches, Meter, grpc_open_loop};
use crate::parts::percentile_ms;
use crate::report::{Floor, Report};
use crate::scale::Scale;

/// Windows that end in one run, if each is closed before the next is to end.
const WINDOWS: u32 = 4;

pub(super) fn run(report: &mut Report, scale: &Scale, rows_per_s: f64) -> Result<(), Failure> {
    let (batches, interval) = open_load(scale, rows_per_s);
    let mut runs = Vec::new();
    for _ in 0..scale.runs {
        runs.push(run_once(scale, &batches, interval)?);
    }
    runs.sort_by(|one, other| one.ratio().total_cmp(&other.ratio()));
    let run = &runs[runs.len() / 2];
    report.measured(PART, "windows that ended under it", f64::from(run.windows), "");
    report.measured(PART, "ack while a window ends, p99", run.within_ms, "ms");
    report.measured(PART, "ack between, p99", run.between_ms, "ms");
    let name = "p99 while a window ends against between";
    report.bounded(PART, name, run.ratio(), "x", Floor::Below(2.0));
    Ok(())
}

/// What one run gave.
struct Run {
    windows: u32,
    within_ms: f64,
    between_ms: f64,
}

impl Run {
    fn ratio(&self) -> f64 {
        self.within_ms / self.between_ms
    }
}

fn run_once(scale: &Scale, batches: &Batches, interval: Duration) -> Result<Run, Failure> {
    let nodes = Nodes::start()?;
    // A batch counts to a rollover that is due, or acknowledged, this long after it began.
    let (window, counts) = (scale.half_load / WINDOWS, scale.half_load / WINDOWS / 5);
    let meter = Meter::begin(nodes.clock(), batches.rows)?;
    let begun = Instant::now();
    let rollovers = scope(|threads| {
        let rolling = threads.spawn(|| {
            let mut rollovers = Vec::new();
            for number in 0..WINDOWS {
                sleep(
                    (begun + window * number + window / 2)
                        .saturating_duration_since(Instant::now()),
                );
                if begun.elapsed() + counts > scale.half_load {
                    break;
                }
                rollovers.push(Instant::now());
                nodes.all()[0]
                    .run(&["cluster", "seal", "--no-wait"])
                    .map_err(|error| error.to_string())?;
            }
            Ok::<_, String>(rollovers)
        });
        grpc_open_loop(&nodes.endpoints(), batches, interval, &meter)?;
        let rollovers = rolling.join().map_err(|_| "the thread that rolls over panicked")?;
        Ok::<_, Failure>(rollovers?)
    })?;
    let measured = meter.end()?;
    let is_within = |ack: &&Ack| {
        rollovers.iter().any(|&from| from <= ack.at && ack.at - ack.took <= from + counts)
    };
    let (within, between): (Vec<&Ack>, Vec<&Ack>) = measured.acks.iter().partition(is_within);
    let p99 = |acks: Vec<&Ack>| {
        let mut took: Vec<Duration> = acks.into_iter().map(|ack| ack.took).collect();
        took.sort_unstable();
        percentile_ms(&took, 99)
    };
    nodes.check(batches.rows)?;
    let windows = u32::try_from(rollovers.len())?;
    Ok(Run { windows, within_ms: p99(within), between_ms: p99(between) })
}
