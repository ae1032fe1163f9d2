//! The words of the project as types: ids, time, levels, records, digests and limits.
//!
//! The lowest layer. It knows nothing of files, networks, clocks or wire formats; everything
//! else may use it. No bare integer crosses a function's border elsewhere: it wears a type
//! from here.

mod digest;
mod hash;
mod ids;
mod level;
pub mod limits;
mod producer;
mod record;
mod record_id;
mod time;

pub use digest::{BatchDigest, ContentDigest, RowDigest};
pub use hash::{HashRange, ServiceHash};
pub use ids::{
    GroupId, LogIndex, NodeId, ReplicaId, RetentionClass, RowNumber, ShardId, TenantId, Term,
    WindowId,
};
pub use level::Level;
pub use producer::{BatchKey, BatchKeyError, Epoch, ProducerId, ProducerKey, Sequence};
pub use record::{Attribute, Record, Resource, Value, ValueKind};
pub use record_id::{RecordId, RecordIdError};
pub use time::{TimeRange, TimestampError, TimestampNs};
