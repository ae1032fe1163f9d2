//! The nodes of a cluster: each a process with a data directory and a fixed port for its peers.

use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use super::super::server::{Server, binary, data_dir, now, pause};
use super::network::Network;

/// What every node is started with: little room on the disk, for there are many of them.
const FLAGS: [&str; 6] =
    ["--wal-reserve-size", "1 MiB", "--wal-file-size", "32 MiB", "--disk-free-min", "16 MiB"];

/// How long a cluster may take until it is as it should be.
const LIMIT: Duration = Duration::from_secs(90);

/// Lines of each node's standard error that a test shows that fails.
const SAID_LINES: usize = 60;

/// Nodes that form a cluster, by the order of starting; some may be down.
pub(super) struct Cluster {
    nodes: Vec<Node>,
    flags: Vec<String>,
}

struct Node {
    dir: TempDir,
    network: Option<Network>,
    peers: String,
    /// It is told to found a cluster where none of the others has one.
    founds: bool,
    join: Vec<String>,
    server: Option<Server>,
}

impl Node {
    fn start(&mut self, flags: &[String]) -> Result<(), String> {
        let join = self.join.join(",");
        let mut all = vec!["--listen-peer", &self.peers];
        all.extend(FLAGS);
        all.extend(flags.iter().map(String::as_str));
        if self.founds {
            all.push("--bootstrap");
        }
        if !join.is_empty() {
            all.extend(["--join", &join]);
        }
        let (mut command, http, grpc);
        match &self.network {
            Some(Network { namespace, address }) => {
                command = Command::new("ip");
                command.args(["netns", "exec", namespace]).arg(binary());
                (http, grpc) = (format!("{address}:9430"), format!("{address}:9431"));
                all.extend(["--listen-http", &http, "--listen-grpc", &grpc, "--insecure"]);
            }
            None => command = Command::new(binary()),
        }
        command.arg("server").arg("--data-dir").arg(self.dir.path());
        self.server = Some(Server::spawn(command, &all)?);
        Ok(())
    }
}

/// A port of loopback on which nobody listens.
pub(super) fn free_address() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("bound").to_string()
}

impl Cluster {
    /// Starts so many nodes: the first founds the cluster, the others join. Answers when all are
    /// ready and hold what they are to hold.
    pub(super) fn start(count: usize, flags: &[&str]) -> Self {
        Self::start_nodes((0..count).map(|_| None), flags)
    }

    /// The same, with each node in a network of its own.
    pub(super) fn start_in(networks: &[Network], flags: &[&str]) -> Self {
        Self::start_nodes(networks.iter().cloned().map(Some), flags)
    }

    fn start_nodes(networks: impl Iterator<Item = Option<Network>>, flags: &[&str]) -> Self {
        let flags = flags.iter().map(|&flag| flag.to_owned()).collect();
        let mut cluster = Self { nodes: Vec::new(), flags };
        for network in networks {
            cluster.join_in(network);
        }
        cluster.wait_until_whole();
        cluster
    }

    /// Starts one more node on an empty disk, and answers its place.
    pub(super) fn join(&mut self) -> usize {
        self.join_in(None)
    }

    fn join_in(&mut self, network: Option<Network>) -> usize {
        let join: Vec<String> = self.up().map(|(_, up)| up.peers().to_owned()).collect();
        let peers = match &network {
            Some(network) => format!("{}:9432", network.address),
            None => free_address(),
        };
        let founds = join.is_empty();
        let mut node = Node { dir: data_dir(), network, peers, founds, join, server: None };
        node.start(&self.flags).unwrap_or_else(|said| panic!("it does not join:\n{said}"));
        self.nodes.push(node);
        self.nodes.len() - 1
    }

    /// The node at a place, which must be up.
    pub(super) fn node(&self, place: usize) -> &Server {
        self.nodes[place].server.as_ref().expect("it is up")
    }

    /// All nodes that are up, with their places.
    pub(super) fn up(&self) -> impl Iterator<Item = (usize, &Server)> {
        let all = self.nodes.iter().enumerate();
        all.filter_map(|(place, node)| Some((place, node.server.as_ref()?)))
    }

    /// All nodes that are up.
    pub(super) fn servers(&self) -> impl Iterator<Item = &Server> {
        self.up().map(|(_, server)| server)
    }

    /// kill -9.
    pub(super) fn kill(&mut self, place: usize) {
        self.nodes[place].server.take().expect("it is up").kill();
    }

    /// SIGTERM, and it must end well.
    pub(super) fn stop(&mut self, place: usize) {
        self.nodes[place].server.take().expect("it is up").stop();
    }

    /// Starts a node that is down on the data that it has, where nobody has met it yet.
    pub(super) fn restart_elsewhere(&mut self, place: usize) {
        self.nodes[place].peers = free_address();
        self.restart(place);
    }

    /// Starts a node that is down on the data that it has.
    pub(super) fn restart(&mut self, place: usize) {
        let node = &mut self.nodes[place];
        node.start(&self.flags).unwrap_or_else(|said| panic!("no start:\n{said}"));
    }

    /// The same with more flags, this once.
    pub(super) fn restart_with(&mut self, place: usize, more: &[&str]) {
        let more = more.iter().map(|&flag| flag.to_owned());
        let flags: Vec<String> = self.flags.iter().cloned().chain(more).collect();
        let node = &mut self.nodes[place];
        node.start(&flags).unwrap_or_else(|said| panic!("no start:\n{said}"));
    }

    /// Starts a process on a data directory that another has, or had. It must end by itself;
    /// answers what it said.
    pub(super) fn start_second(dir: &Path) -> String {
        let peers = free_address();
        let mut flags = vec!["--listen-peer", &peers];
        flags.extend(FLAGS);
        match Server::try_start(dir, &flags) {
            Ok(server) => server.wait_for_end(),
            Err(said) => said,
        }
    }

    /// Copies the data directory of a node, which may run.
    pub(super) fn copy_of(&self, place: usize) -> TempDir {
        let copy = data_dir();
        let from = self.nodes[place].dir.path().join(".");
        let copied = Command::new("cp").arg("-a").arg(from).arg(copy.path()).status();
        assert!(copied.expect("cp runs").success(), "a copy of a data directory");
        copy
    }

    /// Starts a node that is down on a copy of its data, elsewhere; answers what was copied.
    pub(super) fn move_disk(&mut self, place: usize) -> TempDir {
        let copy = self.copy_of(place);
        let left = std::mem::replace(&mut self.nodes[place].dir, copy);
        self.restart_elsewhere(place);
        left
    }

    /// Starts a node that is down on an empty disk, at the address that it had.
    pub(super) fn replace_disk(&mut self, place: usize) {
        let join = self.up().map(|(_, server)| server.peers().to_owned()).collect();
        let node = &mut self.nodes[place];
        (node.dir, node.join) = (data_dir(), join);
        self.restart(place);
    }

    /// The same with the first node, which is told to found a cluster as it was before.
    pub(super) fn replace_founder(&mut self) {
        assert!(self.nodes[0].founds, "the first node founds");
        self.replace_disk(0);
    }

    /// The number that the cluster gave to a node that is up.
    pub(super) fn number(&self, place: usize) -> u64 {
        status(self.node(place)).expect("a status")["node_id"].as_u64().expect("a number")
    }

    /// The place of the node that leads the first open shard.
    pub(super) fn leader(&self) -> usize {
        let leads = |status: &Value| {
            let shards = status["shards"].as_array().expect("shards");
            let open = shards.iter().find(|shard| shard["state"] == "OPEN")?;
            let leader = open["leader_node"].as_u64()?;
            self.up().map(|(place, _)| place).find(|&place| self.number(place) == leader)
        };
        let mut found = None;
        self.wait("an open shard is led", |status| {
            found = leads(status);
            found.is_some()
        });
        found.expect("waited for")
    }

    /// Runs a subcommand of `varve` against a node, which must succeed.
    pub(super) fn run(&self, place: usize, arguments: &[&str]) -> String {
        let output = self.node(place).run(arguments);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "varve {}: {said}", arguments.join(" "));
        String::from_utf8(output.stdout).expect("text")
    }

    /// Waits until a node that is up tells of a state as wished.
    pub(super) fn wait(&self, wish: &str, mut is_so: impl FnMut(&Value) -> bool) {
        let begun = now();
        let mut last = String::new();
        while begun.elapsed() < LIMIT {
            for server in self.servers() {
                match status(server) {
                    Ok(status) if is_so(&status) => return,
                    Ok(status) => last = format!("{status:#}"),
                    Err(said) => last = said,
                }
            }
            pause(Duration::from_millis(200));
        }
        panic!("never so: {wish}\n{last}");
    }

    /// Waits until all nodes that are up are ready, and everything is held as often as it can be.
    pub(super) fn wait_until_whole(&self) {
        let wanted = self.up().count();
        self.wait("all nodes serve, and hold what they are to hold", |status| {
            let nodes = status["nodes"].as_array().expect("nodes");
            let serving = nodes.iter().filter(|node| node["state"] == "SERVING").count();
            let held = &status["replication"];
            let times = held["wanted"].as_u64().map(|times| times.min(wanted as u64));
            serving >= wanted
                && held["possible"].as_u64() == times
                && held["copies"] == held["copies_wanted"]
        });
        self.wait_until_ready();
    }

    /// Waits until all nodes that are up say that they are ready.
    pub(super) fn wait_until_ready(&self) {
        self.wait("all nodes are ready", |_| {
            self.servers().all(|server| {
                server.try_get("/health/ready").is_ok_and(|answer| answer.status == 200)
            })
        });
    }
}

/// A test that fails shows the ends of what the nodes wrote to standard error.
impl Drop for Cluster {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        for (place, server) in self.up() {
            let said = server.said();
            let lines: Vec<&str> = said.lines().collect();
            let last = lines[lines.len().saturating_sub(SAID_LINES)..].join("\n");
            eprintln!("\n--- node at place {place}\n{last}");
        }
        for (place, node) in self.nodes.iter_mut().enumerate() {
            node.dir.disable_cleanup(true);
            eprintln!("the data of place {place} stays in {}", node.dir.path().display());
        }
    }
}

/// What `varve cluster status` tells of a node.
pub(super) fn status(server: &Server) -> Result<Value, String> {
    let output = server.run(&["cluster", "status", "--output", "json"]);
    serde_json::from_slice(&output.stdout)
        .map_err(|_| String::from_utf8_lossy(&output.stderr).into_owned())
}
