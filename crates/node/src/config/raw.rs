//! The configuration as people write it: text and numbers under flat keys.

use std::collections::BTreeSet;
use std::path::Path;

use figment::Figment;
use figment::providers::{Env, Format, Serialized, Toml};
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};

use super::ConfigError;

/// The keys of the configuration file; each is also a flag (`--data-dir`) and a variable
/// (`VARVE_DATA_DIR`). Sizes are written as "64 MiB", durations as "6h" or "30s".
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawConfig {
    /// Where everything is kept; made when it is not there.
    #[serde(deserialize_with = "text")]
    pub data_dir: String,
    /// `ADDRESS:PORT` of the HTTP API.
    #[serde(deserialize_with = "text")]
    pub listen_http: String,
    /// `ADDRESS:PORT` of the gRPC API.
    #[serde(deserialize_with = "text")]
    pub listen_grpc: String,
    /// `ADDRESS:PORT` where other nodes are listened for.
    #[serde(deserialize_with = "text")]
    pub listen_peer: String,
    /// `HOST:PORT` under which other nodes reach this one; empty: as `listen_peer`.
    #[serde(deserialize_with = "text")]
    pub advertise_peer: String,
    /// Found a new cluster, if the data directory is new and no node of `join` is of one.
    #[serde(deserialize_with = "truth")]
    pub bootstrap: bool,
    /// `HOST:PORT` of nodes of a cluster to join, if the data directory is new: a list, or text
    /// with commas.
    #[serde(deserialize_with = "list")]
    pub join: Vec<String>,
    /// What fails together with this node: a rack, a room; empty: nothing is known of that.
    #[serde(deserialize_with = "text")]
    pub zone: String,
    /// After how long without a sign of it a node's replicas are given to others.
    #[serde(deserialize_with = "text")]
    pub node_lost_after: String,
    /// How often everything is held.
    #[serde(deserialize_with = "text")]
    pub replicas: String,
    /// How many shards share what a window takes.
    #[serde(deserialize_with = "text")]
    pub window_shards: String,
    /// Listen off loopback though nothing is encrypted and nobody is asked who they are.
    #[serde(deserialize_with = "truth")]
    pub insecure: bool,
    /// How long a window takes writes.
    #[serde(deserialize_with = "text")]
    pub window: String,
    /// How much a shard of a window takes.
    #[serde(deserialize_with = "text")]
    pub window_size: String,
    /// How much a shard holds in memory before it writes segments.
    #[serde(deserialize_with = "text")]
    pub tail_size: String,
    /// Memory for what all shards hold together before it is written out.
    #[serde(deserialize_with = "text")]
    pub tail_memory: String,
    /// Memory for merging segments.
    #[serde(deserialize_with = "text")]
    pub merge_memory: String,
    /// How much merges write each second.
    #[serde(deserialize_with = "text")]
    pub merge_rate: String,
    /// How much is copied from other nodes each second.
    #[serde(deserialize_with = "text")]
    pub repair_rate: String,
    /// How much of what is on the disk is read again each second.
    #[serde(deserialize_with = "text")]
    pub scrub_rate: String,
    /// How much may wait to be stored.
    #[serde(deserialize_with = "text")]
    pub queue_size: String,
    /// Memory for the records of answers.
    #[serde(deserialize_with = "text")]
    pub search_memory: String,
    /// How long a request may take.
    #[serde(deserialize_with = "text")]
    pub request_timeout: String,
    /// Free room below which appends are refused.
    #[serde(deserialize_with = "text")]
    pub disk_free_min: String,
    /// One file of the write-ahead log.
    #[serde(deserialize_with = "text")]
    pub wal_file_size: String,
    /// How much of the log a shard may keep from being freed.
    #[serde(deserialize_with = "text")]
    pub wal_size: String,
    /// Room set aside for a full disk.
    #[serde(deserialize_with = "text")]
    pub wal_reserve_size: String,
    /// Log entries kept in memory.
    #[serde(deserialize_with = "text")]
    pub wal_cache_size: String,
    /// Which of [`AGREED`] somebody has set.
    #[serde(skip)]
    pub said: BTreeSet<&'static str>,
}

impl Default for RawConfig {
    fn default() -> Self {
        Self {
            data_dir: "./varve-data".to_owned(),
            listen_http: "127.0.0.1:9430".to_owned(),
            listen_grpc: "127.0.0.1:9431".to_owned(),
            listen_peer: "127.0.0.1:9432".to_owned(),
            advertise_peer: String::new(),
            bootstrap: false,
            join: Vec::new(),
            zone: String::new(),
            node_lost_after: "5m".to_owned(),
            replicas: "3".to_owned(),
            window_shards: AUTO.to_owned(),
            insecure: false,
            window: "6h".to_owned(),
            window_size: "4 GiB".to_owned(),
            tail_size: "8 MiB".to_owned(),
            tail_memory: "64 MiB".to_owned(),
            merge_memory: "64 MiB".to_owned(),
            merge_rate: "64 MiB".to_owned(),
            repair_rate: "64 MiB".to_owned(),
            scrub_rate: "4 MiB".to_owned(),
            queue_size: "256 MiB".to_owned(),
            search_memory: "256 MiB".to_owned(),
            request_timeout: "30s".to_owned(),
            disk_free_min: "256 MiB".to_owned(),
            wal_file_size: "64 MiB".to_owned(),
            wal_size: "256 MiB".to_owned(),
            wal_reserve_size: "64 MiB".to_owned(),
            wal_cache_size: "32 MiB".to_owned(),
            said: BTreeSet::new(),
        }
    }
}

/// What leaves `window_shards` to the cluster.
pub(super) const AUTO: &str = "auto";

/// The keys that the whole cluster agrees on.
pub(crate) const AGREED: &[&str] =
    &["node_lost_after", "replicas", "window_shards", "window", "window_size"];

/// The keys that variables set. Others with the same prefix are none of ours: an orchestrator sets
/// some of its own for a service called varve.
pub(super) const KEYS: &[&str] = &[
    "data_dir",
    "listen_http",
    "listen_grpc",
    "listen_peer",
    "advertise_peer",
    "bootstrap",
    "join",
    "zone",
    "node_lost_after",
    "replicas",
    "window_shards",
    "insecure",
    "window",
    "window_size",
    "tail_size",
    "tail_memory",
    "merge_memory",
    "merge_rate",
    "repair_rate",
    "scrub_rate",
    "queue_size",
    "search_memory",
    "request_timeout",
    "disk_free_min",
    "wal_file_size",
    "wal_size",
    "wal_reserve_size",
    "wal_cache_size",
];

/// A value as people write it: `64 MiB`, or a plain number, which figment reads as one.
#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    Text(String),
    Whole(i64),
    Fraction(f64),
    Truth(bool),
}

fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    Ok(match Written::deserialize(deserializer)? {
        Written::Text(text) => text,
        Written::Whole(number) => number.to_string(),
        Written::Fraction(number) => number.to_string(),
        Written::Truth(truth) => truth.to_string(),
    })
}

/// A list as a file writes it, or one as a variable does: with commas.
#[derive(Deserialize)]
#[serde(untagged)]
enum WrittenList {
    Many(Vec<String>),
    One(String),
}

fn list<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    Ok(match WrittenList::deserialize(deserializer)? {
        WrittenList::Many(texts) => texts,
        WrittenList::One(text) if text.is_empty() => Vec::new(),
        WrittenList::One(text) => text.split(',').map(|part| part.trim().to_owned()).collect(),
    })
}

fn truth<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    match Written::deserialize(deserializer)? {
        Written::Truth(truth) => Ok(truth),
        Written::Whole(number @ (0 | 1)) => Ok(number == 1),
        _ => Err(D::Error::custom("neither true nor false")),
    }
}

impl RawConfig {
    /// Gathers the configuration: defaults, the file, variables, and what `flags` sets.
    ///
    /// # Errors
    ///
    /// When the file cannot be read, or a key is unknown or of the wrong type; the error names
    /// the key and where it was set.
    pub fn load(file: Option<&Path>, flags: impl Serialize) -> Result<Self, ConfigError> {
        let mut said = Figment::new();
        if let Some(path) = file {
            if !path.is_file() {
                return Err(ConfigError::NoFile { path: path.to_owned() });
            }
            said = said.merge(Toml::file_exact(path));
        }
        let said =
            said.merge(Env::prefixed("VARVE_").only(KEYS)).merge(Serialized::defaults(flags));
        let mut config: Self = Figment::from(Serialized::defaults(Self::default()))
            .merge(&said)
            .extract()
            .map_err(|error| ConfigError::Form { message: error.to_string() })?;
        config.said = AGREED.iter().copied().filter(|key| said.contains(key)).collect();
        Ok(config)
    }
}
