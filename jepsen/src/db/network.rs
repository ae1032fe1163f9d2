//! A network of the run's own: each node in a network namespace, with this process as the router
//! between them, which can be told to drop what goes from one to another, or to give it to the
//! weather. Clients sit at the router and reach everybody.

use std::collections::BTreeSet;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use crate::Failure;

/// Set in a process that has a network of its own.
const MARK: &str = "JEPSEN_NETWORK";

/// Rules of routing are asked in this order: what comes out of the weather goes on, what is cut is
/// dropped, what has weather goes there.
const PRIORITY_OUT: u32 = 80;
const PRIORITY_CUT: u32 = 90;
const PRIORITY_WEATHER: u32 = 100;

/// The routes of what is given to the weather.
const TABLE_WEATHER: u32 = 77;

/// One node's place in the network.
#[derive(Clone, Debug)]
pub struct Network {
    /// The name of its namespace.
    pub namespace: String,
    /// Its address.
    pub address: String,
}

/// Who is asked for the rights to have namespaces: root keeps what it may, others become the root of
/// a namespace of users.
fn unshare() -> Command {
    let mut command = Command::new("unshare");
    command.arg(if rustix::process::geteuid().is_root() { "-nm" } else { "-rnm" });
    command
}

/// Why there can be no network of its own, if so: found by making one.
#[must_use]
pub fn why_not() -> Option<String> {
    let script = "mount -t tmpfs none /run && ip netns add probe && \
                  ip link add probe0 type veth peer name eth0 netns probe && \
                  echo 1 > /proc/sys/net/ipv4/ip_forward && \
                  ip rule add prio 90 from 10.9.1.1 to 10.9.2.1 blackhole";
    match unshare().args(["sh", "-c", script]).output() {
        Ok(output) if output.status.success() => None,
        Ok(output) => Some(format!(
            "network namespaces are not allowed here: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        )),
        Err(error) => Some(format!("no `unshare`: {error}")),
    }
}

/// Whether this process has a network of its own.
#[must_use]
pub fn is_own() -> bool {
    std::env::var_os(MARK).is_some()
}

/// Has this program begin again in a network of its own, with the same arguments. Comes back only
/// with an error.
pub fn begin_in_own(program: &Path) -> Failure {
    // Names of namespaces are files in /run: those of this run alone.
    let script = "mount -t tmpfs none /run && exec \"$0\" \"$@\"";
    let mut command = unshare();
    command.args(["sh", "-c", script]).arg(program);
    command.args(std::env::args_os().skip(1)).env(MARK, "1").exec().into()
}

/// What a router is told of what goes from one address to another.
type Pairs = BTreeSet<(String, String)>;

/// This process, as the router between the nodes.
#[derive(Debug, Default)]
pub struct Router {
    cut: Pairs,
    weather: Pairs,
}

impl Router {
    /// Makes this process one.
    ///
    /// # Errors
    ///
    /// Where that is not allowed.
    pub fn begin() -> Result<Self, Failure> {
        ip("link set lo up")?;
        for (name, value) in [
            ("ip_forward", "1"),
            // What comes back out of the weather comes from another side than its sender's.
            ("conf/all/rp_filter", "0"),
            ("conf/default/rp_filter", "0"),
        ] {
            std::fs::write(format!("/proc/sys/net/ipv4/{name}"), value)?;
        }
        Ok(Self::default())
    }

    /// Makes a namespace for a node, which reaches all others through this process.
    ///
    /// # Errors
    ///
    /// Where that is not allowed.
    pub fn network(&self, number: usize) -> Result<Network, Failure> {
        let namespace = format!("node{number}");
        let (address, router) = (format!("10.9.{number}.1"), format!("10.9.{number}.254"));
        ip(&format!("netns add {namespace}"))?;
        ip(&format!("link add to{number} type veth peer name eth0 netns {namespace}"))?;
        ip(&format!("addr add {router}/24 dev to{number}"))?;
        ip(&format!("link set to{number} up"))?;
        for inside in [
            format!("addr add {address}/24 dev eth0"),
            "link set eth0 up".to_owned(),
            "link set lo up".to_owned(),
            format!("route add default via {router}"),
        ] {
            ip(&format!("-n {namespace} {inside}"))?;
        }
        Ok(Network { namespace, address })
    }

    /// Drops what goes from the first to the second of each pair, and nothing else from now on.
    ///
    /// # Errors
    ///
    /// When `ip` fails.
    pub fn cut(&mut self, pairs: Pairs) -> Result<(), Failure> {
        change(&mut self.cut, pairs, PRIORITY_CUT, "blackhole")
    }

    /// Gives what goes from the first to the second of each pair to a device, and nothing else from
    /// now on.
    ///
    /// # Errors
    ///
    /// When `ip` fails.
    pub fn detour(&mut self, pairs: Pairs) -> Result<(), Failure> {
        change(&mut self.weather, pairs, PRIORITY_WEATHER, &format!("lookup {TABLE_WEATHER}"))
    }

    /// Makes a device the one to which [`Router::detour`] gives packets, and lets out again what
    /// comes back from it.
    ///
    /// # Errors
    ///
    /// When `ip` fails.
    pub fn detour_over(&self, device: &str) -> Result<(), Failure> {
        ip(&format!("link set {device} up"))?;
        ip(&format!("route add default dev {device} table {TABLE_WEATHER}"))?;
        ip(&format!("rule add prio {PRIORITY_OUT} iif {device} lookup main"))
    }
}

fn change(now: &mut Pairs, wanted: Pairs, priority: u32, action: &str) -> Result<(), Failure> {
    for (change, pairs) in [("del", &*now - &wanted), ("add", &wanted - &*now)] {
        for (from, to) in &pairs {
            ip(&format!("rule {change} prio {priority} from {from} to {to} {action}"))?;
        }
    }
    *now = wanted;
    Ok(())
}

pub(super) fn ip(arguments: &str) -> Result<(), Failure> {
    let output = Command::new("ip").args(arguments.split(' ')).output()?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("ip {arguments}: {}", String::from_utf8_lossy(&output.stderr).trim()).into())
}
