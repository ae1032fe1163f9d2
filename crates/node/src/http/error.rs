//! Errors as the HTTP API shows them: `{"error":{"code","message","hint"}}`.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};
use varve_ingest::{ErrorKind, IngestError};

use crate::gateway::AppendError;
use crate::metrics::{self, Protocol};
use crate::read::ReadError;

/// An answer that is an error.
#[derive(Debug)]
pub(crate) struct ApiError {
    status: StatusCode,
    code: &'static str,
    message: String,
    hint: String,
    retry_after_seconds: Option<u64>,
    more: Map<String, Value>,
}

impl ApiError {
    /// An error with a remedy.
    pub(crate) fn new(
        status: StatusCode,
        code: &'static str,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        Self {
            status,
            code,
            message: message.into(),
            hint: hint.into(),
            retry_after_seconds: None,
            more: Map::new(),
        }
    }

    /// Bad input: 400.
    pub(crate) fn invalid(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid", message, hint)
    }
}

/// Every batch that is not stored is answered through here, and counted.
impl From<AppendError> for ApiError {
    fn from(error: AppendError) -> Self {
        metrics::not_appended(&error);
        let status = match &error {
            AppendError::Conflict { .. } | AppendError::Forgotten { .. } => StatusCode::CONFLICT,
            AppendError::OverBudget { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            AppendError::Overloaded { .. }
            | AppendError::TailsFull
            | AppendError::TooManyProducers
            | AppendError::DiskFull => StatusCode::TOO_MANY_REQUESTS,
            AppendError::Refused { .. } => StatusCode::INTERNAL_SERVER_ERROR,
            AppendError::Unconfirmed { .. } => StatusCode::SERVICE_UNAVAILABLE,
        };
        let mut answer = Self::new(status, error.code(), error.to_string(), error.hint());
        answer.retry_after_seconds = error.retry_after().map(|after| after.as_secs().max(1));
        if let Some(key) = error.resend_key() {
            answer.more.insert("idempotency_key".to_owned(), json!(key.to_string()));
        }
        if let AppendError::Unconfirmed { records: Some(records), .. } = &error {
            answer.more.insert("records".to_owned(), json!([records.start, records.end]));
        }
        answer
    }
}

impl From<IngestError> for ApiError {
    fn from(error: IngestError) -> Self {
        metrics::refused(Protocol::Http);
        let (status, code) = match error.kind() {
            ErrorKind::Invalid => (StatusCode::BAD_REQUEST, "invalid"),
            ErrorKind::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "too_large"),
            ErrorKind::UnsupportedMediaType => {
                (StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type")
            }
        };
        let mut answer = Self::new(status, code, error.to_string(), error.hint());
        let records: Vec<Value> = error
            .refusals
            .iter()
            .filter(|refusal| refusal.index.is_some())
            .map(|refusal| json!({ "index": refusal.index, "reason": refusal.to_string() }))
            .collect();
        if !records.is_empty() {
            answer.more.insert("refused".to_owned(), json!(error.refused));
            answer.more.insert("records".to_owned(), records.into());
        }
        answer
    }
}

impl From<ReadError> for ApiError {
    fn from(error: ReadError) -> Self {
        let status = match &error {
            ReadError::Query(_) => StatusCode::BAD_REQUEST,
            ReadError::Corrupt(_) => StatusCode::INTERNAL_SERVER_ERROR,
            ReadError::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
            ReadError::Busy => StatusCode::TOO_MANY_REQUESTS,
        };
        let mut answer = Self::new(status, error.code(), error.to_string(), error.hint());
        answer.retry_after_seconds = error.retry_after().map(|after| after.as_secs().max(1));
        answer
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut error = self.more;
        error.insert("code".to_owned(), json!(self.code));
        error.insert("message".to_owned(), json!(self.message));
        error.insert("hint".to_owned(), json!(self.hint));
        let mut response = (self.status, Json(json!({ "error": error }))).into_response();
        if let Some(seconds) = self.retry_after_seconds {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}
