//! From text to types, with every mistake named by its key.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use bytesize::ByteSize;
use jiff::{Span, SpanRelativeTo};
use varve_types::limits;

use super::raw::AUTO;
use super::{Config, RawConfig};

/// Why the node cannot start with this configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file named is not there.
    #[error("configuration file {} is not there, or is not a file", path.display())]
    NoFile {
        /// As it was given.
        path: PathBuf,
    },
    /// A key is unknown or has a value of another type.
    #[error("configuration: {message}")]
    Form {
        /// Names the key and where it was set.
        message: String,
    },
    /// A value does not read.
    #[error("configuration key `{key}`: {value:?} is not {wanted}")]
    Value {
        /// Its key.
        key: &'static str,
        /// As it was given.
        value: String,
        /// What would read, with an example.
        wanted: &'static str,
    },
    /// A value is outside its bounds.
    #[error("configuration key `{key}`: {value:?} is outside {bounds}")]
    Bounds {
        /// Its key.
        key: &'static str,
        /// As it was given.
        value: String,
        /// From where to where.
        bounds: &'static str,
    },
    /// Two values that do not go together.
    #[error(
        "configuration key `{key}`: {value:?} is less than `{other}`, {other_value:?}; {remedy}"
    )]
    Less {
        /// The smaller one's key.
        key: &'static str,
        /// As it was given.
        value: String,
        /// The key of what it must hold.
        other: &'static str,
        /// As it was given.
        other_value: String,
        /// Which to change, and why.
        remedy: &'static str,
    },
    /// An address is open to others while nothing protects it.
    #[error(
        "configuration key `{key}`: {address} is reachable from other machines, and nothing is encrypted or authenticated yet; listen on 127.0.0.1, or set `insecure` (--insecure) if the network is trusted"
    )]
    Exposed {
        /// Its key.
        key: &'static str,
        /// What it is set to.
        address: SocketAddr,
    },
}

impl RawConfig {
    /// Checks every key.
    ///
    /// # Errors
    ///
    /// The first mistake, by key.
    pub fn resolve(&self) -> Result<Config, ConfigError> {
        let listen_peer = self.address("listen_peer", &self.listen_peer)?;
        if self.data_dir.is_empty() {
            return Err(value("data_dir", "", "a directory"));
        }
        let tail_bytes = size("tail_size", &self.tail_size, 1 << 16, 64 * MIB, "64 KiB to 64 MiB")?;
        let wal_file_bytes = size(
            "wal_file_size",
            &self.wal_file_size,
            WAL_FILE_BYTES_MIN,
            1 << 30,
            "32 MiB to 1 GiB",
        )?;
        Ok(Config {
            data_dir: PathBuf::from(&self.data_dir),
            listen_http: self.address("listen_http", &self.listen_http)?,
            listen_grpc: self.address("listen_grpc", &self.listen_grpc)?,
            listen_peer,
            advertise_peer: self.advertised(listen_peer)?,
            bootstrap: self.bootstrap,
            join: self.joined()?,
            zone: self.zone()?,
            said: self.said.clone(),
            node_lost_after: duration("node_lost_after", &self.node_lost_after, LOST_BOUNDS)?,
            replicas: self.replicas()?,
            window_shards_log2: self.window_shards_log2()?,
            window: duration("window", &self.window, WINDOW_BOUNDS)?,
            window_bytes: size("window_size", &self.window_size, MIB, 1 << 40, "1 MiB to 1 TiB")?,
            tail_bytes,
            tail_memory_bytes: self.tail_memory(tail_bytes)?,
            merge_bytes: memory("merge_memory", &self.merge_memory)?,
            merge_bytes_per_s: rate("merge_rate", &self.merge_rate)?,
            repair_bytes_per_s: rate("repair_rate", &self.repair_rate)?,
            scrub_bytes_per_s: rate("scrub_rate", &self.scrub_rate)?,
            queue_bytes: memory("queue_size", &self.queue_size)?,
            search_bytes: memory("search_memory", &self.search_memory)?,
            request_timeout: duration("request_timeout", &self.request_timeout, TIMEOUT_BOUNDS)?,
            disk_free_min_bytes: size(
                "disk_free_min",
                &self.disk_free_min,
                0,
                u64::MAX,
                "0 and above",
            )?,
            wal_file_bytes,
            wal_bytes: self.wal_bytes(wal_file_bytes)?,
            wal_reserve_bytes: size(
                "wal_reserve_size",
                &self.wal_reserve_size,
                MIB,
                1 << 30,
                "1 MiB to 1 GiB",
            )?,
            wal_cache_bytes: memory("wal_cache_size", &self.wal_cache_size)?,
        })
    }

    /// Other nodes must be able to reach what the catalog says of this one.
    fn advertised(&self, listen_peer: SocketAddr) -> Result<Option<String>, ConfigError> {
        let advertised = &self.advertise_peer;
        if !advertised.is_empty() {
            return peer_address("advertise_peer", advertised).map(Some);
        }
        if listen_peer.ip().is_unspecified() {
            return Err(value("advertise_peer", "", ADVERTISED));
        }
        Ok(None)
    }

    fn joined(&self) -> Result<Vec<String>, ConfigError> {
        self.join.iter().map(|address| peer_address("join", address)).collect()
    }

    fn zone(&self) -> Result<String, ConfigError> {
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        if self.zone.len() > ZONE_BYTES_MAX || !self.zone.chars().all(fits) {
            return Err(value("zone", &self.zone, "a name of at most 64 of A-Z a-z 0-9 . _ -"));
        }
        Ok(self.zone.clone())
    }

    fn replicas(&self) -> Result<u32, ConfigError> {
        let count = self.replicas.parse().ok().filter(|count| (1..=REPLICAS_MAX).contains(count));
        count.ok_or_else(|| value("replicas", &self.replicas, "a number from 1 to 7"))
    }

    fn window_shards_log2(&self) -> Result<Option<u8>, ConfigError> {
        if self.window_shards == AUTO {
            return Ok(None);
        }
        let shards: Option<u32> = self.window_shards.parse().ok();
        let shards =
            shards.filter(|shards| shards.is_power_of_two() && *shards <= WINDOW_SHARDS_MAX);
        let wanted = "\"auto\", or a power of two from 1 to 1024";
        let shards = shards.ok_or_else(|| value("window_shards", &self.window_shards, wanted))?;
        Ok(u8::try_from(shards.ilog2()).ok())
    }

    /// Shards are written out when each holds `tail_size`: with less for all of them together,
    /// appends would wait for a flush that never comes.
    fn tail_memory(&self, tail_bytes: u64) -> Result<u64, ConfigError> {
        let bytes = memory("tail_memory", &self.tail_memory)? as u64;
        if bytes < tail_bytes {
            return Err(ConfigError::Less {
                key: "tail_memory",
                value: self.tail_memory.clone(),
                other: "tail_size",
                other_value: self.tail_size.clone(),
                remedy: "one shard's tail must fit in the memory for all of them",
            });
        }
        Ok(bytes)
    }

    /// The log is freed by whole files.
    fn wal_bytes(&self, wal_file_bytes: u64) -> Result<u64, ConfigError> {
        let bytes =
            size("wal_size", &self.wal_size, WAL_FILE_BYTES_MIN, 1 << 40, "32 MiB to 1 TiB")?;
        if bytes < wal_file_bytes {
            return Err(ConfigError::Less {
                key: "wal_size",
                value: self.wal_size.clone(),
                other: "wal_file_size",
                other_value: self.wal_file_size.clone(),
                remedy: "the log is freed by whole files; make it larger, or its files smaller",
            });
        }
        Ok(bytes)
    }

    fn address(&self, key: &'static str, text: &str) -> Result<SocketAddr, ConfigError> {
        let address: SocketAddr = text
            .parse()
            .map_err(|_| value(key, text, "ADDRESS:PORT, for example \"127.0.0.1:9430\""))?;
        if !address.ip().is_loopback() && !self.insecure {
            return Err(ConfigError::Exposed { key, address });
        }
        Ok(address)
    }
}

const MIB: u64 = 1 << 20;
/// A log file holds at least one block of the largest size with its record header.
const WAL_FILE_BYTES_MIN: u64 = 2 * limits::BLOCK_BYTES_MAX as u64;
const WINDOW_BOUNDS: (Duration, Duration, &str) =
    (Duration::from_secs(10), Duration::from_secs(7 * 24 * 3600), "10s to 7d");
/// Shorter than a node takes to start again, every restart would have its replicas copied.
const LOST_BOUNDS: (Duration, Duration, &str) =
    (Duration::from_secs(1), Duration::from_secs(7 * 24 * 3600), "1s to 7d");
/// Each copy costs what the first one does, and seven survive the loss of three.
const REPLICAS_MAX: u32 = 7;
/// More would only make blocks small.
const WINDOW_SHARDS_MAX: u32 = 1024;
/// A zone is a word in tables.
const ZONE_BYTES_MAX: usize = 64;
/// What a node that listens on all its addresses must say.
const ADVERTISED: &str = "HOST:PORT; `listen_peer` is every address of this machine, and other nodes must be told one of them, for example \"10.0.0.1:9432\"";
const TIMEOUT_BOUNDS: (Duration, Duration, &str) =
    (Duration::from_secs(1), Duration::from_secs(600), "1s to 10m");

fn value(key: &'static str, value: &str, wanted: &'static str) -> ConfigError {
    ConfigError::Value { key, value: value.to_owned(), wanted }
}

fn duration(
    key: &'static str,
    text: &str,
    (min, max, bounds): (Duration, Duration, &'static str),
) -> Result<Duration, ConfigError> {
    let wanted = "a duration, for example \"6h\" or \"30s\"";
    let span: Span = text.parse().map_err(|_| value(key, text, wanted))?;
    let parsed = span
        .to_duration(SpanRelativeTo::days_are_24_hours())
        .and_then(Duration::try_from)
        .map_err(|_| value(key, text, wanted))?;
    if parsed < min || parsed > max {
        return Err(ConfigError::Bounds { key, value: text.to_owned(), bounds });
    }
    Ok(parsed)
}

fn size(
    key: &'static str,
    text: &str,
    min: u64,
    max: u64,
    bounds: &'static str,
) -> Result<u64, ConfigError> {
    let parsed: ByteSize =
        text.parse().map_err(|_| value(key, text, "a size, for example \"64 MiB\""))?;
    if parsed.as_u64() < min || parsed.as_u64() > max {
        return Err(ConfigError::Bounds { key, value: text.to_owned(), bounds });
    }
    Ok(parsed.as_u64())
}

fn rate(key: &'static str, text: &str) -> Result<u64, ConfigError> {
    size(key, text, MIB, 1 << 40, "1 MiB to 1 TiB")
}

/// Where another node is reached: a name or an address, and a port.
fn peer_address(key: &'static str, text: &str) -> Result<String, ConfigError> {
    let is_address = text.rsplit_once(':').is_some_and(|(host, port)| {
        !host.is_empty()
            && !host.contains(|c: char| c == '/' || c.is_whitespace())
            && port.parse().is_ok_and(|port: u16| port > 0)
    });
    if !is_address {
        return Err(value(key, text, "HOST:PORT, for example \"a:9432\""));
    }
    Ok(text.to_owned())
}

/// A budget of memory: at least one request of the largest size.
fn memory(key: &'static str, text: &str) -> Result<usize, ConfigError> {
    let bytes = size(key, text, limits::KEYED_BATCH_BYTES_MAX as u64, 1 << 40, "8 MiB to 1 TiB")?;
    usize::try_from(bytes).map_err(|_| ConfigError::Bounds {
        key,
        value: text.to_owned(),
        bounds: "what this machine can address",
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::raw::KEYS;

    fn refusal(change: impl FnOnce(&mut RawConfig)) -> String {
        let mut raw = RawConfig::default();
        change(&mut raw);
        raw.resolve().expect_err("refused").to_string()
    }

    #[test]
    fn every_mistake_names_its_key_and_what_would_do() {
        let said = [
            refusal(|raw| raw.listen_http = "here".into()),
            refusal(|raw| raw.listen_grpc = "0.0.0.0:9431".into()),
            refusal(|raw| raw.window = "soon".into()),
            refusal(|raw| raw.window = "1s".into()),
            refusal(|raw| raw.tail_size = "1 GiB".into()),
            refusal(|raw| raw.queue_size = "lots".into()),
            refusal(|raw| (raw.tail_memory, raw.tail_size) = ("8 MiB".into(), "9 MiB".into())),
            refusal(|raw| raw.wal_size = "32 MiB".into()),
            refusal(|raw| raw.advertise_peer = "nowhere".into()),
            refusal(|raw| (raw.listen_peer, raw.insecure) = ("0.0.0.0:9432".into(), true)),
            refusal(|raw| raw.join = vec!["a:9432".into(), "http://b:9432".into()]),
            refusal(|raw| raw.join = vec!["a:0".into()]),
            refusal(|raw| raw.zone = "upper room".into()),
            refusal(|raw| raw.node_lost_after = "30ms".into()),
            refusal(|raw| raw.repair_rate = "1 KiB".into()),
            refusal(|raw| raw.replicas = "0".into()),
            refusal(|raw| raw.window_shards = "48".into()),
        ]
        .join("\n");
        expect_test::expect![[r#"
            configuration key `listen_http`: "here" is not ADDRESS:PORT, for example "127.0.0.1:9430"
            configuration key `listen_grpc`: 0.0.0.0:9431 is reachable from other machines, and nothing is encrypted or authenticated yet; listen on 127.0.0.1, or set `insecure` (--insecure) if the network is trusted
            configuration key `window`: "soon" is not a duration, for example "6h" or "30s"
            configuration key `window`: "1s" is outside 10s to 7d
            configuration key `tail_size`: "1 GiB" is outside 64 KiB to 64 MiB
            configuration key `queue_size`: "lots" is not a size, for example "64 MiB"
            configuration key `tail_memory`: "8 MiB" is less than `tail_size`, "9 MiB"; one shard's tail must fit in the memory for all of them
            configuration key `wal_size`: "32 MiB" is less than `wal_file_size`, "64 MiB"; the log is freed by whole files; make it larger, or its files smaller
            configuration key `advertise_peer`: "nowhere" is not HOST:PORT, for example "a:9432"
            configuration key `advertise_peer`: "" is not HOST:PORT; `listen_peer` is every address of this machine, and other nodes must be told one of them, for example "10.0.0.1:9432"
            configuration key `join`: "http://b:9432" is not HOST:PORT, for example "a:9432"
            configuration key `join`: "a:0" is not HOST:PORT, for example "a:9432"
            configuration key `zone`: "upper room" is not a name of at most 64 of A-Z a-z 0-9 . _ -
            configuration key `node_lost_after`: "30ms" is outside 1s to 7d
            configuration key `repair_rate`: "1 KiB" is outside 1 MiB to 1 TiB
            configuration key `replicas`: "0" is not a number from 1 to 7
            configuration key `window_shards`: "48" is not "auto", or a power of two from 1 to 1024"#]]
        .assert_eq(&said);
    }

    #[test]
    fn the_bounds_that_errors_name_are_taken() {
        for window in ["10s", "90m", "1h 30m", "7d", "1w"] {
            let raw = RawConfig { window: window.to_owned(), ..RawConfig::default() };
            assert!(raw.resolve().is_ok(), "{window}");
        }
    }

    #[test]
    fn the_keys_that_variables_set_are_the_keys_there_are() {
        let raw = serde_json::to_value(RawConfig::default()).expect("serializes");
        let mut keys: Vec<&str> =
            raw.as_object().expect("an object").keys().map(String::as_str).collect();
        let mut known = KEYS.to_vec();
        keys.sort_unstable();
        known.sort_unstable();
        assert_eq!(keys, known);
    }

    #[test]
    fn flags_win_over_the_file_and_an_unknown_key_is_named() {
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join("varve.toml");
        #[expect(clippy::disallowed_methods, reason = "a test writes its own input")]
        let write = |text: &str| std::fs::write(&file, text).expect("written");

        write("window = \"1h\"\nqueue_size = 33554432\n");
        let flags = std::collections::BTreeMap::from([("window", "2h")]);
        let raw = RawConfig::load(Some(&file), &flags).expect("loads");
        assert_eq!((raw.window.as_str(), raw.queue_size.as_str()), ("2h", "33554432"));
        assert_eq!(raw.said, std::collections::BTreeSet::from(["window"]));

        write("join = [\"a:9432\", \"b:9432\"]\n");
        let none = std::collections::BTreeMap::<&str, &str>::new();
        let raw = RawConfig::load(Some(&file), &none).expect("loads");
        assert_eq!(raw.join, ["a:9432", "b:9432"]);
        write("join = \"a:9432, b:9432\"\n");
        let raw = RawConfig::load(Some(&file), &none).expect("loads");
        assert_eq!(raw.join, ["a:9432", "b:9432"]);

        write("windwo = \"1h\"\n");
        let said = RawConfig::load(Some(&file), &none).expect_err("refused").to_string();
        assert!(said.contains("windwo"), "{said}");
    }
}
