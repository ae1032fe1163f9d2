//! `varve cluster add`: the command that starts one more node, and waiting until it is there.

use std::collections::BTreeSet;
use std::io::{self, IsTerminal, Write};
use std::net::SocketAddr;
use std::time::Duration;

use clap::Args;
use indicatif::ProgressBar;
use serde_json::json;
use varve_client::Client;
use varve_client::v1::NodeStatus;

use super::{ClusterOptions, Told};
use crate::endpoint::call_failure;
use crate::failure::Failure;

/// How often the cluster is asked.
const POLL: Duration = Duration::from_millis(500);
/// So many nodes to ask are enough to be let in by one that is there.
const SHOWN: usize = 3;

#[derive(Debug, Args)]
pub(super) struct AddOptions {
    /// What fails together with the new node, for its command
    #[arg(long, value_name = "NAME")]
    zone: Option<String>,
    /// Wait until a new node has joined and holds what it is to hold
    #[arg(long)]
    wait: bool,
    #[command(flatten)]
    cluster: ClusterOptions,
}

pub(super) async fn run(options: &AddOptions) -> Result<(), Failure> {
    let client = options.cluster.connect().await?;
    let nodes = client.nodes().await.map_err(call_failure)?;
    let join = to_ask(&nodes);
    if join.is_empty() {
        return Err(Failure::failed("no node answers whom a new one could ask"));
    }
    let command = command(&nodes, &join, options.zone.as_deref());
    if options.wait {
        let mut error_out = io::stderr().lock();
        writeln!(error_out, "waiting for a node that is started with:\n\n  {command}\n")?;
    } else {
        return options.cluster.tell(&Told {
            text: format!(
                "Start the new node with a data directory of its own:\n\n  {command}\n\n\
                 `varve cluster nodes` shows it when it has joined."
            ),
            json: json!({ "join": join, "command": command }),
        });
    }
    let known = nodes.iter().map(|node| node.node_id).collect();
    let joined = wait_for_another(&client, &known).await?;
    options.cluster.tell(&Told {
        text: format!("node {joined} has joined, and holds what it is to hold"),
        json: json!({ "node_id": joined }),
    })
}

/// The peer addresses of nodes that answer.
fn to_ask(nodes: &[NodeStatus]) -> Vec<&str> {
    let there =
        nodes.iter().filter(|node| node.state == "SERVING" && !node.peer_address.is_empty());
    there.map(|node| node.peer_address.as_str()).take(SHOWN).collect()
}

/// On one machine the ports must differ, so they are chosen; on another one only the operator
/// knows under which name the others see it.
fn command(nodes: &[NodeStatus], join: &[&str], zone: Option<&str>) -> String {
    let loopback: Option<Vec<SocketAddr>> = nodes
        .iter()
        .filter(|node| !node.peer_address.is_empty())
        .map(|node| node.peer_address.parse().ok().filter(|at: &SocketAddr| at.ip().is_loopback()))
        .collect();
    let highest = loopback.and_then(|addresses| addresses.into_iter().max_by_key(SocketAddr::port));
    let number = nodes.iter().map(|node| node.node_id).max().unwrap_or(0) + 1;
    let join = join.join(",");
    let mut command = match highest.and_then(|at| Some((at.ip(), at.port().checked_add(10)?))) {
        Some((ip, peer)) => format!(
            "varve server --join {join} --data-dir ./varve-data-{number} --listen-http {ip}:{} \
             --listen-grpc {ip}:{} --listen-peer {ip}:{peer}",
            peer - 2,
            peer - 1,
        ),
        None => format!(
            "varve server --join {join} --insecure --listen-http 0.0.0.0:9430 --listen-grpc \
             0.0.0.0:9431 --listen-peer 0.0.0.0:9432 --advertise-peer THIS_HOST:9432"
        ),
    };
    if let Some(zone) = zone {
        command += &format!(" --zone {zone}");
    }
    command
}

async fn wait_for_another(client: &Client, known: &BTreeSet<u64>) -> Result<u64, Failure> {
    let spinner = io::stderr().is_terminal().then(ProgressBar::new_spinner);
    loop {
        let status = client.status().await.map_err(call_failure)?;
        let new = status.nodes.iter().find(|node| !known.contains(&node.node_id));
        let copies_are_there = status
            .replication
            .is_some_and(|replication| replication.copies >= replication.copies_wanted);
        let said = match new {
            Some(node)
                if node.state == "SERVING" && node.copies_missing == 0 && copies_are_there =>
            {
                if let Some(spinner) = spinner {
                    spinner.finish_and_clear();
                }
                return Ok(node.node_id);
            }
            Some(node) => format!(
                "node {} has joined from {}, and is given its copies",
                node.node_id, node.peer_address
            ),
            None => "nobody has joined yet".to_owned(),
        };
        if let Some(spinner) = &spinner {
            spinner.set_message(said);
            spinner.tick();
        }
        tokio::time::sleep(POLL).await;
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    fn node(node_id: u64, peer_address: &str, state: &str) -> NodeStatus {
        NodeStatus {
            node_id,
            peer_address: peer_address.to_owned(),
            state: state.to_owned(),
            ..NodeStatus::default()
        }
    }

    fn said(nodes: &[NodeStatus], zone: Option<&str>) -> String {
        command(nodes, &to_ask(nodes), zone)
    }

    #[test]
    fn the_command_asks_nodes_that_answer_and_takes_ports_that_are_free() {
        let nodes = [
            node(1, "127.0.0.1:9432", "SERVING"),
            node(2, "127.0.0.1:9442", "UNREACHABLE"),
            node(3, "127.0.0.1:9452", "SERVING"),
        ];
        expect!["varve server --join 127.0.0.1:9432,127.0.0.1:9452 --data-dir ./varve-data-4 --listen-http 127.0.0.1:9460 --listen-grpc 127.0.0.1:9461 --listen-peer 127.0.0.1:9462"].assert_eq(&said(&nodes, None));
    }

    #[test]
    fn on_other_machines_the_usual_ports_will_do() {
        let nodes = [node(1, "a.example:9432", "SERVING"), node(2, "10.0.0.2:9432", "SERVING")];
        expect!["varve server --join a.example:9432,10.0.0.2:9432 --insecure --listen-http 0.0.0.0:9430 --listen-grpc 0.0.0.0:9431 --listen-peer 0.0.0.0:9432 --advertise-peer THIS_HOST:9432 --zone cellar"].assert_eq(&said(&nodes, Some("cellar")));
    }
}
