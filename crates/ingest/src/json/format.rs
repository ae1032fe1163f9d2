//! Which form of JSON a body has, by its Content-Type.

use crate::{ErrorKind, IngestError, Refusal};

/// The forms of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One record, an array of records, or several records one after the other.
    Json,
    /// One record a line; empty lines are skipped.
    Lines,
}

impl Format {
    /// The form that a Content-Type names. Without one, and for the types that clients send when
    /// nobody chose one (curl's `application/x-www-form-urlencoded`, `text/plain`), JSON.
    ///
    /// # Errors
    ///
    /// Unsupported for any other type, and for a charset other than UTF-8.
    pub fn from_content_type(content_type: Option<&str>) -> Result<Self, IngestError> {
        let content_type = content_type.unwrap_or_default().to_ascii_lowercase();
        let mut parts = content_type.split(';').map(str::trim);
        let format = match parts.next().unwrap_or_default() {
            ""
            | "application/json"
            | "text/json"
            | "text/plain"
            | "application/octet-stream"
            | "application/x-www-form-urlencoded" => Self::Json,
            "application/x-ndjson"
            | "application/ndjson"
            | "application/jsonl"
            | "application/x-jsonlines"
            | "application/jsonlines"
            | "application/json-lines" => Self::Lines,
            other => return Err(unsupported(other)),
        };
        match parts.find_map(|part| part.strip_prefix("charset=")) {
            None => Ok(format),
            Some(charset) if matches!(charset.trim_matches('"'), "utf-8" | "utf8" | "us-ascii") => {
                Ok(format)
            }
            Some(charset) => Err(unsupported(charset)),
        }
    }
}

fn unsupported(what: &str) -> IngestError {
    Refusal::of_request(
        ErrorKind::UnsupportedMediaType,
        "Content-Type",
        format!("{:?} is not read here", what.chars().take(64).collect::<String>()),
        "send application/json or application/x-ndjson, in UTF-8",
    )
    .into()
}
