//! The node's own metrics, in Prometheus' form. docs/metrics.md lists them all, and a test compares.
//!
//! What happens is counted where it happens; what is (sizes, states, other crates' counters) is
//! looked up when somebody asks.

mod held;
mod names;
mod peers;

use std::sync::OnceLock;
use std::time::Duration;

use metrics::{counter, histogram};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use varve_query::Explain;

pub(crate) use self::held::Held;
use self::names::{
    APPEND_BATCHES, APPEND_BYTES, APPEND_DUPLICATES, APPEND_ERRORS, APPEND_RECORDS, APPEND_SECONDS,
    BLOCK_ROWS, REFUSED, SEARCH_BYTES, SEARCH_ERRORS, SEARCH_PAGES, SEARCH_ROWS, SEARCH_SECONDS,
    SHEDS, WAL_SYNC_SECONDS,
};
pub(crate) use self::peers::show_peers;
use crate::NodeError;
use crate::gateway::{AppendError, Appended};
use crate::read::ReadError;

/// Upper bounds of the buckets of histograms of seconds: from a millisecond to the default
/// request timeout.
const SECONDS_BUCKETS: &[f64] =
    &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

/// Rows in a block, from one to the most there can be.
const ROWS_BUCKETS: &[f64] = &[1.0, 10.0, 100.0, 1e3, 2.5e3, 5e3, 1e4, 2.5e4, 5e4, 131_072.0];

/// One recorder a process: the metrics crate knows no other way.
static RECORDER: OnceLock<PrometheusHandle> = OnceLock::new();

/// How a request came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// POST /api/v1/logs.
    Http,
    /// `LogService`.
    Grpc,
}

impl Protocol {
    const ALL: [Self; 2] = [Self::Http, Self::Grpc];

    const fn label(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Grpc => "grpc",
        }
    }
}

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
    names::describe();
    begin_at_zero();
    // Two nodes that start at once in one process: the second's recorder was refused above.
    let _ = RECORDER.set(handle);
    Ok(())
}

/// A counter that is not there cannot be told from one that never counted: those whose labels are
/// known are there from the start.
fn begin_at_zero() {
    for protocol in Protocol::ALL {
        for name in [APPEND_BATCHES, APPEND_RECORDS, APPEND_BYTES, REFUSED] {
            counter!(name, "protocol" => protocol.label()).increment(0);
        }
    }
    for budget in AppendError::BUDGETS.into_iter().chain([ReadError::BUDGET]) {
        counter!(SHEDS, "budget" => budget).increment(0);
    }
    for name in [APPEND_DUPLICATES, SEARCH_PAGES, SEARCH_BYTES, SEARCH_ROWS] {
        counter!(name).increment(0);
    }
}

/// The metrics as text.
#[must_use]
pub(crate) fn render() -> String {
    RECORDER.get().map(PrometheusHandle::render).unwrap_or_default()
}

/// A batch was acknowledged.
pub(crate) fn appended(protocol: Protocol, appended: &Appended, took: Duration) {
    let count = |name, more: usize| {
        counter!(name, "protocol" => protocol.label()).increment(more as u64);
    };
    histogram!(APPEND_SECONDS).record(took);
    count(APPEND_BATCHES, 1);
    count(APPEND_RECORDS, appended.accepted);
    count(APPEND_BYTES, appended.bytes);
    if appended.duplicate {
        counter!(APPEND_DUPLICATES).increment(1);
    }
}

/// A batch was not acknowledged, and its sender is told why.
pub(crate) fn not_appended(error: &AppendError) {
    counter!(APPEND_ERRORS, "code" => error.code()).increment(1);
    if let Some(budget) = error.shed_by() {
        shed(budget);
    }
}

/// A request was refused as bad input, before anything of it went on.
pub(crate) fn refused(protocol: Protocol) {
    counter!(REFUSED, "protocol" => protocol.label()).increment(1);
}

/// A request was sent away because a budget was used up.
fn shed(budget: &'static str) {
    counter!(SHEDS, "budget" => budget).increment(1);
}

/// A block of so many rows was encoded.
pub(crate) fn block_rows(rows: u32) {
    histogram!(BLOCK_ROWS).record(f64::from(rows));
}

/// A round of the write-ahead log was written and synced.
pub(crate) fn wal_sync(took: Duration) {
    histogram!(WAL_SYNC_SECONDS).record(took);
}

/// A search or an aggregate was answered, or failed.
pub(crate) fn search(result: Result<&Explain, &ReadError>, took: Duration) {
    match result {
        Ok(explain) => {
            histogram!(SEARCH_SECONDS).record(took);
            counter!(SEARCH_PAGES).increment(explain.pages_read);
            counter!(SEARCH_BYTES).increment(explain.bytes_read);
            counter!(SEARCH_ROWS).increment(explain.rows_scanned);
        }
        Err(error) => {
            counter!(SEARCH_ERRORS, "code" => error.code()).increment(1);
            if let Some(budget) = error.shed_by() {
                shed(budget);
            }
        }
    }
}
