//! The node's own metrics, in Prometheus' form. docs/metrics.md lists them all, and a test compares.

use std::sync::OnceLock;
use std::time::Duration;

use metrics::{counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

use crate::NodeError;
use crate::gateway::{AppendError, Appended};

const APPEND_SECONDS: &str = "varve_append_seconds";
const APPEND_RECORDS: &str = "varve_append_records_total";
const APPEND_DUPLICATES: &str = "varve_append_duplicate_batches_total";
const APPEND_ERRORS: &str = "varve_append_errors_total";
const BLOCK_ROWS: &str = "varve_block_rows";
const SEARCH_SECONDS: &str = "varve_search_seconds";
const SEARCH_ERRORS: &str = "varve_search_errors_total";
const QUEUE_BYTES: &str = "varve_queue_bytes";
const DISK_FULL: &str = "varve_disk_full";
const SHARDS: &str = "varve_shards";
const ROWS: &str = "varve_rows";
const SEGMENT_BYTES: &str = "varve_segment_bytes";
const TAIL_BYTES: &str = "varve_tail_bytes";
const SEGMENTS: &str = "varve_segments";

/// Upper bounds of the buckets of histograms of seconds: from a millisecond to the default
/// request timeout.
const SECONDS_BUCKETS: &[f64] =
    &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

/// Rows in a block, from one to the most there can be.
const ROWS_BUCKETS: &[f64] = &[1.0, 10.0, 100.0, 1e3, 2.5e3, 5e3, 1e4, 2.5e4, 5e4, 131_072.0];

/// One recorder a process: the metrics crate knows no other way.
static RECORDER: OnceLock<PrometheusHandle> = OnceLock::new();

/// Makes the recorder, unless it is there already.
///
/// # Errors
///
/// When another library has installed its own.
pub(crate) fn install() -> Result<(), NodeError> {
    if RECORDER.get().is_some() {
        return Ok(());
    }
    let refused =
        |error: metrics_exporter_prometheus::BuildError| NodeError::Metrics(error.to_string());
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), SECONDS_BUCKETS)
        .and_then(|builder| {
            builder.set_buckets_for_metric(Matcher::Full(BLOCK_ROWS.to_owned()), ROWS_BUCKETS)
        })
        .and_then(PrometheusBuilder::install_recorder)
        .map_err(refused)?;
    describe();
    // Two nodes that start at once in one process: the second's recorder was refused above.
    let _ = RECORDER.set(handle);
    Ok(())
}

fn describe() {
    describe_histogram!(APPEND_SECONDS, "Time from a decoded batch to its acknowledgement.");
    describe_counter!(APPEND_RECORDS, "Records acknowledged.");
    describe_counter!(APPEND_DUPLICATES, "Batches acknowledged that had been stored before.");
    describe_counter!(APPEND_ERRORS, "Batches not acknowledged, by code.");
    describe_histogram!(BLOCK_ROWS, "Rows gathered into one block.");
    describe_histogram!(SEARCH_SECONDS, "Time to answer a search.");
    describe_counter!(SEARCH_ERRORS, "Searches that failed.");
    describe_gauge!(QUEUE_BYTES, "Memory taken by requests on their way.");
    describe_gauge!(DISK_FULL, "1 while appends are refused for want of room on the disk.");
    describe_gauge!(SHARDS, "Shards on this node, by state.");
    describe_gauge!(ROWS, "Rows stored on this node.");
    describe_gauge!(SEGMENT_BYTES, "Bytes of segments and manifests on this node.");
    describe_gauge!(TAIL_BYTES, "Bytes of blocks not yet written out as segments.");
    describe_gauge!(SEGMENTS, "Segments on this node.");
}

/// The metrics as text.
#[must_use]
pub(crate) fn render() -> String {
    RECORDER.get().map(PrometheusHandle::render).unwrap_or_default()
}

/// A batch was acknowledged, or not.
pub(crate) fn append(result: Result<&Appended, &AppendError>, took: Duration) {
    match result {
        Ok(appended) => {
            histogram!(APPEND_SECONDS).record(took);
            counter!(APPEND_RECORDS).increment(appended.accepted as u64);
            if appended.duplicate {
                counter!(APPEND_DUPLICATES).increment(1);
            }
        }
        Err(error) => counter!(APPEND_ERRORS, "code" => error.code()).increment(1),
    }
}

/// A block of so many rows was encoded.
pub(crate) fn block_rows(rows: u32) {
    histogram!(BLOCK_ROWS).record(f64::from(rows));
}

/// A search was answered, or failed.
pub(crate) fn search(failed: bool, took: Duration) {
    if failed {
        counter!(SEARCH_ERRORS).increment(1);
    } else {
        histogram!(SEARCH_SECONDS).record(took);
    }
}

/// What a node holds, as gauges show it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Holdings {
    /// Shards by state.
    pub shards: std::collections::BTreeMap<String, u64>,
    /// Rows stored.
    pub rows: u64,
    /// Bytes of segments and manifests.
    pub segment_bytes: u64,
    /// Bytes of blocks not yet written out.
    pub tail_bytes: u64,
    /// Segments.
    pub segments: u64,
    /// Memory taken by requests.
    pub queue_bytes: usize,
    /// Appends are refused for want of room.
    pub disk_full: bool,
}

/// Sets the gauges.
#[expect(clippy::cast_precision_loss, reason = "gauges are doubles")]
pub(crate) fn holdings(holdings: &Holdings) {
    for (state, count) in &holdings.shards {
        gauge!(SHARDS, "state" => state.clone()).set(*count as f64);
    }
    gauge!(ROWS).set(holdings.rows as f64);
    gauge!(SEGMENT_BYTES).set(holdings.segment_bytes as f64);
    gauge!(TAIL_BYTES).set(holdings.tail_bytes as f64);
    gauge!(SEGMENTS).set(holdings.segments as f64);
    gauge!(QUEUE_BYTES).set(holdings.queue_bytes as f64);
    gauge!(DISK_FULL).set(f64::from(u8::from(holdings.disk_full)));
}
