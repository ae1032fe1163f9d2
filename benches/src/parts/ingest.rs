//! How fast rows are taken, and what the server's processors spend on one: closed loops, each on a
//! fresh server, with every batch synced to the disk before it is acknowledged.

use super::{SEED, median, percentile_ms, questions};
use crate::Failure;
use crate::corpus::{Corpus, LineSize};
use crate::load::{
    Batches, Measured, Meter, Protocol, ROWS_PER_LONG_BATCH, ROWS_PER_SHORT_BATCH,
    grpc_closed_loop, http_closed_loop,
};
use crate::report::{Floor, Report};
use crate::scale::Scale;
use crate::server::Server;

struct Floors {
    rows_per_s: Floor,
    processor_us_per_row: Option<Floor>,
}

pub(super) fn grpc_short(report: &mut Report, scale: &Scale) -> Result<(), Failure> {
    let mut corpus = Corpus::new(SEED, LineSize::Short, scale.short_rows);
    let batches = Batches::of(&mut corpus, Protocol::Grpc, ROWS_PER_SHORT_BATCH);
    let floors = Floors {
        rows_per_s: Floor::AtLeast(250_000.0),
        processor_us_per_row: Some(Floor::Below(6.0)),
    };
    throughput(report, "grpc200", scale, &batches, Protocol::Grpc, &floors)
}

pub(super) fn grpc_long(report: &mut Report, scale: &Scale) -> Result<(), Failure> {
    let mut corpus = Corpus::new(SEED, LineSize::Long, scale.long_rows);
    let batches = Batches::of(&mut corpus, Protocol::Grpc, ROWS_PER_LONG_BATCH);
    let floors = Floors { rows_per_s: Floor::AtLeast(80_000.0), processor_us_per_row: None };
    throughput(report, "grpc1k", scale, &batches, Protocol::Grpc, &floors)
}

pub(super) fn http_short(report: &mut Report, scale: &Scale) -> Result<(), Failure> {
    let mut corpus = Corpus::new(SEED, LineSize::Short, scale.short_rows);
    let batches = Batches::of(&mut corpus, Protocol::Http, ROWS_PER_SHORT_BATCH);
    let floors = Floors { rows_per_s: Floor::AtLeast(150_000.0), processor_us_per_row: None };
    throughput(report, "http200", scale, &batches, Protocol::Http, &floors)
}

/// Sends all batches to a fresh server, and measures.
pub(super) fn run_once(
    server: &Server,
    batches: &Batches,
    protocol: Protocol,
) -> Result<Measured, Failure> {
    let meter = Meter::begin(server.clock(), batches.rows)?;
    match protocol {
        Protocol::Grpc => grpc_closed_loop(&[server.grpc()], batches, &meter)?,
        Protocol::Http => http_closed_loop(server.http(), batches, &meter)?,
    }
    let measured = meter.end()?;
    match questions::total(server.http())? {
        total if total == batches.rows => Ok(measured),
        total => Err(format!("{total} rows are found, of {} acknowledged", batches.rows).into()),
    }
}

fn throughput(
    report: &mut Report,
    part: &'static str,
    scale: &Scale,
    batches: &Batches,
    protocol: Protocol,
    floors: &Floors,
) -> Result<(), Failure> {
    let mut runs = Vec::new();
    let mut rss = Vec::new();
    let mut until_rest = Vec::new();
    for _ in 0..scale.runs {
        let server = Server::start()?;
        runs.push(run_once(&server, batches, protocol)?);
        server.rest()?;
        until_rest.push(server.clock().read()?.as_secs_f64() * 1e6 / batches.rows as f64);
        rss.push(server.rss_peak_bytes()? as f64 / f64::from(1 << 20));
    }
    let of = |what: fn(&Measured) -> f64| median(runs.iter().map(what).collect());
    let bytes_per_row = batches.raw_bytes as f64 / batches.rows as f64;
    let rows_per_s = of(|run| run.whole.rows_per_s);
    report.bounded(part, "rows/s, every one synced", rows_per_s, "rows/s", floors.rows_per_s);
    report.measured(part, "raw bytes", rows_per_s * bytes_per_row / 1e6, "MB/s");
    let processor = "server processor time, until the last ack";
    let us_per_row = of(|run| run.whole.processor_us_per_row);
    match floors.processor_us_per_row {
        Some(floor) => report.bounded(part, processor, us_per_row, "us/row", floor),
        None => report.measured(part, processor, us_per_row, "us/row"),
    }
    let processor = "server processor time, until it is at rest";
    report.measured(part, processor, median(until_rest), "us/row");
    report.measured(part, "batches asked to come again", of(|run| run.sheds as f64), "");
    let p50 = of(|run| percentile_ms(&run.latencies, 50));
    report.measured(part, "ack of a batch at full load, p50", p50, "ms");
    let p99 = of(|run| percentile_ms(&run.latencies, 99));
    report.measured(part, "ack of a batch at full load, p99", p99, "ms");
    report.bounded(
        part,
        "peak RSS",
        rss.into_iter().fold(0.0, f64::max),
        "MiB",
        Floor::Below(512.0),
    );
    Ok(())
}
