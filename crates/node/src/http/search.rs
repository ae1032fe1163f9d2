//! GET /api/v1/logs/search and GET /api/v1/logs/{log_id}.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, RawQuery, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use varve_ingest::json::RecordJson;
use varve_query::{AttributeFilter, Hit, Order, Search, WordQuery};
use varve_types::{Level, RecordId, TimestampNs, limits};

use super::ApiError;
use crate::server::Services;

const PAGE_SIZE: u64 = 100;

/// What a search answers.
#[derive(Serialize)]
struct Answer<'a> {
    logs: Vec<RecordJson<'a>>,
    total: u64,
    page: u64,
    /// How far each shard's log was read.
    as_of: BTreeMap<String, u64>,
}

/// A search, and which page of it.
#[derive(Debug)]
struct Parameters {
    search: Search,
    page: u64,
}

pub(super) async fn search(
    State(services): State<Arc<Services>>,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let Parameters { search, page } = parameters(query.as_deref().unwrap_or_default())?;
    let found = services.reader.search(search).await?;
    let as_of = found.as_of.iter().map(|(shard, index)| (shard.to_string(), index.get())).collect();
    let logs = found.result.hits.iter().map(log).collect();
    Ok(Json(Answer { logs, total: found.result.total, page, as_of }).into_response())
}

pub(super) async fn get_record(
    State(services): State<Arc<Services>>,
    log_id: Result<Path<String>, PathRejection>,
) -> Result<Response, ApiError> {
    let hint = "ids come from answers: log_id, log_ids";
    // What does not decode to text is refused by the framework, but not in our form.
    let Path(log_id) = log_id.map_err(|error| ApiError::invalid(error.body_text(), hint))?;
    let id: RecordId =
        log_id.parse().map_err(|error| ApiError::invalid(format!("{error}"), hint))?;
    let hit = services.reader.find(id).await?.ok_or_else(|| {
        ApiError::new(
            StatusCode::NOT_FOUND,
            "not_found",
            format!("no record has the id {id}"),
            "ids come from answers: log_id, log_ids",
        )
    })?;
    Ok(Json(log(&hit)).into_response())
}

const fn log(hit: &Hit) -> RecordJson<'_> {
    RecordJson { record: &hit.record, log_id: Some(hit.id), created_at: Some(hit.created_at) }
}

fn parameters(query: &str) -> Result<Parameters, ApiError> {
    let mut search = Search { limit: PAGE_SIZE, ..Search::default() };
    let mut page = 1;
    let mut seen = BTreeSet::new();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        let repeats = name == "service" || name == "level" || name.starts_with("attr.");
        if !repeats && !seen.insert(name.clone()) {
            let hint = "only service, level and attr.NAME may be repeated";
            return Err(ApiError::twice(&name, hint));
        }
        match name.as_ref() {
            "service" => search.services.push(value.into_owned()),
            "level" => search.levels.push(level(&value)?),
            "start_time" => search.time.start = Some(time("start_time", &value)?),
            "end_time" => search.time.end = Some(time("end_time", &value)?),
            "query" => {
                search.words = WordQuery::parse(&value).map_err(|error| {
                    ApiError::invalid(format!("query: {error}"), "words and \"quoted phrases\"")
                })?;
            }
            "page" => page = number("page", &value, u64::MAX)?,
            "page_size" => {
                search.limit = number("page_size", &value, limits::PAGE_SIZE_MAX as u64)?;
            }
            "order" => search.order = order(&value)?,
            other => match other.strip_prefix("attr.").filter(|name| !name.is_empty()) {
                Some(name) => search
                    .attributes
                    .push(AttributeFilter { name: name.to_owned(), value: value.into_owned() }),
                None => {
                    return Err(ApiError::invalid(
                        format!("unknown parameter {other:?}"),
                        "service, level, start_time, end_time, query, attr.NAME, page, page_size, \
                         order",
                    ));
                }
            },
        }
    }
    search.offset = (page - 1).saturating_mul(search.limit);
    Ok(Parameters { search, page })
}

fn level(value: &str) -> Result<Level, ApiError> {
    Level::from_spelling(value).ok_or_else(|| {
        ApiError::invalid(
            format!("level={value:?} is not a level"),
            "TRACE, DEBUG, INFO, WARN, ERROR, FATAL or UNKNOWN",
        )
    })
}

fn time(name: &str, value: &str) -> Result<TimestampNs, ApiError> {
    TimestampNs::parse(value).map_err(|error| {
        ApiError::invalid(format!("{name}: {error}"), "2026-01-31T12:00:00Z, or 1769860800")
    })
}

fn number(name: &str, value: &str, max: u64) -> Result<u64, ApiError> {
    value.parse().ok().filter(|number| (1..=max).contains(number)).ok_or_else(|| {
        ApiError::invalid(
            format!("{name}={value:?} is not a whole number from 1 to {max}"),
            "page=1&page_size=100, for example",
        )
    })
}

fn order(value: &str) -> Result<Order, ApiError> {
    match value {
        "newest" => Ok(Order::Newest),
        "oldest" => Ok(Order::Oldest),
        _ => Err(ApiError::invalid(format!("order={value:?} is no order"), "newest or oldest")),
    }
}
