//! The HTTP API: append, search, aggregates, one record, metrics, health.

mod aggregates;
mod append;
mod body;
mod error;
mod explain;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod parameters;
mod search;

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::json;

pub(crate) use self::error::ApiError;
use crate::metrics;
use crate::server::Services;

/// All paths.
pub(crate) fn router(services: Arc<Services>) -> Router {
    Router::new()
        .route("/api/v1/logs", post(append::append))
        .route("/api/v1/logs/search", get(search::search))
        .route("/api/v1/logs/aggregates", get(aggregates::aggregates))
        .route("/api/v1/logs/{log_id}", get(search::get_record))
        .route("/metrics", get(metrics_text))
        .route("/health", get(ready))
        .route("/health/live", get(|| async { "live\n" }))
        .route("/health/ready", get(ready))
        .method_not_allowed_fallback(method_not_allowed)
        .fallback(not_found)
        .with_state(services)
}

async fn metrics_text(State(services): State<Arc<Services>>) -> Response {
    services.refresh_metrics();
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], metrics::render()).into_response()
}

/// Ready means caught up and serving: what this node is to have it has, and a question is answered.
async fn ready(State(services): State<Arc<Services>>) -> Response {
    if let Err(missing) = services.host.readiness() {
        return not_ready(&missing).into_response();
    }
    match services.reader.probe().await {
        Ok(()) => axum::Json(json!({ "status": "ready" })).into_response(),
        Err(error) => ApiError::from(error).into_response(),
    }
}

/// A joining node lacks much at first: a few reasons will do.
fn not_ready(missing: &[String]) -> ApiError {
    const SHOWN: usize = 5;
    let mut message = missing.iter().take(SHOWN).cloned().collect::<Vec<_>>().join("; ");
    if let Some(more @ 1..) = missing.len().checked_sub(SHOWN) {
        message += &format!("; and {more} more");
    }
    let hint = "it comes by itself; `varve cluster status` shows how far it is";
    ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "not_ready", message, hint)
}

async fn not_found(uri: Uri) -> ApiError {
    ApiError::new(
        StatusCode::NOT_FOUND,
        "not_found",
        format!("there is nothing at {}", uri.path()),
        "POST /api/v1/logs, GET /api/v1/logs/search, GET /api/v1/logs/aggregates, GET \
         /api/v1/logs/{log_id}, GET /metrics, GET /health/ready",
    )
}

async fn method_not_allowed(method: Method, uri: Uri) -> ApiError {
    ApiError::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "method_not_allowed",
        format!("{} does not take {method}", uri.path()),
        "records are sent by POST /api/v1/logs, everything else is GET",
    )
}
