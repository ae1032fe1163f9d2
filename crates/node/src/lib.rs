//! One node: configuration, gateway, reader, and the services that clients speak to.
//!
//! The node wires what the crates below own: protocols become batches (`varve-ingest`), batches
//! become blocks and are proposed to their shards (`varve-consensus`), and searches run over what
//! shards show (`varve-query`). It knows nothing of openraft, of files' formats or of terminals.

mod answers;
pub mod config;
mod data_dir;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod gateway;
mod grpc;
mod http;
mod listen;
mod membership;
mod metrics;
mod peer;
mod peer_port;
mod read;
mod remembered;
mod server;
mod status;

use std::net::SocketAddr;
use std::path::PathBuf;

pub use config::{Config, ConfigError, RawConfig};
pub use remembered::CataloguePlace;
pub use server::{Node, NodeOptions};

/// Why a node did not start, or ended.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// Another server has the data directory.
    #[error(
        "data directory {} is in use by another server; stop that one, or choose another with --data-dir",
        dir.display()
    )]
    DataDirInUse {
        /// As configured.
        dir: PathBuf,
    },
    /// The data directory cannot be made or locked.
    #[error("data directory {}: {source}; check that it can be written, or choose another with --data-dir", dir.display())]
    DataDir {
        /// As configured.
        dir: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// An address cannot be listened on.
    #[error("cannot listen on {address} (`{key}`): {source}; another program may have the port")]
    Listen {
        /// The key of the configuration.
        key: &'static str,
        /// What it is set to.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// The write-ahead log does not open.
    #[error("write-ahead log: {0}")]
    Wal(#[from] varve_wal::WalError),
    /// The groups do not start.
    #[error(transparent)]
    Start(#[from] varve_consensus::StartError),
    /// The cluster that was to be joined refused.
    #[error("cannot join: {0}")]
    Join(String),
    /// The catalog does not take this node's settings.
    #[error("catalog: {0}")]
    Catalog(#[from] varve_consensus::CatalogError),
    /// The catalogue cache does not open, and no new one can be made.
    #[error(transparent)]
    Catalogue(#[from] varve_shard::CatalogueError),
    /// The HTTP server failed as a whole.
    #[error("HTTP: {0}")]
    Http(std::io::Error),
    /// The gRPC server failed as a whole.
    #[error("gRPC: {0}")]
    Grpc(String),
    /// The server for peers failed as a whole.
    #[error("peers: {0}")]
    Peer(String),
    /// The recorder of metrics cannot be installed.
    #[error("metrics: {0}")]
    Metrics(String),
}
