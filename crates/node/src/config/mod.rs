//! What can be set: from a file, from `VARVE_` variables and from flags, in that order, the later
//! over the earlier.
//!
//! [`RawConfig`] is what people write; [`Config`] is what the node runs on, checked and with its
//! types. Everything wrong is found at start, in an error that names the key.

mod raw;
mod resolve;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

#[cfg(test)]
pub(crate) use raw::AGREED;
pub use raw::RawConfig;
pub use resolve::ConfigError;

/// The checked configuration of one node.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where everything is kept.
    pub data_dir: PathBuf,
    /// HTTP API, metrics, health.
    pub listen_http: SocketAddr,
    /// gRPC: logs, cluster, health, reflection.
    pub listen_grpc: SocketAddr,
    /// Where other nodes are listened for.
    pub listen_peer: SocketAddr,
    /// The address under which other nodes reach this one, where that is not the one it listens
    /// on.
    pub advertise_peer: Option<String>,
    /// A new data directory founds a cluster, as it does without `join`; with it, only where none
    /// of those nodes is of one.
    pub bootstrap: bool,
    /// Nodes of the cluster that a new data directory joins; with none it founds one.
    pub join: Vec<String>,
    /// What fails together with this node; empty: nothing is known of that.
    pub zone: String,
    /// Keys that somebody has set, of those that the whole cluster agrees on.
    pub said: BTreeSet<&'static str>,
    /// After how long without a sign of it a node's replicas are given to others.
    pub node_lost_after: Duration,
    /// How many nodes hold everything, where there are that many.
    pub replicas: u32,
    /// How many shards share what a window takes, as a power of two; `None`: as many as the nodes
    /// and what is written ask for.
    pub window_shards_log2: Option<u8>,
    /// How long a window takes writes before its shards are rolled over.
    pub window: Duration,
    /// Blocks in a shard after which it is rolled over though its window is young, in bytes.
    pub window_bytes: u64,
    /// Encoded blocks in memory per shard after which they are written out as segments, in bytes.
    pub tail_bytes: u64,
    /// Encoded blocks in memory of all shards together; above it appends wait, in bytes.
    pub tail_memory_bytes: u64,
    /// Decoded rows that a merge of segments holds at once, in bytes.
    pub merge_bytes: usize,
    /// What merges write, in bytes each second.
    pub merge_bytes_per_s: u64,
    /// What is copied from other nodes, in bytes each second.
    pub repair_bytes_per_s: u64,
    /// What is read again of closed shards to find damage, in bytes each second.
    pub scrub_bytes_per_s: u64,
    /// Decoded requests that wait to be stored; above it the node answers 429. In bytes.
    pub queue_bytes: usize,
    /// Records of answers to searches under way, in bytes.
    pub search_bytes: usize,
    /// How long a request may take before its outcome is reported as unknown.
    pub request_timeout: Duration,
    /// Free room on the disk below which the node refuses appends and goes on answering, in bytes.
    pub disk_free_min_bytes: u64,
    /// One file of the write-ahead log, in bytes.
    pub wal_file_bytes: u64,
    /// The write-ahead log that is kept for a shard before the shard is made to write out what it
    /// holds, in bytes.
    pub wal_bytes: u64,
    /// Room set aside so that votes, seals and purges still go through on a full disk, in bytes.
    pub wal_reserve_bytes: u64,
    /// Entries of the write-ahead log kept in memory, in bytes.
    pub wal_cache_bytes: usize,
}

impl Default for Config {
    fn default() -> Self {
        RawConfig::default().resolve().expect("BUG: the default configuration does not resolve")
    }
}
