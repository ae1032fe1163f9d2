//! `varve cluster drain`: emptying a node, and waiting until it is empty.

use std::io::{self, IsTerminal};
use std::time::Duration;

use clap::Args;
use indicatif::ProgressBar;
use serde_json::json;
use tokio::time::Instant;
use varve_client::Client;
use varve_client::v1::NodeStatus;
use varve_types::NodeId;

use super::{ClusterOptions, Told, confirm, nodes};
use crate::endpoint::call_failure;
use crate::failure::Failure;

/// How often the cluster is asked how far it is.
const POLL: Duration = Duration::from_millis(500);

/// The node that answers may hear of the drain this much later than it was begun.
const HEARD_OF: Duration = Duration::from_secs(10);

#[derive(Debug, Args)]
pub(super) struct DrainOptions {
    /// The node's number, as `varve cluster nodes` shows it
    node: u64,
    /// Do not wait until the node is empty
    #[arg(long)]
    no_wait: bool,
    /// Stop emptying the node: it is given something to hold again
    #[arg(long, conflicts_with = "no_wait")]
    undo: bool,
    /// Do not ask
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    cluster: ClusterOptions,
}

pub(super) async fn run(options: &DrainOptions) -> Result<(), Failure> {
    let client = options.cluster.connect().await?;
    let number = options.node;
    if options.undo {
        client.undo_drain(NodeId(number)).await.map_err(call_failure)?;
        return options.cluster.tell(&Told {
            text: format!("node {number} is given something to hold again"),
            json: json!({ "node_id": number, "draining": false }),
        });
    }
    let nodes = client.nodes().await.map_err(call_failure)?;
    let node = nodes::find(&nodes, number)?;
    let will = format!(
        "node {number} ({}) will be given nothing new; the {} open and {} closed shards that it \
         holds are copied to others first, and it serves them meanwhile (--undo ends it)",
        nodes::address(node),
        node.open_replicas,
        node.closed_replicas,
    );
    confirm::confirm(&will, options.yes)?;
    client.drain(NodeId(number)).await.map_err(call_failure)?;
    if options.no_wait {
        return options.cluster.tell(&Told {
            text: format!("node {number} is being emptied; `varve cluster nodes` shows how far"),
            json: json!({ "node_id": number, "draining": true }),
        });
    }
    wait_until_empty(&client, number).await?;
    options.cluster.tell(&Told {
        text: format!("node {number} is empty; take it out with `varve cluster remove {number}`"),
        json: json!({ "node_id": number, "drained": true }),
    })
}

async fn wait_until_empty(client: &Client, number: u64) -> Result<(), Failure> {
    let spinner = io::stderr().is_terminal().then(ProgressBar::new_spinner);
    let asked = Instant::now();
    let mut is_heard_of = false;
    loop {
        let nodes = client.nodes().await.map_err(call_failure)?;
        let node = nodes::find(&nodes, number)?;
        is_heard_of |= node.state != "SERVING" || asked.elapsed() > HEARD_OF;
        if !is_heard_of {
            tokio::time::sleep(POLL).await;
            continue;
        }
        if node.state == "SERVING" {
            return Err(Failure::failed(format_args!("somebody ended the drain of node {number}")));
        }
        if is_empty(node) {
            break;
        }
        if let Some(spinner) = &spinner {
            spinner.set_message(left(node));
            spinner.tick();
        }
        tokio::time::sleep(POLL).await;
    }
    if let Some(spinner) = spinner {
        spinner.finish_and_clear();
    }
    Ok(())
}

/// A node that is away is emptied all the same: others hold what it holds.
fn is_empty(node: &NodeStatus) -> bool {
    (node.open_replicas, node.closed_replicas) == (0, 0) && node.metadata == "WATCHER"
}

fn left(node: &NodeStatus) -> String {
    let keeps_catalog = if node.metadata == "WATCHER" { "" } else { ", and keeps the catalog" };
    format!(
        "node {} is {} and still holds {} open and {} closed shards{keeps_catalog}",
        node.node_id,
        node.state.to_ascii_lowercase(),
        node.open_replicas,
        node.closed_replicas,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_says_what_is_left() {
        let node = NodeStatus {
            node_id: 3,
            state: "DRAINING".to_owned(),
            metadata: "MEMBER".to_owned(),
            open_replicas: 2,
            closed_replicas: 40,
            ..NodeStatus::default()
        };
        let said = "node 3 is draining and still holds 2 open and 40 closed shards";
        assert_eq!(left(&node), format!("{said}, and keeps the catalog"));
        let watcher = NodeStatus { metadata: "WATCHER".to_owned(), ..node };
        assert_eq!(left(&watcher), said);
        assert!(!is_empty(&watcher));
        assert!(is_empty(&NodeStatus { open_replicas: 0, closed_replicas: 0, ..watcher }));
    }
}
