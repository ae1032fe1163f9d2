//! What a search or an aggregate did, as JSON.

use serde::Serialize;
use varve_query::Explain;

/// The steps in the order in which they ran, and what was read in spite of them.
#[derive(Serialize)]
pub(super) struct ExplainJson<'a> {
    steps: Vec<StepJson<'a>>,
    pages_read: u64,
    bytes_read: u64,
    rows_scanned: u64,
    rows_matched: u64,
}

#[derive(Serialize)]
struct StepJson<'a> {
    name: &'a str,
    unit: &'a str,
    considered: u64,
    pruned: u64,
}

impl<'a> ExplainJson<'a> {
    pub(super) fn of(explain: &'a Explain) -> Self {
        let step = |step: &'a varve_query::ExplainStep| StepJson {
            name: step.name,
            unit: step.unit,
            considered: step.considered,
            pruned: step.pruned,
        };
        Self {
            steps: explain.steps.iter().map(step).collect(),
            pages_read: explain.pages_read,
            bytes_read: explain.bytes_read,
            rows_scanned: explain.rows_scanned,
            rows_matched: explain.rows_matched,
        }
    }
}
