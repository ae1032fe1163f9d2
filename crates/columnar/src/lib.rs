//! Bytes ↔ columns: how rows of logs are stored.
//!
//! There is one format, the *table*: rows in groups, one page per group and column, a footer
//! that says where they are ([`table`] draws the bytes). A [`Block`] is a small table with a list
//! of the batches it was gathered from: the unit of replication. A [`Segment`] is a large table,
//! sorted in strips of time, that also says which log entry each row came from.
//!
//! Everything read is checked: no bytes, however damaged, make this crate panic or allocate more
//! than its stated bounds, and a page is never served without its checksum holding. This crate
//! knows nothing of files, clocks, shards or queries.

mod block;
mod byte_column;
mod cells;
mod column;
mod column_id;
mod digest;
mod encoding;
mod error;
mod index;
mod resource;
mod segment;
mod shaped;
pub mod table;
mod token;
mod value_text;

pub use block::{Block, BlockBuilder, BlockError, Part};
pub use byte_column::ByteColumn;
pub use column::{Cell, Column};
pub use column_id::{ColumnClass, ColumnId};
pub use encoding::presence::Presence;
pub use error::FormatError;
pub use index::{LevelIndex, OwnerIndex, ResourceIndex, Rollup, RollupCell, WordIndex};
pub use resource::{decode_resource, encode_resource};
pub use segment::{
    EventHours, Segment, SegmentBuilder, SegmentError, SegmentOptions, SegmentSummary,
    SegmentWriter, Step,
};
pub use shaped::{Messages, SHAPE_SLOT, ShapedColumn};
pub use table::{BytesSource, GroupMeta, LevelSet, PageSource, Table, ZoneMap};
pub use token::{is_token_byte, tokens};
pub use value_text::with_word_text;
