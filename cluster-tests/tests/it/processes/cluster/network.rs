//! A network of a test's own: each node in a network namespace, with this test as the router
//! between them, which can be told to drop what goes from one to another. Nothing of it is seen
//! outside of the test, and no rights are needed but those to have namespaces.

use std::process::Command;

/// Set in a process that has a network of its own.
const MARK: &str = "VARVE_TEST_NETWORK";

/// One node's place in the network.
#[derive(Clone)]
pub(super) struct Network {
    /// The name of its namespace.
    pub namespace: String,
    /// Its address.
    pub address: String,
}

/// Runs a test in a process that has a network of its own: the same test, in the same program.
/// Where that is not allowed, the test says that it is skipped.
pub(super) fn in_own_network(test: &str, body: impl FnOnce()) {
    if std::env::var_os(MARK).is_some() {
        return body();
    }
    // Names of namespaces are files in /run: those of this process alone.
    let unshare = |script: &str| {
        let mut command = Command::new("unshare");
        command.args(["-rnm", "sh", "-c", &format!("mount -t tmpfs none /run && {script}")]);
        command
    };
    let probe = "ip netns add probe && echo 1 > /proc/sys/net/ipv4/ip_forward";
    if !unshare(probe).output().is_ok_and(|output| output.status.success()) {
        println!("skipped: this machine does not let a test have network namespaces");
        return;
    }
    let program = std::env::current_exe().expect("this test has a path");
    let mut command = unshare("exec \"$0\" \"$@\"");
    command.arg(program).args(["--exact", test, "--nocapture"]).env(MARK, "1");
    let output = command.output().expect("it runs");
    print!("{}", String::from_utf8_lossy(&output.stdout));
    eprint!("{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "the test failed in its own network");
}

/// Makes a network for so many nodes.
pub(super) fn networks(count: usize) -> Vec<Network> {
    ip("link set lo up");
    let forwards = "echo 1 > /proc/sys/net/ipv4/ip_forward";
    assert!(Command::new("sh").args(["-c", forwards]).status().expect("sh runs").success());
    let make = |number: usize| {
        let namespace = format!("node{number}");
        let (address, router) = (format!("10.9.{number}.1"), format!("10.9.{number}.254"));
        ip(&format!("netns add {namespace}"));
        ip(&format!("link add to{number} type veth peer name eth0 netns {namespace}"));
        ip(&format!("addr add {router}/24 dev to{number}"));
        ip(&format!("link set to{number} up"));
        for inside in [
            format!("addr add {address}/24 dev eth0"),
            "link set eth0 up".to_owned(),
            "link set lo up".to_owned(),
            format!("route add default via {router}"),
        ] {
            ip(&format!("-n {namespace} {inside}"));
        }
        Network { namespace, address }
    };
    (1..=count).map(make).collect()
}

/// Drops everything between one node and the others, from now on, or no longer.
pub(super) fn cut(one: &Network, others: &[&Network], is_cut: bool) {
    let change = if is_cut { "add" } else { "del" };
    for other in others {
        for (from, to) in [(one, other), (other, &one)] {
            let (from, to) = (&from.address, &to.address);
            ip(&format!("rule {change} prio 10 from {from} to {to} blackhole"));
        }
    }
}

fn ip(arguments: &str) {
    let output = Command::new("ip").args(arguments.split(' ')).output().expect("ip runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "ip {arguments}: {said}");
}
