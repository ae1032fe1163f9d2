//! Every cap of a search, each with its reason, and what the caller may set.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::QueryError;

/// Different words and phrases in one query. Each is a pass over the messages; nobody types more,
/// and a hostile query of thousands must not cost thousands of passes.
pub const TERMS_MAX: usize = 64;

/// How deep pages reach: `offset + limit`. Every record up to there is a candidate held in
/// memory, at [`CANDIDATE_BYTES`] each, so this bounds a search to tens of
/// megabytes per worker.
pub const DEPTH_MAX: u64 = 1_000_000;

/// What one answer's records may occupy, in bytes, unless the caller sets another bound: ten
/// thousand records of ordinary size many times over, and far less than ten thousand records of
/// the largest size allowed.
pub const ANSWER_BYTES_MAX: usize = 128 << 20;

/// Cells of one aggregate: more than anyone looks at, and a few megabytes.
pub const CELLS_MAX: usize = 100_000;

/// Memory of one candidate for the page.
pub const CANDIDATE_BYTES: usize = 48;

const _: () = assert!(DEPTH_MAX as usize * CANDIDATE_BYTES <= ANSWER_BYTES_MAX);

/// The bounds one search runs within.
#[derive(Clone, Debug)]
pub struct Limits {
    /// The largest `offset + limit`; at most [`DEPTH_MAX`] is sensible.
    pub depth_max: u64,
    /// The most bytes that the answer's records may occupy together.
    pub answer_bytes_max: usize,
    /// Set by whoever no longer waits for the answer; looked at between row groups.
    pub cancelled: Option<Arc<AtomicBool>>,
}

impl Default for Limits {
    fn default() -> Self {
        Self { depth_max: DEPTH_MAX, answer_bytes_max: ANSWER_BYTES_MAX, cancelled: None }
    }
}

impl Limits {
    pub(crate) fn check_cancelled(&self) -> Result<(), QueryError> {
        let cancelled = self.cancelled.as_ref().is_some_and(|flag| flag.load(Ordering::Relaxed));
        if cancelled { Err(QueryError::Cancelled) } else { Ok(()) }
    }
}
