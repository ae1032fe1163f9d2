//! The parameters of requests, and what is said of wrong ones: name, value and remedy.

use std::collections::BTreeSet;

use varve_types::{Level, TimestampNs};

use super::ApiError;
use crate::read::{Consistency, ReadOptions};

/// The parameters of an address, of which all but those that `repeats` names occur at most once.
///
/// # Errors
///
/// Names the one that occurs twice.
pub(super) fn pairs(
    query: &str,
    repeats: impl Fn(&str) -> bool,
    hint: &str,
) -> Result<Vec<(String, String)>, ApiError> {
    let mut seen = BTreeSet::new();
    let mut pairs = Vec::new();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        if !repeats(&name) && !seen.insert(name.clone()) {
            return Err(ApiError::invalid(format!("parameter {name:?} occurs twice"), hint));
        }
        pairs.push((name.into_owned(), value.into_owned()));
    }
    Ok(pairs)
}

/// A parameter that there is not; `known` lists those that there are.
pub(super) fn unknown(name: &str, known: &str) -> ApiError {
    ApiError::invalid(format!("unknown parameter {name:?}"), known)
}

pub(super) fn level(value: &str) -> Result<Level, ApiError> {
    Level::from_spelling(value).ok_or_else(|| {
        ApiError::invalid(
            format!("level={value:?} is not a level"),
            "TRACE, DEBUG, INFO, WARN, ERROR, FATAL or UNKNOWN",
        )
    })
}

pub(super) fn time(name: &str, value: &str) -> Result<TimestampNs, ApiError> {
    TimestampNs::parse(value).map_err(|error| {
        ApiError::invalid(format!("{name}: {error}"), "2026-01-31T12:00:00Z, or 1769860800")
    })
}

pub(super) fn number(name: &str, value: &str, max: u64) -> Result<u64, ApiError> {
    value.parse().ok().filter(|number| (1..=max).contains(number)).ok_or_else(|| {
        ApiError::invalid(
            format!("{name}={value:?} is not a whole number from 1 to {max}"),
            "page=1&page_size=100, for example",
        )
    })
}

pub(super) fn truth(name: &str, value: &str) -> Result<bool, ApiError> {
    value.parse().map_err(|_| {
        ApiError::invalid(format!("{name}={value:?} is not true or false"), format!("{name}=true"))
    })
}

/// One of several words.
pub(super) fn choice<T: Copy>(
    name: &str,
    value: &str,
    choices: &[(&str, T)],
) -> Result<T, ApiError> {
    let chosen = choices.iter().find(|(word, _)| *word == value).map(|(_, choice)| *choice);
    chosen.ok_or_else(|| {
        let words: Vec<_> = choices.iter().map(|(word, _)| *word).collect();
        ApiError::invalid(format!("{name}={value:?} is no {name}"), words.join(" or "))
    })
}

/// One of the parameters that say how a question may be answered.
pub(super) fn read_option(
    options: &mut ReadOptions,
    name: &str,
    value: &str,
) -> Result<(), ApiError> {
    if name == "partial" {
        options.partial = choice(name, value, &[("allow", true), ("refuse", false)])?;
    } else {
        let choices = [("linearizable", Consistency::Linearizable), ("stale", Consistency::Stale)];
        options.consistency = choice(name, value, &choices)?;
    }
    Ok(())
}
