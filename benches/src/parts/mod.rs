//! The parts of a run, one after the other; each starts servers of its own.

mod cluster;
mod ingest;
mod latency;
mod questions;
mod store;
mod streams;

use crate::Failure;
use crate::report::Report;
use crate::scale::Scale;

/// The seed of every corpus: the figures of one machine and commit can be had again.
const SEED: u64 = 42;

/// A part of the benchmark.
pub struct Part {
    /// What `BENCH` calls it.
    pub name: &'static str,
    /// What it measures, for people.
    pub about: &'static str,
    run: fn(&mut Report, &Scale) -> Result<(), Failure>,
}

/// All parts, in the order of running.
pub const PARTS: [Part; 7] = [
    Part { name: "grpc200", about: "rows of about 200 B over gRPC", run: ingest::grpc_short },
    Part { name: "grpc1k", about: "rows of about 1 KB over gRPC", run: ingest::grpc_long },
    Part { name: "http200", about: "rows of about 200 B over HTTP", run: ingest::http_short },
    Part { name: "latency", about: "acknowledgements at half of the full load", run: latency::run },
    Part { name: "store", about: "questions, disk, memory, restart", run: store::run },
    Part { name: "cluster", about: "three nodes against one", run: cluster::run },
    Part { name: "streams", about: "real logs: disk against zstd -3", run: streams::run },
];

impl Part {
    /// Measures, and reports.
    ///
    /// # Errors
    ///
    /// When the server fails, or loses something.
    pub fn run(&self, report: &mut Report, scale: &Scale) -> Result<(), Failure> {
        println!("\n{}: {}", self.name, self.about);
        (self.run)(report, scale).map_err(|error| format!("{}: {error}", self.name).into())
    }
}

/// The value in the middle.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// The value that a share of all, given in hundredths, does not exceed. `sorted` is.
fn percentile_ms(sorted: &[std::time::Duration], hundredths: usize) -> f64 {
    let place = (sorted.len() * hundredths).div_ceil(100).saturating_sub(1);
    sorted.get(place).map_or(f64::NAN, |value| value.as_secs_f64() * 1e3)
}
