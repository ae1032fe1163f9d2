//! Errors as gRPC shows them: a status for a call, a message for one batch of a stream.

use std::time::Duration;

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};
use varve_ingest::{ErrorKind, IngestError};
use varve_proto::v1;

use crate::gateway::AppendError;
use crate::metrics::{self, Protocol};
use crate::read::ReadError;

/// Metadata that carries the key under which an unconfirmed batch may be sent again.
const KEY_METADATA: &str = "varve-idempotency-key";

/// Metadata with a word for programs, as `AppendError.reason` of log.proto lists them.
const REASON_METADATA: &str = "varve-reason";

/// Metadata with the lowest sequence that is remembered, for the reason FORGOTTEN.
const LOWEST_METADATA: &str = "varve-lowest-sequence";

/// Metadata that says how long to wait, in milliseconds.
const RETRY_METADATA: &str = "varve-retry-after-ms";

/// Why one batch was not stored.
#[derive(Debug)]
pub enum Refusal {
    /// It is bad input.
    Ingest(IngestError),
    /// The gateway could not store it.
    Append(AppendError),
}

impl Refusal {
    fn code(&self) -> Code {
        match self {
            Self::Ingest(error) => match error.kind() {
                ErrorKind::TooLarge => Code::OutOfRange,
                ErrorKind::Invalid | ErrorKind::UnsupportedMediaType => Code::InvalidArgument,
            },
            Self::Append(error) => match error {
                AppendError::Conflict { .. } => Code::AlreadyExists,
                AppendError::Forgotten { .. } => Code::FailedPrecondition,
                AppendError::OverBudget { .. } => Code::OutOfRange,
                AppendError::Overloaded { .. }
                | AppendError::TailsFull
                | AppendError::TooManyProducers
                | AppendError::DiskFull => Code::ResourceExhausted,
                AppendError::Refused { .. } => Code::Internal,
                AppendError::Unconfirmed { .. } => Code::Unavailable,
            },
        }
    }

    /// A word for programs, as log.proto lists them.
    fn reason(&self) -> &'static str {
        match self {
            Self::Ingest(error) => match error.kind() {
                ErrorKind::TooLarge => "TOO_LARGE",
                ErrorKind::Invalid | ErrorKind::UnsupportedMediaType => "INVALID",
            },
            Self::Append(error) => match error {
                AppendError::Conflict { .. } => "CONFLICT",
                AppendError::Forgotten { .. } => "FORGOTTEN",
                AppendError::OverBudget { .. } => "TOO_LARGE",
                AppendError::Overloaded { .. }
                | AppendError::TailsFull
                | AppendError::TooManyProducers
                | AppendError::DiskFull => "OVERLOADED",
                AppendError::Refused { .. } => "INVALID",
                AppendError::Unconfirmed { .. } => "UNAVAILABLE",
            },
        }
    }

    fn message_and_hint(&self) -> (String, String) {
        match self {
            Self::Ingest(error) => (error.to_string(), error.hint().to_owned()),
            Self::Append(error) => (error.to_string(), error.hint()),
        }
    }

    const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Append(error) => error.retry_after(),
            Self::Ingest(_) => None,
        }
    }

    fn retry_after_ms(&self) -> Option<u32> {
        self.retry_after().map(|after| u32::try_from(after.as_millis()).unwrap_or(u32::MAX))
    }

    /// As the answer to one batch of a stream.
    pub fn into_message(self) -> v1::AppendError {
        let (message, hint) = self.message_and_hint();
        let lowest_sequence = match &self {
            Self::Append(AppendError::Forgotten { lowest, .. }) => lowest.get(),
            _ => 0,
        };
        v1::AppendError {
            code: self.code().into(),
            message,
            hint,
            retryable: self.retry_after_ms().is_some(),
            retry_after_ms: self.retry_after_ms().unwrap_or(0),
            lowest_sequence,
            reason: self.reason().to_owned(),
        }
    }
}

/// Every batch that is bad input is answered through here, and counted.
impl From<IngestError> for Refusal {
    fn from(error: IngestError) -> Self {
        metrics::refused(Protocol::Grpc);
        Self::Ingest(error)
    }
}

/// Every batch that is not stored is answered through here, and counted.
impl From<AppendError> for Refusal {
    fn from(error: AppendError) -> Self {
        metrics::not_appended(&error);
        Self::Append(error)
    }
}

impl From<Refusal> for Status {
    fn from(refusal: Refusal) -> Self {
        let (message, hint) = refusal.message_and_hint();
        let message = format!("{message} ({hint})");
        let mut status = with_delay(refusal.code(), &message, refusal.retry_after());
        let reason = Some((REASON_METADATA, refusal.reason().to_owned()));
        let lowest = match &refusal {
            Refusal::Append(AppendError::Forgotten { lowest, .. }) => {
                Some((LOWEST_METADATA, lowest.to_string()))
            }
            _ => None,
        };
        let retry = refusal.retry_after_ms().map(|ms| (RETRY_METADATA, ms.to_string()));
        let key = match &refusal {
            Refusal::Append(error) => error.resend_key().map(|key| (KEY_METADATA, key.to_string())),
            Refusal::Ingest(_) => None,
        };
        for (name, text) in [reason, lowest, retry, key].into_iter().flatten() {
            if let Ok(value) = text.parse() {
                status.metadata_mut().insert(name, value);
            }
        }
        status
    }
}

/// A status that says in the standard way (google.rpc.RetryInfo) how long to wait, where waiting
/// helps.
fn with_delay(code: Code, message: &str, delay: Option<Duration>) -> Status {
    match delay {
        None => Status::new(code, message),
        Some(_) => Status::with_error_details(code, message, ErrorDetails::with_retry_info(delay)),
    }
}

impl From<ReadError> for Status {
    fn from(error: ReadError) -> Self {
        let code = match &error {
            ReadError::Query(_) => Code::InvalidArgument,
            ReadError::Corrupt(_) => Code::DataLoss,
            ReadError::Unavailable(_) => Code::Unavailable,
            ReadError::Busy => Code::ResourceExhausted,
        };
        with_delay(code, &format!("{error} ({})", error.hint()), error.retry_after())
    }
}
