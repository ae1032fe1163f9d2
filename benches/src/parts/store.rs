//! Five million rows in one server: what questions take before and after the seal, what the rows
//! take on the disk and the server in memory, how long it needs to start again, and whether rows
//! cost more the more there are.

use std::time::Instant;

use super::questions::{self, Asked};
use super::{SEED, ingest};
use crate::Failure;
use crate::corpus::{Corpus, LineSize};
use crate::load::{Batches, Measured, Protocol, ROWS_PER_SHORT_BATCH};
use crate::report::{Floor, Outcome, Report};
use crate::scale::Scale;
use crate::server::{End, Server};

const PART: &str = "store";

/// A figure of so many bytes, in MiB.
fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

pub(super) fn run(report: &mut Report, scale: &Scale) -> Result<(), Failure> {
    let mut corpus = Corpus::new(SEED, LineSize::Short, scale.stored_rows);
    let batches = Batches::of(&mut corpus, Protocol::Grpc, ROWS_PER_SHORT_BATCH);
    let truth = corpus.into_truth();
    let entropy_bytes = truth.bits / 8.0;
    let rows = truth.rows as f64;
    report.measured(PART, "rows", rows, "rows");
    report.measured(PART, "raw bytes per row", truth.raw_bytes as f64 / rows, "B/row");
    report.measured(PART, "entropy per row", entropy_bytes / rows, "B/row");

    let server = Server::start()?;
    let measured = ingest::run_once(&server, &batches, Protocol::Grpc)?;
    drop(batches);
    growth(report, &measured);
    let took = server.rest()?;
    report.measured(PART, "from the last ack until the server is at rest", took.as_secs_f64(), "s");
    let processor = server.clock().read()?.as_secs_f64() * 1e6 / rows;
    report.measured(PART, "server processor time, until it is at rest", processor, "us/row");
    let repetitions = scale.repetitions;
    let ask = |report: &mut Report, when: &'static str, server: &Server| {
        questions::ask_all(report, &Asked { part: PART, when, server, repetitions }, &truth)
    };
    ask(report, "before the seal", &server)?;
    let peak_before = server.rss_peak_bytes()?;

    let (server, took) = server.restart(End::Killed)?;
    let restart = "restart to serving, after kill -9";
    report.bounded(PART, restart, took.as_secs_f64(), "s", Floor::Below(3.0));
    let total = questions::total(server.http())?;
    if total != truth.rows {
        let lost = format!("{total} of {} rows after kill -9", truth.rows);
        report.take(PART, "rows after kill -9", "rows", Outcome::Wrong(lost), None);
    }

    let begun = Instant::now();
    server.run(&["cluster", "seal"])?;
    report.measured(PART, "varve cluster seal", begun.elapsed().as_secs_f64(), "s");
    server.rest()?;
    let disk = server.disk()?;
    report.measured(PART, "segments", disk.segments as f64, "");
    let per_row = disk.stored as f64 / rows;
    report.measured(PART, "disk, segments and manifests", per_row, "B/row");
    let per_raw = disk.stored as f64 / truth.raw_bytes as f64;
    report.measured(PART, "disk per raw byte", per_raw, "B/B");
    let per_entropy = disk.stored as f64 / entropy_bytes;
    report.bounded(PART, "disk per byte of entropy", per_entropy, "B/B", Floor::AtMost(3.0));
    report.measured(PART, "disk, all else", mib(disk.other), "MiB");
    ask(report, "after the seal", &server)?;
    let peak = server.rss_peak_bytes()?.max(peak_before);
    report.bounded(PART, "peak RSS", mib(peak), "MiB", Floor::Below(512.0));

    let (_server, took) = server.restart(End::Stopped)?;
    let restart = "restart to serving, after the seal";
    report.bounded(PART, restart, took.as_secs_f64(), "s", Floor::Below(3.0));
    Ok(())
}

/// What a row costs at the beginning and at the end. Of the first tenth a tail is still to be
/// written out when it ends; from the second on, as much is written out as comes in.
fn growth(report: &mut Report, measured: &Measured) {
    report.measured(PART, "rows/s over all rows", measured.whole.rows_per_s, "rows/s");
    report.measured(PART, "batches asked to come again", measured.sheds as f64, "");
    let processor = "server processor time";
    report.measured(PART, processor, measured.whole.processor_us_per_row, "us/row");
    let [first, second, .., last] = measured.tenths.as_slice() else { return };
    for (name, tenth) in [("first", first), ("second", second), ("last", last)] {
        let of = format!("rows/s, {name} tenth");
        report.measured(PART, &of, tenth.rows_per_s, "rows/s");
        let of = format!("{processor}, {name} tenth");
        report.measured(PART, &of, tenth.processor_us_per_row, "us/row");
    }
}
