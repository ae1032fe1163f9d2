//! `varve cluster seal`: closing the open windows, and waiting until segments are merged for good.

use std::io::{self, IsTerminal};
use std::time::Duration;

use clap::Args;
use indicatif::ProgressBar;
use serde_json::json;
use varve_client::Client;
use varve_client::v1::{ShardStatus, StatusResponse};

use super::{ClusterOptions, Told, list};
use crate::endpoint::call_failure;
use crate::failure::Failure;

/// How often a node is asked.
const POLL: Duration = Duration::from_millis(200);

#[derive(Debug, Args)]
pub(super) struct SealOptions {
    /// End when everything is written out, and let the merges go on
    #[arg(long)]
    no_wait: bool,
    #[command(flatten)]
    cluster: ClusterOptions,
}

pub(super) async fn run(options: &SealOptions) -> Result<(), Failure> {
    let client = options.cluster.connect().await?;
    let sealed = client.seal().await.map_err(call_failure)?;
    if !options.no_wait {
        wait_for_merges(&client).await?;
    }
    let shards: Vec<u64> = sealed.iter().map(|shard| shard.get()).collect();
    let text = match shards.as_slice() {
        [] => "nothing to seal".to_owned(),
        shards => format!("sealed {}", list(shards)),
    };
    options.cluster.tell(&Told { text, json: json!({ "sealed": shards }) })
}

/// Returns when every node that serves holds the final files of the closed shards that it has.
///
/// # Errors
///
/// When a merge failed: it is tried again, but that may be in vain.
async fn wait_for_merges(client: &Client) -> Result<(), Failure> {
    let spinner = io::stderr().is_terminal().then(ProgressBar::new_spinner);
    loop {
        let status = client.status().await.map_err(call_failure)?;
        let failed =
            |shard: &&ShardStatus| shard.state == CLOSED && !shard.merge_problem.is_empty();
        if let Some(shard) = status.shards.iter().find(failed) {
            return Err(Failure::failed(format_args!(
                "everything is sealed and can be searched, but shard {} could not be merged: {}; \
                 it is tried again, and `varve cluster status` tells how that goes",
                shard.shard, shard.merge_problem
            )));
        }
        let unfinished = unfinished(&status);
        if unfinished == 0 {
            break;
        }
        if let Some(spinner) = &spinner {
            spinner.set_message(format!("sealed; {unfinished} copies are to be merged for good"));
            spinner.tick();
        }
        tokio::time::sleep(POLL).await;
    }
    if let Some(spinner) = spinner {
        spinner.finish_and_clear();
    }
    Ok(())
}

const CLOSED: &str = "CLOSED";

/// Copies of closed shards that are not their final files yet. Those on nodes that are away are
/// not waited for.
fn unfinished(status: &StatusResponse) -> usize {
    let serves =
        |id: &u64| status.nodes.iter().any(|node| node.node_id == *id && node.state == "SERVING");
    let closed = status.shards.iter().filter(|shard| shard.state == CLOSED);
    let copies = closed.flat_map(|shard| {
        let nodes = shard.replica_nodes.iter().filter(|node| serves(node));
        nodes.filter(|node| !shard.final_nodes.contains(node))
    });
    copies.count()
}

#[cfg(test)]
mod tests {
    use varve_client::v1::NodeStatus;

    use super::*;

    #[test]
    fn copies_on_nodes_that_serve_are_waited_for() {
        let node = |node_id, state: &str| NodeStatus {
            node_id,
            state: state.to_owned(),
            ..NodeStatus::default()
        };
        let shard = |state: &str, final_nodes: &[u64]| ShardStatus {
            state: state.to_owned(),
            replica_nodes: vec![1, 2, 3],
            final_nodes: final_nodes.to_vec(),
            ..ShardStatus::default()
        };
        let mut status = StatusResponse {
            nodes: vec![node(1, "SERVING"), node(2, "SERVING"), node(3, "UNREACHABLE")],
            shards: vec![shard("CLOSED", &[2]), shard("CLOSED", &[]), shard("OPEN", &[])],
            ..StatusResponse::default()
        };
        assert_eq!(unfinished(&status), 3);
        for shard in &mut status.shards {
            shard.final_nodes = vec![1, 2];
        }
        assert_eq!(unfinished(&status), 0);
    }
}
