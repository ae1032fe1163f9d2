//! `varve server`: one node, from its flags to its end.

use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args, ValueEnum};
use serde::Serialize;
use tokio::time::Instant;
use tracing_subscriber::EnvFilter;
use varve_env::Env;
use varve_node::{CataloguePlace, Node, NodeOptions, RawConfig};

use crate::endpoint::runtime;
use crate::failure::Failure;

/// Run a node: with no flags a complete one, on loopback
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  varve server                                     # data in ./varve-data, loopback only
  varve server --data-dir /var/lib/varve
  varve server --config varve.toml --window 1h
  varve server --join 127.0.0.1:9432 --data-dir ./b --listen-http 127.0.0.1:9440 \\
    --listen-grpc 127.0.0.1:9441 --listen-peer 127.0.0.1:9442   # one more node of that cluster
  VARVE_LOG=debug varve server                     # how much it says; a filter of tracing

Every flag from --data-dir on is also a key of the configuration file
(listen_http = \"127.0.0.1:9430\") and a variable (VARVE_LISTEN_HTTP=127.0.0.1:9430). Flags win
over variables, variables over the file. Sizes are written 64MiB, durations 30s or 6h.")]
pub(crate) struct ServerArguments {
    /// A configuration file (TOML)
    #[arg(long, value_name = "FILE", env = "VARVE_CONFIG")]
    config: Option<PathBuf>,
    /// How the node's own log is written
    #[arg(long, value_enum, default_value_t = LogFormat::Text)]
    log_format: LogFormat,
    #[command(flatten)]
    flags: Flags,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum LogFormat {
    /// For people
    Text,
    /// One JSON object a line
    Json,
}

/// The keys of the configuration, as flags. What is not given is left to variables and the file.
#[derive(Debug, Args, Serialize)]
struct Flags {
    /// Where everything is kept; made when it is not there [default: ./varve-data]
    #[arg(long, value_name = "DIR")]
    #[serde(skip_serializing_if = "Option::is_none")]
    data_dir: Option<String>,
    /// Where HTTP is listened for [default: 127.0.0.1:9430]
    #[arg(long, value_name = "ADDR")]
    #[serde(skip_serializing_if = "Option::is_none")]
    listen_http: Option<String>,
    /// Where gRPC is listened for [default: 127.0.0.1:9431]
    #[arg(long, value_name = "ADDR")]
    #[serde(skip_serializing_if = "Option::is_none")]
    listen_grpc: Option<String>,
    /// Where other nodes are listened for [default: 127.0.0.1:9432]
    #[arg(long, value_name = "ADDR")]
    #[serde(skip_serializing_if = "Option::is_none")]
    listen_peer: Option<String>,
    /// The address under which other nodes reach this one [default: as --listen-peer]
    #[arg(long, value_name = "ADDR")]
    #[serde(skip_serializing_if = "Option::is_none")]
    advertise_peer: Option<String>,
    /// Found a new cluster, if the data directory is new and no node of --join is of one; the
    /// default without --join
    #[arg(long)]
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    bootstrap: bool,
    /// Join the cluster of these nodes, if the data directory is new: their peer addresses
    #[arg(long, value_name = "ADDR", value_delimiter = ',')]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    join: Vec<String>,
    /// What fails together with this node: replicas are spread over zones
    #[arg(long, value_name = "NAME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    zone: Option<String>,
    /// After how long without a sign of it a node's replicas are given to others [default: 5m]
    #[arg(long, value_name = "DURATION")]
    #[serde(skip_serializing_if = "Option::is_none")]
    node_lost_after: Option<String>,
    /// How often everything is held, where there are that many nodes [default: 3]
    #[arg(long, value_name = "COUNT")]
    #[serde(skip_serializing_if = "Option::is_none")]
    replicas: Option<String>,
    /// How many shards share what a window takes: a power of two [default: as many as the nodes
    /// and the load ask for]
    #[arg(long, value_name = "COUNT")]
    #[serde(skip_serializing_if = "Option::is_none")]
    window_shards: Option<String>,
    /// Listen off loopback, though nothing is encrypted and nobody is asked who they are
    #[arg(long)]
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    insecure: bool,
    /// How long a window takes writes [default: 6h]
    #[arg(long, value_name = "DURATION")]
    #[serde(skip_serializing_if = "Option::is_none")]
    window: Option<String>,
    /// How much a shard of a window takes [default: 4 GiB]
    #[arg(long, value_name = "SIZE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    window_size: Option<String>,
    /// How much a shard holds in memory before it writes segments [default: 8 MiB]
    #[arg(long, value_name = "SIZE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    tail_size: Option<String>,
    /// How much all shards hold in memory together; above it senders wait [default: 64 MiB]
    #[arg(long, value_name = "SIZE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    tail_memory: Option<String>,
    /// Memory for merging segments [default: 64 MiB]
    #[arg(long, value_name = "SIZE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    merge_memory: Option<String>,
    /// How much merges write each second [default: 64 MiB]
    #[arg(long, value_name = "SIZE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    merge_rate: Option<String>,
    /// How much is copied from other nodes each second [default: 64 MiB]
    #[arg(long, value_name = "SIZE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    repair_rate: Option<String>,
    /// How much is read again each second to find damage [default: 4 MiB]
    #[arg(long, value_name = "SIZE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    scrub_rate: Option<String>,
    /// How much may wait to be stored; above it senders are told to wait [default: 256 MiB]
    #[arg(long, value_name = "SIZE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    queue_size: Option<String>,
    /// Memory for the records of answers to searches; further searches wait [default: 256 MiB]
    #[arg(long, value_name = "SIZE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    search_memory: Option<String>,
    /// How long a request may take [default: 30s]
    #[arg(long, value_name = "DURATION")]
    #[serde(skip_serializing_if = "Option::is_none")]
    request_timeout: Option<String>,
    /// Free room on the disk below which appends are refused [default: 256 MiB]
    #[arg(long, value_name = "SIZE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    disk_free_min: Option<String>,
    /// One file of the write-ahead log [default: 64 MiB]
    #[arg(long, value_name = "SIZE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    wal_file_size: Option<String>,
    /// How much of the write-ahead log a shard may keep before it writes segments [default: 256 MiB]
    #[arg(long, value_name = "SIZE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    wal_size: Option<String>,
    /// Room set aside for a full disk [default: 64 MiB]
    #[arg(long, value_name = "SIZE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    wal_reserve_size: Option<String>,
    /// Entries of the write-ahead log kept in memory [default: 32 MiB]
    #[arg(long, value_name = "SIZE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    wal_cache_size: Option<String>,
}

/// Where gRPC is listened for by default.
const USUAL_GRPC: &str = "127.0.0.1:9431";

pub(crate) fn run(arguments: &ServerArguments) -> Result<(), Failure> {
    let config = RawConfig::load(arguments.config.as_deref(), &arguments.flags)
        .and_then(|raw| raw.resolve())
        .map_err(Failure::usage)?;
    start_log(arguments.log_format)?;
    let runtime = runtime()?;
    runtime.block_on(async {
        let data_dir = config.data_dir.clone();
        let started = Instant::now();
        let options = NodeOptions {
            env: Env::real(),
            on_fatal: Arc::new(end_process),
            catalogue: CataloguePlace::DataDir,
        };
        let node = Node::start(config, options).await.map_err(Failure::failed)?;
        let (http, grpc) = (node.http_address(), node.grpc_address());
        let took_ms = started.elapsed().as_millis();
        // What the other subcommands take for granted need not be typed.
        let endpoint = match grpc.to_string() {
            usual if usual == USUAL_GRPC => String::new(),
            other => format!(" --endpoint http://{other}"),
        };
        // A reader of this who has gone is no reason for the server to go too.
        let _ = write!(
            io::stdout().lock(),
            "\
varve {version} is ready after {took_ms} ms; data in {data_dir}
  HTTP  http://{http}
  gRPC  http://{grpc}
  Peers {peers}

Try next, in another terminal:
  echo 'level=warn drawer open' | varve send - --service till{endpoint}
  varve query 'drawer' --since 1h{endpoint}
  curl -d '{{\"service\":\"till\",\"message\":\"drawer shut\"}}' http://{http}/api/v1/logs
  curl 'http://{http}/api/v1/logs/search?query=drawer'
Ctrl-C stops it.
",
            version = env!("CARGO_PKG_VERSION"),
            data_dir = data_dir.display(),
            peers = node.peer_address(),
        );
        node.serve(stop_signal()).await.map_err(Failure::failed)
    })
}

/// The node must not go on, most likely because a write or a sync failed: what is on disk is
/// good, what is in memory may not be. The text names the remedy.
fn end_process(text: &str) {
    eprintln!("varve: FATAL: {text}");
    std::process::exit(1);
}

/// Ctrl-C, or the signal that service managers send.
async fn stop_signal() {
    use tokio::signal::unix::{SignalKind, signal};
    let interrupted = tokio::signal::ctrl_c();
    match signal(SignalKind::terminate()) {
        Ok(mut terminated) => {
            tokio::select! {
                _ = interrupted => {}
                _ = terminated.recv() => {}
            }
        }
        Err(error) => {
            tracing::warn!(%error, "cannot listen for SIGTERM; only Ctrl-C stops this node in order");
            let _ = interrupted.await;
        }
    }
    tracing::info!("stopping: requests under way are finished first");
}

fn start_log(format: LogFormat) -> Result<(), Failure> {
    let filter = match std::env::var("VARVE_LOG") {
        Ok(text) if !text.is_empty() => EnvFilter::try_new(&text)
            .map_err(|error| Failure::usage(format_args!("VARVE_LOG={text}: {error}")))?,
        // openraft tells of every step of an election; what a user must know of it we say
        // ourselves. To it a heartbeat that ends because its group does is an error.
        _ => EnvFilter::new("info,openraft=error,openraft::core::heartbeat=off"),
    };
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none());
    match format {
        LogFormat::Text => log.init(),
        LogFormat::Json => log.json().init(),
    }
    Ok(())
}
