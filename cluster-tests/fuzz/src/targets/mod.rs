//! The targets, by what they read. What an input is, each says where it is defined.

mod client;
mod configuration;
mod consensus;
mod history;
mod ingest;
mod node;
mod query;
mod shard;
mod shard_log;
mod table;
mod table_questions;
mod types;
mod wal;
mod wal_forger;

use std::future::Future;

use crate::Target;

pub use table::{sound_pieces, sound_tables};

/// All of them.
pub const TARGETS: &[Target] = &[
    wal::RECOVERY,
    wal::RECORDS,
    table::BLOCK,
    table::SEGMENT,
    table::PAGES,
    table::SECTIONS,
    shard::MANIFEST,
    shard::DEDUP,
    shard::EVENT_HOURS,
    shard::OUTCOME,
    shard_log::LOG,
    consensus::MESSAGES,
    consensus::NEWS,
    consensus::CATALOG_FILE,
    consensus::IDENTITY,
    node::PEER_FRAMES,
    node::PEER_INTRODUCTION,
    node::FRAGMENT,
    node::REPLY,
    node::GRPC_QUESTION,
    node::HTTP_PARAMETERS,
    query::WORDS,
    ingest::HTTP_JSON,
    ingest::GRPC_APPEND,
    ingest::CONTENT_ENCODING,
    client::PLAIN_LINE,
    client::JSON_LINE,
    types::IDENTIFIERS,
    configuration::FILE,
    history::EDN,
];

/// Runs in virtual time, on this thread.
fn run<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("BUG: a runtime of one thread needs nothing");
    runtime.block_on(future)
}
