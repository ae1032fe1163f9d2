//! Varve's wire messages, and what they mean in the project's own words.
//!
//! [`v1`] is generated from the files under `proto/`; the rest of the crate turns messages into
//! the types of `varve-types` and back. Only form is checked here (a value that is absent, a
//! resource that is not in the table): what a server refuses is decided by `varve-ingest`.

mod attribute;
mod batch_key;
mod commit_token;
mod decode_error;
mod intern;
mod level;
mod record;
mod resource_table;

pub use batch_key::{decode_batch_key, encode_batch_key};
pub use commit_token::{decode_commit_token, encode_commit_token};
pub use decode_error::{DecodeError, Place, Problem};
pub use intern::Interner;
pub use level::{decode_level, encode_level};
pub use record::{RecordDecoder, RecordEncoder, decode_records, decode_resources, encode_records};

/// The messages, clients and servers of package `varve.v1`, as generated.
#[expect(
    missing_docs,
    clippy::allow_attributes_without_reason,
    clippy::too_many_lines,
    reason = "generated: the .proto files document what needs it"
)]
pub mod v1 {
    include!(concat!(env!("OUT_DIR"), "/varve.v1.rs"));
}

/// The encoded `FileDescriptorSet` of the package, for gRPC reflection.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/varve.v1.bin"));
