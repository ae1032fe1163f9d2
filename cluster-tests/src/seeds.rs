//! Which seeds a test runs: a few by default, many or one single when asked.

use std::env;

/// The seeds to run: the one in `VARVE_SIM_SEED`, or as many as `VARVE_SIM_SEEDS` says, or the
/// first `count`.
///
/// # Panics
///
/// When a variable is set and is no number.
#[must_use]
pub fn chosen(count: u64) -> Vec<u64> {
    if let Some(seed) = number("VARVE_SIM_SEED") {
        return vec![seed];
    }
    (0..number("VARVE_SIM_SEEDS").unwrap_or(count)).collect()
}

fn number(variable: &str) -> Option<u64> {
    let text = env::var(variable).ok()?;
    match text.parse() {
        Ok(number) => Some(number),
        Err(_) => panic!("{variable} must be a number from 0 to {}, not {text:?}", u64::MAX),
    }
}
