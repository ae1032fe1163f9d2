//! Why a question has no answer.

use std::time::Duration;

use varve_query::QueryError;

/// Why a search has no answer.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The question goes past a bound.
    #[error(transparent)]
    Query(QueryError),
    /// Stored bytes are damaged. The text names the file.
    #[error(transparent)]
    Corrupt(QueryError),
    /// Shards cannot be read now: a sentence each, with its nodes and why each failed.
    #[error("{}", listed(.0))]
    Unavailable(Vec<String>),
    /// Too many searches wait already.
    #[error("too many searches wait already")]
    Busy,
}

impl ReadError {
    /// The budget of [`Self::Busy`].
    pub(crate) const BUDGET: &str = "searches";

    /// A word for programs.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Query(_) => "invalid",
            Self::Corrupt(_) => "corrupt",
            Self::Unavailable(_) => "unavailable",
            Self::Busy => "overloaded",
        }
    }

    /// Which budget sent the search away, where one did.
    pub(crate) const fn shed_by(&self) -> Option<&'static str> {
        match self {
            Self::Busy => Some(Self::BUDGET),
            Self::Query(_) | Self::Corrupt(_) | Self::Unavailable(_) => None,
        }
    }

    /// How long to wait before asking again, where that may help.
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Unavailable(_) | Self::Busy => Some(Duration::from_secs(1)),
            Self::Query(_) | Self::Corrupt(_) => None,
        }
    }

    /// What the client can do.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Query(_) => "narrow the time range, or ask for less at a time",
            Self::Corrupt(_) => {
                "the file named is damaged; nothing of it is served. Restore it from a replica or a \
                 backup"
            }
            Self::Unavailable(_) => {
                "try again in a moment, or ask for what can be read with partial=allow"
            }
            Self::Busy => "try again in a moment",
        }
    }
}

impl From<QueryError> for ReadError {
    fn from(error: QueryError) -> Self {
        match error {
            QueryError::Table(_) => Self::Corrupt(error),
            other => Self::Query(other),
        }
    }
}

/// The first few sentences: hundreds of shards may fail for one reason.
fn listed(sentences: &[String]) -> String {
    const SHOWN: usize = 3;
    let mut text = sentences.iter().take(SHOWN).cloned().collect::<Vec<_>>().join("; ");
    if let Some(more @ 1..) = sentences.len().checked_sub(SHOWN) {
        text.push_str(&format!("; and {more} more shards"));
    }
    text
}
