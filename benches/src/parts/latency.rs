//! How long an acknowledgement takes at half of the full load: an open loop of small batches, by
//! the clock. The full load is measured first, on this machine, with these batches.

use std::time::Duration;

use super::ingest::run_once;
use super::{SEED, percentile_ms};
use crate::Failure;
use crate::corpus::{Corpus, LineSize};
use crate::load::{Batches, Meter, Protocol, ROWS_PER_SHORT_BATCH, grpc_open_loop};
use crate::report::{Floor, Report};
use crate::scale::Scale;
use crate::server::Server;

const PART: &str = "latency";

/// Rows in a batch of the open loop: what an agent sends while it is not behind.
const ROWS_PER_BATCH: usize = 1_000;

pub(super) fn run(report: &mut Report, scale: &Scale) -> Result<(), Failure> {
    let full = {
        let mut corpus = Corpus::new(SEED, LineSize::Short, scale.short_rows);
        let batches = Batches::of(&mut corpus, Protocol::Grpc, ROWS_PER_SHORT_BATCH);
        run_once(&Server::start()?, &batches, Protocol::Grpc)?.whole.rows_per_s
    };
    let rows_per_s = full / 2.0;
    let rows = (rows_per_s * scale.half_load.as_secs_f64()).max(ROWS_PER_BATCH as f64);
    let mut corpus = Corpus::new(SEED, LineSize::Short, rows as u64);
    let batches = Batches::of(&mut corpus, Protocol::Grpc, ROWS_PER_BATCH);
    let interval = Duration::from_secs_f64(ROWS_PER_BATCH as f64 / rows_per_s);

    let server = Server::start()?;
    let meter = Meter::begin(server.clock(), batches.rows)?;
    grpc_open_loop(&[server.grpc()], &batches, interval, &meter)?;
    let measured = meter.end()?;
    report.measured(PART, "half of the full load", rows_per_s, "rows/s");
    report.measured(PART, "rows/s acknowledged", measured.whole.rows_per_s, "rows/s");
    report.measured(PART, "batches asked to come again", measured.sheds as f64, "");
    report.measured(PART, "ack, p50", percentile_ms(&measured.latencies, 50), "ms");
    let p99 = percentile_ms(&measured.latencies, 99);
    report.bounded(PART, "ack, p99", p99, "ms", Floor::Below(50.0));
    report.measured(PART, "ack, longest", percentile_ms(&measured.latencies, 100), "ms");
    let processor = "server processor time, until the last ack";
    report.measured(PART, processor, measured.whole.processor_us_per_row, "us/row");
    Ok(())
}
