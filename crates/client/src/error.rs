//! Why a call failed, and what can be done about it.

use std::error::Error;
use std::time::Duration;

use tonic::{Code, Status};
use varve_proto::DecodeError;
use varve_types::Sequence;

/// Why a connection could not be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConnectError {
    /// Not a URL.
    #[error("{endpoint:?} is not a gRPC URL ({problem}); write it like http://127.0.0.1:9431")]
    Endpoint {
        /// As it was given.
        endpoint: String,
        /// What is wrong with it.
        problem: String,
    },
    /// Nobody answers there.
    #[error(
        "cannot reach {endpoint}: {reason}; is `varve server` running, and is this its gRPC address?"
    )]
    Unreachable {
        /// As it was given.
        endpoint: String,
        /// What the system said.
        reason: String,
    },
}

/// Why a call that changes nothing, or that is not repeated, failed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum CallError {
    /// The connection is gone.
    #[error("lost the connection to {endpoint}: {reason}; is `varve server` running?")]
    Lost {
        /// As it was given.
        endpoint: String,
        /// What the system said.
        reason: String,
    },
    /// The server said no.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The answer is not one that this version understands.
    #[error(
        "the answer of {endpoint} makes no sense: {problem}; do client and server have the same version?"
    )]
    Answer {
        /// As it was given.
        endpoint: String,
        /// What is wrong with it.
        problem: String,
    },
}

/// Why a batch was not acknowledged.
#[derive(Clone, Debug, thiserror::Error)]
pub enum AppendError {
    /// The server will not take it, however often it is sent.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Nothing was acknowledged for as long as the policy is patient: whether this batch was
    /// stored is not known. Sending it again under the same key is safe.
    #[error("{endpoint} acknowledged nothing for {seconds} s; last it said: {last}", seconds = patience.as_secs())]
    GaveUp {
        /// Where it was sent.
        endpoint: String,
        /// How long it was tried.
        patience: Duration,
        /// The last error.
        last: String,
    },
    /// An earlier batch of the producer was refused, or given up, so no more are sent.
    #[error("not sent, because batch {sequence} before it failed")]
    Stopped {
        /// The batch that failed.
        sequence: Sequence,
    },
    /// The answer is not one that this version understands.
    #[error("the server's answer makes no sense: {0}; do client and server have the same version?")]
    Answer(String),
}

/// What the server said when it refused a request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("refused by the server: {message}{}{hint}", if hint.is_empty() { "" } else { "; " })]
pub struct Refusal {
    /// The code of gRPC.
    pub code: Code,
    /// A word for programs, where the server gave one: `CONFLICT`, `FORGOTTEN`, `INVALID`,
    /// `TOO_LARGE`, `OVERLOADED`, `UNAVAILABLE`.
    pub reason: String,
    /// What is wrong, for people.
    pub message: String,
    /// What to do about it, for people.
    pub hint: String,
    /// Sending the same again may succeed.
    pub retryable: bool,
    /// How long to wait before that.
    pub retry_after: Option<Duration>,
}

const NOT_GRPC: &str = "it does not answer in gRPC";
const NOT_GRPC_HINT: &str =
    "give the gRPC address of a node, by default http://127.0.0.1:9431; port 9430 is that of HTTP";

impl Refusal {
    pub(crate) fn of_status(status: &Status) -> Self {
        let text = |key: &str| {
            let value = status.metadata().get(key).and_then(|value| value.to_str().ok());
            value.unwrap_or_default().to_owned()
        };
        let wait_ms = ["varve-retry-after-ms", "grpc-retry-pushback-ms"]
            .iter()
            .find_map(|key| text(key).parse().ok());
        // What a stream says in a word, a call says by its code.
        let reason = match status.code() {
            Code::AlreadyExists => "CONFLICT",
            Code::FailedPrecondition => "FORGOTTEN",
            Code::InvalidArgument => "INVALID",
            Code::OutOfRange => "TOO_LARGE",
            Code::ResourceExhausted => "OVERLOADED",
            Code::Unavailable => "UNAVAILABLE",
            _ => "",
        };
        let (message, hint) = match status.message() {
            // What tonic makes of bytes that are not gRPC: of an HTTP port, most likely.
            said if said.starts_with("protocol error: received message") => {
                (NOT_GRPC, NOT_GRPC_HINT)
            }
            // A server that speaks gRPC and is none of ours may say nothing but a code.
            "" => (status.code().description(), ""),
            said => (said, ""),
        };
        Self {
            code: status.code(),
            reason: reason.to_owned(),
            message: message.to_owned(),
            hint: hint.to_owned(),
            retryable: is_transient(status),
            retry_after: wait_ms.map(Duration::from_millis),
        }
    }

    pub(crate) fn of_stream(error: varve_proto::v1::AppendError) -> Self {
        let wait = Duration::from_millis(u64::from(error.retry_after_ms));
        Self {
            code: Code::from_i32(error.code),
            reason: error.reason,
            message: error.message,
            hint: error.hint,
            retryable: error.retryable,
            retry_after: (!wait.is_zero()).then_some(wait),
        }
    }

    /// Another node may do what this one cannot: it is leaving, or cut off from the others. What
    /// is too much for one node is no reason to burden another.
    pub(crate) fn may_pass_elsewhere(&self) -> bool {
        self.retryable && self.code != Code::ResourceExhausted
    }

    /// The sequence is older than what the server remembers of its producer.
    pub(crate) fn is_forgotten(&self) -> bool {
        self.reason.eq_ignore_ascii_case("FORGOTTEN")
    }
}

impl CallError {
    pub(crate) fn of_status(endpoint: &str, status: &Status) -> Self {
        if status.source().is_some() {
            return Self::Lost { endpoint: endpoint.to_owned(), reason: root_cause(status) };
        }
        Self::Refused(Refusal::of_status(status))
    }

    pub(crate) fn may_pass_elsewhere(&self) -> bool {
        match self {
            Self::Lost { .. } => true,
            Self::Refused(refusal) => refusal.may_pass_elsewhere(),
            Self::Answer { .. } => false,
        }
    }

    pub(crate) fn of_decoding(endpoint: &str, error: &DecodeError) -> Self {
        Self::answer(endpoint, error)
    }

    pub(crate) fn answer(endpoint: &str, problem: &impl ToString) -> Self {
        Self::Answer { endpoint: endpoint.to_owned(), problem: problem.to_string() }
    }
}

/// Whether the same request may succeed later: the connection broke, or the server is not ready.
pub(crate) fn is_transient(status: &Status) -> bool {
    match status.code() {
        Code::Unavailable
        | Code::ResourceExhausted
        | Code::DeadlineExceeded
        | Code::Aborted
        | Code::Cancelled => true,
        // What tonic makes of a connection that breaks in the middle.
        Code::Unknown | Code::Internal => status.source().is_some(),
        _ => false,
    }
}

/// The innermost error: "Connection refused" rather than "transport error".
pub(crate) fn root_cause(error: &(dyn Error + 'static)) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_http_port_is_told_from_a_grpc_port() {
        let status = Status::internal(
            "protocol error: received message with invalid compression flag: 123 (valid flags are 0 and 1) while receiving response with status: 404 Not Found",
        );
        let said = CallError::of_status("http://127.0.0.1:9430", &status).to_string();
        assert_eq!(said, format!("refused by the server: {NOT_GRPC}; {NOT_GRPC_HINT}"));
    }
}
