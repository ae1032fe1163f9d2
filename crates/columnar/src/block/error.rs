//! Why records were not taken into a block.

use std::sync::Arc;

use varve_types::limits;

use crate::table::bounds::RECORD_BYTES_MAX;

/// Why a part was not added; the block is then as it was.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BlockError {
    /// Another block must take the part.
    #[error("the block would have {rows} rows; at most {max} fit: put the part into another block", max = limits::BLOCK_ROWS_MAX)]
    TooManyRows {
        /// How many it would have.
        rows: usize,
    },
    /// Another block must take the part, or the batch is beyond the limits.
    #[error("the block would have {columns} attribute columns; at most {max} fit: put the part into another block", max = limits::COLUMNS_PER_SEGMENT_MAX)]
    TooManyColumns {
        /// How many it would have.
        columns: usize,
    },
    /// The gateway fills in the time of receipt before.
    #[error("record {record} has no timestamp: fill in the time of receipt first")]
    NoTimestamp {
        /// Its position in the part.
        record: usize,
    },
    /// Names must ascend, each at most once.
    #[error(
        "record {record}: attribute {name:?} is out of order or repeated: sort by name, each name once"
    )]
    Unsorted {
        /// Its position in the part.
        record: usize,
        /// The name that does not come after the one before it.
        name: Arc<str>,
    },
    /// No batch within the limits has such a record.
    #[error("record {record} has {bytes} bytes of text; at most {max} fit", max = RECORD_BYTES_MAX)]
    TooLong {
        /// Its position in the part.
        record: usize,
        /// All its strings together.
        bytes: usize,
    },
    /// Ingest refuses such names.
    #[error("record {record}: a name has {bytes} bytes; a service's may have {service}, an attribute's {attribute}", service = limits::SERVICE_BYTES_MAX, attribute = limits::ATTRIBUTE_NAME_BYTES_MAX)]
    NameTooLong {
        /// Its position in the part.
        record: usize,
        /// The name's length.
        bytes: usize,
    },
    /// Another block must take the part.
    #[error("the block would have {bytes} bytes, decoded; at most {max} fit: put the part into another block", max = limits::REQUEST_BYTES_MAX)]
    TooManyBytes {
        /// How many it would have.
        bytes: usize,
    },
}
