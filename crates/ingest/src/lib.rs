//! Protocols to batches: every way in ends as a [`Batch`] of records that are safe to store.
//!
//! ```text
//! body ── decompress ── json::decode ──┐
//!                                      ├── Batch{tenant, key, digest, records} ── cut (no key)
//! AppendRequest ─────── grpc::decode ──┘
//! ```
//!
//! What is bad input is decided here and nowhere later: a batch that leaves this crate can be
//! stored as it is. A request is refused whole; the error lists the records that were refused,
//! each with its index, field, position and a hint. The digest is taken of what was decoded,
//! before the server fills anything in, and does not depend on the protocol. The crate is pure:
//! it reads no clock, opens no file and waits for nothing.

mod batch;
mod batch_digest;
mod column_count;
mod content_encoding;
pub mod grpc;
mod ingest_error;
pub mod json;
mod refusals;
mod size;

pub use batch::{Batch, cut};
pub use batch_digest::batch_digest;
pub use content_encoding::decompress;
pub use ingest_error::{ErrorKind, IngestError, Position, Refusal};
pub use size::{BatchSize, record_bytes};
