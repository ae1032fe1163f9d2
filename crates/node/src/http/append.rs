//! POST /api/v1/logs: one record, an array, or newline-delimited JSON.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, header};
use serde_json::{Value, json};
use varve_ingest::json::{Defaults, Format};
use varve_types::{BatchKey, TenantId};

use super::{ApiError, body, parameters};
use crate::gateway::Appended;
use crate::metrics::Protocol;
use crate::server::Services;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// What the address says beside the path.
#[derive(Debug)]
pub(super) struct Parameters {
    defaults: Defaults,
    want_ids: bool,
}

pub(super) async fn append(
    State(services): State<Arc<Services>>,
    request: Request,
) -> Result<Json<Value>, ApiError> {
    let (head, request_body) = request.into_parts();
    let parameters = requested(head.uri.query().unwrap_or_default())?;
    let format = Format::from_content_type(text(&head.headers, &header::CONTENT_TYPE)?)?;
    let key = idempotency_key(&head.headers)?;
    let encoding = text(&head.headers, &header::CONTENT_ENCODING)?.map(str::to_owned);
    let budget = services.gateway.budget();
    let (bytes, mut held) = body::read(request_body, budget).await?;
    let Parameters { defaults, want_ids } = parameters;
    let decoded = services
        .env
        .blocking
        .run(move || {
            let bytes = varve_ingest::decompress(encoding.as_deref(), &bytes)?;
            held.grow(body::decoded_bytes_about(&bytes))?;
            let decoded = varve_ingest::json::decode(TenantId(0), key, &bytes, format, &defaults)?;
            Ok::<_, ApiError>(decoded)
        })
        .await?;
    let single = decoded.single;
    let want = want_ids || single;
    let appended = services.gateway.append(decoded.batch, want, Protocol::Http).await?;
    Ok(Json(answer(&appended, single, want_ids)))
}

fn answer(appended: &Appended, single: bool, want_ids: bool) -> Value {
    let mut answer = json!({ "status": "success" });
    let ids = || appended.ids.iter().map(ToString::to_string);
    if single {
        answer["log_id"] = ids().next().into();
    } else {
        answer["accepted"] = appended.accepted.into();
    }
    if want_ids {
        answer["log_ids"] = ids().collect();
    }
    if appended.duplicate {
        answer["duplicate"] = true.into();
    }
    answer
}

pub(super) fn requested(query: &str) -> Result<Parameters, ApiError> {
    let (mut service, mut level, mut want_ids) = (None, None, false);
    let hint = "each may be given once; a record's own comes first";
    for (name, value) in parameters::pairs(query, |_| false, hint)? {
        match name.as_str() {
            "service" => service = Some(value),
            "level" => level = Some(value),
            "ids" => want_ids = parameters::truth(&name, &value)?,
            other => return Err(parameters::unknown(other, "service, level, ids")),
        }
    }
    let defaults = Defaults::new(service.as_deref(), level.as_deref())?;
    Ok(Parameters { defaults, want_ids })
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<BatchKey>, ApiError> {
    let Some(given) = text(headers, &IDEMPOTENCY_KEY)? else { return Ok(None) };
    BatchKey::parse(TenantId(0), given).map(Some).map_err(|error| {
        ApiError::invalid(
            format!("header Idempotency-Key: {error}"),
            "PRODUCER:EPOCH:SEQUENCE, for example billing-7:0:42",
        )
    })
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, ApiError> {
    headers
        .get(name)
        .map(|value| {
            value.to_str().map_err(|_| {
                ApiError::invalid(format!("header {name} is not plain text"), "use ASCII")
            })
        })
        .transpose()
}
