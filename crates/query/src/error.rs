//! Why a search has no answer.

use varve_columnar::FormatError;

/// Why a search or a look-up failed. It never answers with a part of the result instead.
#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    /// A table holds bytes that its format does not allow, or could not be read. The text names
    /// the file and the offset.
    #[error("cannot search: {0}")]
    Table(#[from] FormatError),
    /// The page lies deeper than a search goes.
    #[error(
        "offset {offset} + limit {limit} reaches past the first {depth_max} records of the \
         result; narrow the time range instead of paging further"
    )]
    TooDeep {
        /// Records to skip.
        offset: u64,
        /// Records to answer.
        limit: u64,
        /// The bound.
        depth_max: u64,
    },
    /// The records of the page are too large to be answered together.
    #[error(
        "the records of this page take more than {bytes_max} bytes together; ask for fewer at a \
         time"
    )]
    TooLarge {
        /// The bound.
        bytes_max: usize,
    },
    /// The counts of an aggregate are too many.
    #[error(
        "the counts are more than {cells_max}; ask for longer steps, a narrower time range, or \
         fewer services and levels"
    )]
    TooManyCells {
        /// The bound.
        cells_max: usize,
    },
    /// Nobody waits for the answer any more.
    #[error("the search was cancelled")]
    Cancelled,
}
