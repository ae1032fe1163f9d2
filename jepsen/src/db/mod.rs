//! The cluster under test: nodes that this run starts itself, or nodes of somebody else that are
//! only talked to. It brings no faults and judges nothing.

mod control;
mod network;
mod node;
mod preload;
mod weather;

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use tokio::runtime::Handle;

pub use network::{Network, Router, begin_in_own, is_own, why_not};
pub use node::Node;
pub use preload::{Met, Page, Preload, Spoiled};
pub use weather::{Passed, Weather, Wind};

use crate::Failure;
use crate::client::Targets;
use node::Launch;

/// Little room on the disk, for there are many nodes; what a timeout leaves unknown is sent again
/// soon; a node that is gone for good is replaced while the run lasts.
const FLAGS: [&str; 12] = [
    "--wal-reserve-size",
    "1 MiB",
    "--wal-file-size",
    "32 MiB",
    "--disk-free-min",
    "16 MiB",
    "--tail-size",
    "256 KiB",
    "--request-timeout",
    "5s",
    "--node-lost-after",
    "15s",
];

/// What a cluster is started with.
#[derive(Clone, Debug)]
pub struct Options {
    /// The binary.
    pub varve: PathBuf,
    /// Where data and logs go.
    pub folder: PathBuf,
    /// How many nodes.
    pub nodes: usize,
    /// Whether each has a network of its own, with this process as the router.
    pub in_network: bool,
    /// Whether the nemesis is to reach clocks and disks of nodes.
    pub preload: bool,
    /// How large the disk of each node is, in MiB; `None` for a folder of the machine's disk.
    pub disk_mib: Option<u64>,
    /// More flags of `varve server`.
    pub flags: Vec<String>,
}

/// The nodes, and where clients reach them.
#[derive(Debug)]
pub struct Cluster {
    nodes: Vec<Node>,
    /// Places of nodes that are members, or are to be.
    members: BTreeSet<usize>,
    targets: Targets,
    runtime: Handle,
    options: Option<Options>,
    launch: Option<Launch>,
    router: Option<Router>,
    weather: Option<Weather>,
}

impl Cluster {
    /// Nodes of somebody else.
    #[must_use]
    pub fn of_others(targets: Targets, runtime: Handle) -> Self {
        Self {
            nodes: Vec::new(),
            members: BTreeSet::new(),
            targets,
            runtime,
            options: None,
            launch: None,
            router: None,
            weather: None,
        }
    }

    /// Starts nodes on empty disks: the first founds the cluster, the others join. Answers when all
    /// hold what they are to hold.
    ///
    /// # Errors
    ///
    /// When they do not start.
    pub fn start(options: &Options, targets: Targets, runtime: Handle) -> Result<Self, Failure> {
        let mut cluster = Self::of_others(targets, runtime);
        let flags = FLAGS.iter().map(|&flag| flag.to_owned()).chain(options.flags.clone());
        let preload = options.preload.then(|| Preload::build(&options.folder)).transpose()?;
        cluster.launch =
            Some(Launch { varve: options.varve.clone(), flags: flags.collect(), preload });
        cluster.router = options.in_network.then(Router::begin).transpose()?;
        cluster.options = Some(options.clone());
        for _ in 0..options.nodes {
            let place = cluster.join()?;
            cluster.wait_until_live(place)?;
        }
        cluster.wait_until_whole(Duration::from_secs(120))?;
        Ok(cluster)
    }

    /// Starts one more node on an empty disk, and answers its place.
    ///
    /// # Errors
    ///
    /// When its process does not start.
    pub fn join(&mut self) -> Result<usize, Failure> {
        let (options, place) = (self.own()?.clone(), self.nodes.len());
        let network = self.router.as_ref().map(|router| router.network(place + 1)).transpose()?;
        let addresses = match &network {
            Some(Network { address, .. }) => {
                [9430, 9431, 9432].map(|port| format!("{address}:{port}"))
            }
            None => [free_address()?, free_address()?, free_address()?],
        };
        let mut node = Node::new(&options.folder, place + 1, network, addresses);
        std::fs::create_dir_all(node.disk())?;
        if let Some(mib) = options.disk_mib {
            let size = format!("size={mib}m");
            let mut mount = Command::new("mount");
            mount.args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(node.disk());
            if !mount.status()?.success() {
                return Err("a disk cannot be mounted".into());
            }
        }
        if options.preload {
            node.page = Some(Page::make(options.folder.join(format!("page-{}", place + 1)))?);
        }
        self.nodes.push(node);
        self.restart(place)?;
        self.members.insert(place);
        self.show_targets();
        Ok(place)
    }

    /// Starts a node that is down: on the data that it has, or without any as a new node.
    ///
    /// # Errors
    ///
    /// When its process does not start.
    pub fn restart(&mut self, place: usize) -> Result<(), Failure> {
        let launch = self.launch.as_ref().ok_or(NOT_OURS)?;
        let others = self.members.iter().filter(|&&other| other != place);
        let join: Vec<String> = others.map(|&other| self.nodes[other].peers.clone()).collect();
        self.nodes[place].start(launch, &join)
    }

    /// Has clients forget a node that left.
    pub fn forget(&mut self, place: usize) {
        self.members.remove(&place);
        self.show_targets();
    }

    /// The node at a place.
    ///
    /// # Errors
    ///
    /// There is none.
    pub fn node(&mut self, place: usize) -> Result<&mut Node, Failure> {
        self.nodes.get_mut(place).ok_or_else(|| format!("there is no node at place {place}").into())
    }

    /// The places of all nodes that are members, up or down.
    #[must_use]
    pub fn places(&self) -> Vec<usize> {
        self.members.iter().copied().collect()
    }

    /// The places of all members that are up.
    #[must_use]
    pub fn up(&self) -> Vec<usize> {
        self.members.iter().copied().filter(|&place| self.nodes[place].is_up()).collect()
    }

    /// Where clients reach the nodes.
    #[must_use]
    pub const fn targets(&self) -> &Targets {
        &self.targets
    }

    /// Drops what goes from the first to the second place of each pair, and nothing else from now on.
    ///
    /// # Errors
    ///
    /// Without a network of its own.
    pub fn cut(&mut self, pairs: &[(usize, usize)]) -> Result<(), Failure> {
        let pairs = self.addresses(pairs)?;
        self.router.as_mut().ok_or(NO_NETWORK)?.cut(pairs)
    }

    /// Has what goes from the first to the second place of each pair meet this wind, and nothing
    /// else from now on.
    ///
    /// # Errors
    ///
    /// Without a network of its own, or without TUN devices.
    pub fn blow(&mut self, pairs: &[(usize, usize)], wind: Wind) -> Result<(), Failure> {
        let pairs = self.addresses(pairs)?;
        let router = self.router.as_mut().ok_or(NO_NETWORK)?;
        let weather = match &mut self.weather {
            Some(weather) => weather,
            none => {
                let weather = Weather::begin()?;
                router.detour_over(weather::DEVICE)?;
                none.insert(weather)
            }
        };
        weather.set(wind);
        router.detour(pairs)
    }

    /// What became of packets in the weather so far.
    #[must_use]
    pub fn passed(&self) -> Passed {
        self.weather.as_ref().map_or_else(Passed::default, Weather::passed)
    }

    /// Whether one node can open a connection to another.
    ///
    /// # Errors
    ///
    /// Without a network of its own.
    pub fn reaches(&self, from: usize, to: usize) -> Result<bool, Failure> {
        let network = self.nodes[from].network.as_ref().ok_or(NO_NETWORK)?;
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &network.namespace]).arg(std::env::current_exe()?);
        Ok(command.args(["reach", &self.nodes[to].peers]).status()?.success())
    }

    /// How the cluster says that it is, for whoever has to find out why it is not as it should be.
    #[must_use]
    pub fn state(&self) -> String {
        let all = self.targets.all();
        let state = all.iter().map(|target| format!("{}: {:?}", target.http, self.told_by(target)));
        state.collect::<Vec<_>>().join("\n")
    }

    /// What nodes said in their logs that no node should ever say.
    #[must_use]
    pub fn complaints(&self) -> Vec<String> {
        let mut complaints = Vec::new();
        for (place, node) in self.nodes.iter().enumerate() {
            let said = node.said().unwrap_or_else(|error| format!("BUG: no log: {error}"));
            let bad =
                said.lines().filter(|line| line.contains("panicked") || line.contains("BUG:"));
            complaints.extend(bad.map(|line| format!("node {} said: {line}", place + 1)));
        }
        complaints
    }

    fn addresses(&self, pairs: &[(usize, usize)]) -> Result<BTreeSet<(String, String)>, Failure> {
        let address = |place: usize| {
            let network = self.nodes.get(place).and_then(|node| node.network.as_ref());
            network.map(|network| network.address.clone()).ok_or(NO_NETWORK)
        };
        let pairs = pairs.iter().map(|&(from, to)| Ok((address(from)?, address(to)?)));
        pairs.collect()
    }

    fn own(&self) -> Result<&Options, Failure> {
        self.options.as_ref().ok_or_else(|| NOT_OURS.into())
    }

    fn show_targets(&self) {
        self.targets.set(self.members.iter().map(|&at| self.nodes[at].target.clone()).collect());
    }
}

/// Removes the data of all nodes from a run's folder; their logs stay.
///
/// # Errors
///
/// When it cannot be removed.
pub fn remove_data(folder: &std::path::Path) -> Result<(), Failure> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
        let name = name.unwrap_or_default();
        if name.starts_with("data-") {
            // A disk of its own is there as long as this process's mounts.
            let emptied = std::fs::remove_dir_all(&path);
            emptied.or_else(|error| match error.kind() {
                std::io::ErrorKind::ResourceBusy => Ok(()),
                _ => Err(error),
            })?;
        } else if name.starts_with("page-") || name == "preload.so" {
            std::fs::remove_file(&path)?;
        }
    }
    Ok(())
}

const NOT_OURS: &str = "this run did not start these nodes";
const NO_NETWORK: &str = "these nodes have no network of their own";

/// A port of loopback on which nobody listens.
fn free_address() -> Result<String, Failure> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string())
}

/// How long a connection may take until a node counts as out of reach.
const REACH_MAX: Duration = Duration::from_millis(400);

/// Whether somebody listens at an address: what [`Cluster::reaches`] has asked from within a
/// node's network.
#[must_use]
pub fn reach(address: &str) -> bool {
    let Ok(address) = address.parse() else { return false };
    std::net::TcpStream::connect_timeout(&address, REACH_MAX).is_ok()
}
