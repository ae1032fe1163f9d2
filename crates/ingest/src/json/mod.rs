//! JSON bodies of the native API to batches, and records back to JSON.

mod decode;
mod defaults;
mod fault;
mod flatten;
mod format;
mod number;
mod path;
mod reader;
mod record_reader;
mod scalars;
mod write;

pub use decode::{JsonBatch, decode};
pub use defaults::Defaults;
pub use format::Format;
pub use write::{RecordJson, write_attributes};

pub(crate) use decode::too_many_columns;
pub(crate) use flatten::check_array;
pub(crate) use number::parse_number;
