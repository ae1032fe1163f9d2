//! GET /api/v1/logs/search and GET /api/v1/logs/{log_id}.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, RawQuery, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use varve_ingest::json::RecordJson;
use varve_query::{AttributeFilter, Hit, Order, Search, Total, WordQuery};
use varve_types::{RecordId, limits};

use super::explain::ExplainJson;
use super::{ApiError, parameters};
use crate::read::ReadOptions;
use crate::server::Services;

const PAGE_SIZE: u64 = 100;

const KNOWN: &str = "service, level, start_time, end_time, query, attr.NAME, page, page_size, \
                     order, total, explain, consistency, partial";

/// What a search answers.
#[derive(Serialize)]
struct Answer<'a> {
    logs: Vec<RecordJson<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    total: Option<u64>,
    page: u64,
    /// How far each shard's log was read.
    as_of: BTreeMap<String, u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    explain: Option<ExplainJson<'a>>,
    /// What is missing, where that was allowed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
}

/// A search, and which page of it.
#[derive(Debug)]
pub(super) struct Parameters {
    search: Search,
    page: u64,
    explain: bool,
    options: ReadOptions,
}

pub(super) async fn search(
    State(services): State<Arc<Services>>,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let Parameters { search, page, explain, options } =
        requested(query.as_deref().unwrap_or_default())?;
    let found = services.reader.search(search, options).await?;
    let as_of = found.as_of.iter().map(|(shard, index)| (shard.to_string(), index.get())).collect();
    let logs = found.result.hits.iter().map(log).collect();
    let explain = explain.then(|| ExplainJson::of(&found.result.explain));
    let total = found.result.total;
    let warnings = found.warnings;
    Ok(Json(Answer { logs, total, page, as_of, explain, warnings }).into_response())
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
    let hit = services.reader.find(id, ReadOptions::default()).await?.ok_or_else(|| {
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

pub(super) fn requested(query: &str) -> Result<Parameters, ApiError> {
    let mut search = Search { limit: PAGE_SIZE, ..Search::default() };
    let (mut page, mut explain, mut options) = (1, false, ReadOptions::default());
    let repeats = |name: &str| name == "service" || name == "level" || name.starts_with("attr.");
    let hint = "only service, level and attr.NAME may be repeated";
    for (name, value) in parameters::pairs(query, repeats, hint)? {
        match name.as_str() {
            "service" => search.services.push(value),
            "level" => search.levels.push(parameters::level(&value)?),
            "start_time" => search.time.start = Some(parameters::time(&name, &value)?),
            "end_time" => search.time.end = Some(parameters::time(&name, &value)?),
            "query" => {
                search.words = WordQuery::parse(&value).map_err(|error| {
                    ApiError::invalid(format!("query: {error}"), "words and \"quoted phrases\"")
                })?;
            }
            "page" => page = parameters::number(&name, &value, u64::MAX)?,
            "page_size" => {
                search.limit = parameters::number(&name, &value, limits::PAGE_SIZE_MAX as u64)?;
            }
            "order" => {
                let choices = [("newest", Order::Newest), ("oldest", Order::Oldest)];
                search.order = parameters::choice(&name, &value, &choices)?;
            }
            "total" => {
                let choices = [("exact", Total::Exact), ("none", Total::Unasked)];
                search.total = parameters::choice(&name, &value, &choices)?;
            }
            "explain" => explain = parameters::truth(&name, &value)?,
            "consistency" | "partial" => parameters::read_option(&mut options, &name, &value)?,
            other => match other.strip_prefix("attr.").filter(|name| !name.is_empty()) {
                Some(name) => {
                    search.attributes.push(AttributeFilter { name: name.to_owned(), value });
                }
                None => return Err(parameters::unknown(other, KNOWN)),
            },
        }
    }
    search.offset = (page - 1).saturating_mul(search.limit);
    Ok(Parameters { search, page, explain, options })
}
