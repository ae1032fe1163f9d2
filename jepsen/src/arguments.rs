//! The arguments of `varve-jepsen run`, and what they mean.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use varve_jepsen::client::Target;
use varve_jepsen::nemesis::{Machine, Need, chosen};
use varve_jepsen::run::{Nodes, Options};
use varve_jepsen::{Failure, db};

/// A disk of a run in which disks become full: small enough to be filled at once.
const DISK_MIB: u64 = 768;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  varve-jepsen run --nemesis kill,partition --duration 3m
  varve-jepsen run --nemesis all --duration 10m --seed 7 --out /tmp/run
  varve-jepsen run --addresses http://a:9430,http://b:9430 --nemesis-command ./pods.sh")]
pub(crate) struct RunArguments {
    /// Faults, by name or by the beginning of names: see `varve-jepsen nemeses`
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    nemesis: Vec<String>,
    /// A program that brings faults, too: README.md says how it is called
    #[arg(long, value_name = "PROGRAM")]
    nemesis_command: Option<PathBuf>,
    /// How long faults are brought
    #[arg(long, value_parser = duration, default_value = "3m")]
    duration: Duration,
    /// How long a fault lasts
    #[arg(long, value_parser = duration, default_value = "8s")]
    fault: Duration,
    /// How long there is none after each, at least
    #[arg(long, value_parser = duration, default_value = "12s")]
    calm: Duration,
    /// Nodes of a cluster that is started for this run
    #[arg(long, default_value_t = 5)]
    nodes: usize,
    /// Nodes that are there already, by the URLs of their HTTP; gRPC is one port above
    #[arg(long, value_name = "URL", value_delimiter = ',', conflicts_with = "nodes")]
    addresses: Vec<String>,
    /// The URLs of their gRPC, where that is not one port above
    #[arg(long, value_name = "URL", value_delimiter = ',', requires = "addresses")]
    grpc: Vec<String>,
    /// The binary to start nodes from [default: the one beside this one]
    #[arg(long, value_name = "FILE", env = "VARVE_BIN")]
    varve: Option<PathBuf>,
    /// More flags of `varve server`, each as one argument
    #[arg(long, value_name = "FLAG", allow_hyphen_values = true, default_values = ["--window=20s"])]
    server_flag: Vec<String>,
    /// Decides what clients do and which faults come when [default: the time]
    #[arg(long)]
    seed: Option<u64>,
    /// Clients that work at once
    #[arg(long, default_value_t = 32)]
    clients: u64,
    /// Operations a second, all clients together
    #[arg(long, default_value_t = 300)]
    rate: u64,
    /// A folder for all that the run leaves [default: jepsen-runs/SEED]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Keep the nodes' data, also of a good run
    #[arg(long)]
    pub(crate) keep_data: bool,
}

impl RunArguments {
    /// Whether nodes of its own are started.
    pub(crate) fn wants_own_network(&self) -> bool {
        self.addresses.is_empty()
    }

    /// The folder for all that the run leaves, which must be new or empty.
    pub(crate) fn folder(&self) -> Result<PathBuf, Failure> {
        let folder = self.out.clone();
        let folder = folder.unwrap_or_else(|| format!("jepsen-runs/{}", self.seed()).into());
        std::fs::create_dir_all(&folder)?;
        if std::fs::read_dir(&folder)?.next().is_some() {
            return Err(format!("{} is not empty: choose another --out", folder.display()).into());
        }
        Ok(folder.canonicalize()?)
    }

    pub(crate) fn options(&self, folder: &Path) -> Result<Options, Failure> {
        let nodes = if self.addresses.is_empty() {
            Nodes::Own(self.own(folder)?)
        } else {
            Nodes::Others(targets(&self.addresses, &self.grpc)?)
        };
        Ok(Options {
            nodes,
            seed: self.seed(),
            begun_s: Options::now_s(),
            duration: self.duration,
            fault: self.fault,
            calm: self.calm,
            clients: self.clients,
            rate: self.rate,
            nemeses: self.nemesis.clone(),
            plugin: self.nemesis_command.clone(),
        })
    }

    fn own(&self, folder: &Path) -> Result<db::Options, Failure> {
        let machine = Machine::probe(true);
        let entries = chosen(&self.nemesis)?;
        let asks = |need: Need| {
            let wanted = entries.iter().any(|entry| entry.needs.contains(&need));
            wanted && machine.lacks(need).is_none()
        };
        Ok(db::Options {
            varve: self.binary()?,
            folder: folder.to_owned(),
            nodes: self.nodes,
            in_network: db::is_own(),
            preload: asks(Need::Preload),
            disk_mib: asks(Need::Mounts).then_some(DISK_MIB),
            flags: self.server_flag.clone(),
        })
    }

    fn binary(&self) -> Result<PathBuf, Failure> {
        let beside = || Some(std::env::current_exe().ok()?.parent()?.join("varve"));
        let binary = self.varve.clone().or_else(beside).ok_or("give --varve")?;
        let found = binary.canonicalize();
        Ok(found.map_err(|error| {
            format!("{}: {error}; cargo build -p varve-cli, or --varve", binary.display())
        })?)
    }

    fn seed(&self) -> u64 {
        self.seed.unwrap_or_else(Options::now_s)
    }
}

fn targets(http: &[String], grpc: &[String]) -> Result<Vec<Target>, Failure> {
    if !grpc.is_empty() && grpc.len() != http.len() {
        return Err("--grpc: one URL for each of --addresses".into());
    }
    let bare = |url: &str| url.trim_start_matches("http://").trim_end_matches('/').to_owned();
    let target = |(at, url): (usize, &String)| -> Result<Target, Failure> {
        let http = bare(url);
        if let Some(grpc) = grpc.get(at) {
            return Ok(Target { http, grpc: bare(grpc) });
        }
        let (host, port) = http.rsplit_once(':').ok_or_else(|| format!("{url}: no port"))?;
        let port: u16 = port.parse().map_err(|error| format!("{url}: {error}"))?;
        let grpc = format!("{host}:{}", port.checked_add(1).ok_or("no port above 65535")?);
        Ok(Target { http, grpc })
    };
    http.iter().enumerate().map(target).collect()
}

/// As `90s` or `3m`.
fn duration(text: &str) -> Result<Duration, String> {
    let (number, unit_s) = match text.strip_suffix('m') {
        Some(number) => (number, 60),
        None => (text.strip_suffix('s').unwrap_or(text), 1),
    };
    let number: u64 = number.parse().map_err(|_| "write it as 90s or 3m".to_owned())?;
    Ok(Duration::from_secs(number * unit_s))
}
