//! GET /api/v1/logs/aggregates: how many records there are, by service, level and time.

use std::collections::BTreeMap;
use std::num::NonZeroU64;
use std::sync::Arc;

use axum::Json;
use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use jiff::{Span, SpanRelativeTo};
use serde::Serialize;
use varve_query::{Aggregate, AggregateCell};
use varve_types::Level;

use super::explain::ExplainJson;
use super::{ApiError, parameters};
use crate::read::ReadOptions;
use crate::server::Services;

const STEP: &str = "1h";
/// Shorter steps than this are more than anyone can look at.
const STEP_NS_MIN: u64 = 1_000_000;

const KNOWN: &str = "service, level, start_time, end_time, step, by, explain, \
                     consistency, partial";

/// What is answered.
#[derive(Serialize)]
struct Answer<'a> {
    aggregates: Vec<Count<'a>>,
    /// All counts together.
    total: u64,
    /// How far each shard's log was read.
    as_of: BTreeMap<String, u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    explain: Option<ExplainJson<'a>>,
    /// What is missing, where that was allowed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
}

/// The records of one service and level in one step of time.
#[derive(Serialize)]
struct Count<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    start_time: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    level: Option<&'static str>,
    count: u64,
}

pub(super) async fn aggregates(
    State(services): State<Arc<Services>>,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let (aggregate, explain, options) = requested(query.as_deref().unwrap_or_default())?;
    let counted = services.reader.aggregate(aggregate, options).await?;
    let result = &counted.result;
    let as_of =
        counted.as_of.iter().map(|(shard, index)| (shard.to_string(), index.get())).collect();
    let answer = Answer {
        aggregates: result.cells.iter().map(count).collect(),
        total: result.cells.iter().map(|cell| cell.rows).sum(),
        as_of,
        explain: explain.then(|| ExplainJson::of(&result.explain)),
        warnings: counted.warnings.clone(),
    };
    Ok(Json(answer).into_response())
}

fn count(cell: &AggregateCell) -> Count<'_> {
    Count {
        start_time: cell.start.map(|start| start.to_string()),
        service: cell.service.as_deref(),
        level: cell.level.map(Level::name),
        count: cell.rows,
    }
}

pub(super) fn requested(query: &str) -> Result<(Aggregate, bool, ReadOptions), ApiError> {
    let (mut explain, mut options) = (false, ReadOptions::default());
    let mut aggregate = Aggregate {
        step_ns: step(STEP)?,
        by_service: true,
        by_level: true,
        ..Aggregate::default()
    };
    let repeats = |name: &str| name == "service" || name == "level";
    let pairs = parameters::pairs(query, repeats, "only service and level may be repeated")?;
    for (name, value) in pairs {
        match name.as_str() {
            "service" => aggregate.services.push(value),
            "level" => aggregate.levels.push(parameters::level(&value)?),
            "start_time" => aggregate.time.start = Some(parameters::time(&name, &value)?),
            "end_time" => aggregate.time.end = Some(parameters::time(&name, &value)?),
            "step" => aggregate.step_ns = step(&value)?,
            "by" => (aggregate.by_service, aggregate.by_level) = by(&value)?,
            "explain" => explain = parameters::truth(&name, &value)?,
            "consistency" | "partial" => parameters::read_option(&mut options, &name, &value)?,
            other => return Err(parameters::unknown(other, KNOWN)),
        }
    }
    Ok((aggregate, explain, options))
}

/// How long a step is; `None` for all of the time at once.
fn step(value: &str) -> Result<Option<NonZeroU64>, ApiError> {
    if value == "all" {
        return Ok(None);
    }
    let long = |text: &str| {
        let span: Span = text.parse().ok()?;
        let duration = span.to_duration(SpanRelativeTo::days_are_24_hours()).ok()?;
        u64::try_from(duration.as_nanos()).ok().filter(|&step_ns| step_ns >= STEP_NS_MIN)
    };
    let step_ns = long(value).and_then(NonZeroU64::new).ok_or_else(|| {
        ApiError::invalid(
            format!("step={value:?} is not a duration from 1ms on"),
            "15m, 1h or 1d, for example; or all, to count all of the time together",
        )
    })?;
    Ok(Some(step_ns))
}

/// What is counted apart: services, levels.
fn by(value: &str) -> Result<(bool, bool), ApiError> {
    let (mut services, mut levels) = (false, false);
    for word in value.split(',').filter(|word| !word.is_empty()) {
        match word {
            "service" => services = true,
            "level" => levels = true,
            _ => {
                return Err(ApiError::invalid(
                    format!("by={value:?}: {word:?} cannot be counted apart"),
                    "by=service,level (the default), by=service, by=level, or by= for neither",
                ));
            }
        }
    }
    Ok((services, levels))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_read_or_refused() {
        let ns = |text| step(text).expect("a step").map(NonZeroU64::get);
        assert_eq!(ns("1ms"), Some(1_000_000));
        assert_eq!(ns("15m"), Some(900_000_000_000));
        assert_eq!(ns("1h30m"), Some(5_400_000_000_000));
        assert_eq!(ns("1d"), Some(86_400_000_000_000));
        assert_eq!(ns("all"), None);
        for text in ["", "0s", "1us", "-1h", "h", "3600", "1 mo", "1y", "999999w"] {
            assert!(step(text).is_err(), "{text}");
        }
    }
}
