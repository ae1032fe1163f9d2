//! Parameters of requests over HTTP, for fuzzers.

use super::{aggregates, append, search};

/// The part of an address behind its question mark, as each kind of request reads it.
pub fn parameters(query: &str) {
    let _ = search::requested(query);
    let _ = aggregates::requested(query);
    let _ = append::requested(query);
}
