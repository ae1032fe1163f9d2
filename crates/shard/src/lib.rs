//! One shard's state on one replica: what its log has come to.
//!
//! A shard takes blocks from the day it is opened to the day it is sealed. [`Shard::apply`] takes
//! the entries of its log in order, deterministically, and decides for each batch whether it is
//! new; the rows go to an in-memory tail, undecoded, and from there to segments on disk. A
//! manifest names what is durable; what the log has after it is applied again.
//!
//! ```text
//!            apply                    FlushJob::run              finish_flush
//! entries ─────────▶ State, tail ───────────────────▶ segments ─────────────▶ view
//!                      (memory)     dedup file, manifest (disk)   (memory)
//! ```
//!
//! Segments are merged into larger ones meanwhile, in steps that pause when others need the
//! machine, and a last time once the shard is closed.
//!
//! What it rests on, and what tests hold it to:
//!
//! - The state is a function of the entries: whatever was flushed when, replicas that applied the
//!   same index agree on rows, digest, outcomes and exported tables.
//! - A view holds each stored row once: in the tail or in a segment.
//! - A crash at any point of a flush or a merge leaves the manifest before it or the one after
//!   it.
//! - Merging changes neither rows nor digest.
//! - No bytes in an entry or in a file make this crate panic; files that are damaged are named.
//!
//! This crate knows nothing of Raft, of other replicas, of queries or of time: stamps come with
//! entries.

mod apply;
mod catalogue;
mod classes;
mod codec;
mod command;
mod dedup;
mod event_hours;
mod file_hash;
mod files;
#[cfg(test)]
mod fixtures;
mod flush;
mod frame;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod manifest;
mod merge;
mod open;
mod options;
mod outcome;
mod phase;
mod plan;
mod segment;
mod shard;
mod summary;
mod tail;
mod times;
mod view;
mod write;

pub use apply::Volume;
pub use catalogue::{
    CATALOGUE_VALUE_BYTES_MAX, Catalogue, CatalogueDamage, CatalogueError, ShardRecord,
};
pub use classes::{ClassRule, Classes};
pub use codec::DecodeError;
pub use command::{Command, Successor};
pub use event_hours::{EVENT_HOUR_ENTRIES_MAX, EVENT_SPANS_BYTES_MAX, EventHours, EventSpans};
pub use file_hash::{FileHash, FileHasher};
pub use flush::{Borrowed, FlushError, FlushJob, Flushed, Gap};
pub use manifest::{Applied, DedupFile, Manifest, SegmentMeta, Stage};
pub use merge::{
    Choice, MergeError, MergeJob, Merged, SwapJob, Swapped, choose as choose_merge,
    waiting as merges_waiting,
};
pub use open::{Damage, OpenError};
pub use options::{MergeOptions, ShardOptions};
pub use outcome::{Outcome, PartOutcome, Position, Rejection, StoredRange};
pub use phase::{Origin, Phase};
pub use segment::{SegmentError, SegmentHandle};
pub use shard::Shard;
pub use summary::{ClosedSummary, ShardSummary};
pub use tail::TailBlock;
pub use view::{ShardReader, ShardView};
pub use write::WriteError;
