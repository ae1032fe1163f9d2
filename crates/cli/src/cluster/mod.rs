//! `varve cluster`: looking at a cluster, and steering it.

mod seal;

use std::io::{self, Write};

use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;
use varve_client::v1::StatusResponse;

use crate::endpoint::{EndpointArguments, call_failure, runtime};
use crate::failure::Failure;

/// Look at the cluster, and steer it
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  varve cluster status
  varve cluster status --output json | jq '.shards[] | select(.state == \"OPEN\")'
  varve cluster seal                               # waits until segments are merged for good
  varve cluster seal --no-wait")]
pub(crate) struct ClusterArguments {
    #[command(subcommand)]
    command: ClusterCommand,
}

#[derive(Debug, Subcommand)]
enum ClusterCommand {
    /// Show nodes and shards, as one node sees them
    Status(ClusterOptions),
    /// Close the open windows: what they hold is written out, merged for good, and never changes
    /// again
    Seal(SealOptions),
}

#[derive(Debug, Args)]
struct SealOptions {
    /// End when everything is written out, and let the merges go on
    #[arg(long)]
    no_wait: bool,
    #[command(flatten)]
    cluster: ClusterOptions,
}

#[derive(Debug, Args)]
struct ClusterOptions {
    #[command(flatten)]
    endpoint: EndpointArguments,
    /// How to print
    #[arg(long, value_enum, default_value_t = Output::Text)]
    output: Output,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Output {
    /// For people
    Text,
    /// One JSON object, stable for scripts
    Json,
}

pub(crate) fn run(arguments: &ClusterArguments) -> Result<(), Failure> {
    let runtime = runtime()?;
    let mut out = io::stdout().lock();
    match &arguments.command {
        ClusterCommand::Status(options) => {
            let status = runtime.block_on(async {
                let client = options.endpoint.connect().await?;
                client.status().await.map_err(call_failure)
            })?;
            match options.output {
                Output::Text => write!(out, "{}", table(&status))?,
                Output::Json => writeln!(out, "{}", status_json(&status))?,
            }
        }
        ClusterCommand::Seal(options) => {
            let sealed = runtime.block_on(async {
                let client = options.cluster.endpoint.connect().await?;
                let sealed = client.seal().await.map_err(call_failure)?;
                if !options.no_wait {
                    seal::wait_for_merges(&client).await?;
                }
                Ok::<_, Failure>(sealed)
            })?;
            let shards: Vec<u64> = sealed.iter().map(|shard| shard.get()).collect();
            match options.cluster.output {
                Output::Text if shards.is_empty() => writeln!(out, "nothing to seal")?,
                Output::Text => writeln!(out, "sealed {}", list(&shards))?,
                Output::Json => writeln!(out, "{}", json!({ "sealed": shards }))?,
            }
        }
    }
    Ok(())
}

fn list(numbers: &[u64]) -> String {
    numbers.iter().map(u64::to_string).collect::<Vec<_>>().join(", ")
}

const HEADINGS: [&str; 11] = [
    "shard",
    "window",
    "state",
    "range",
    "leader",
    "replicas",
    "rows",
    "on disk",
    "in memory",
    "segments",
    "to merge",
];

fn table(status: &StatusResponse) -> String {
    let mut text = format!(
        "cluster {}, node {} answers, version {}\n",
        status.cluster_id, status.node_id, status.version
    );
    if status.disk_full {
        text += "the disk of this node is FULL: it takes no appends; free some room\n";
    }
    text += "\nnode  peer address\n";
    for node in &status.nodes {
        text += &format!("{:<4}  {}\n", node.node_id, node.peer_address);
    }
    text.push('\n');
    let mut rows = vec![HEADINGS.map(str::to_owned)];
    for shard in &status.shards {
        rows.push([
            shard.shard.to_string(),
            shard.window.to_string(),
            shard.state.clone(),
            shard.range.clone(),
            if shard.leader_node == 0 { "-".to_owned() } else { shard.leader_node.to_string() },
            list(&shard.replica_nodes),
            shard.rows.to_string(),
            size(shard.disk_bytes),
            size(shard.tail_bytes),
            shard.segments.to_string(),
            shard.unmerged_segments.to_string(),
        ]);
    }
    let widths: Vec<usize> = (0..HEADINGS.len())
        .map(|column| rows.iter().map(|row| row[column].len()).max().unwrap_or(0))
        .collect();
    for row in &rows {
        let cells: Vec<String> =
            row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        text += cells.join("  ").trim_end();
        text.push('\n');
    }
    for shard in status.shards.iter().filter(|shard| !shard.problem.is_empty()) {
        text += &format!("\nshard {} is NOT SERVED by this node: {}\n", shard.shard, shard.problem);
    }
    for shard in status.shards.iter().filter(|shard| !shard.merge_problem.is_empty()) {
        text += &format!(
            "\nshard {} could not be merged, and is tried again: {}\n",
            shard.shard, shard.merge_problem
        );
    }
    text
}

/// Bytes for people.
fn size(bytes: u64) -> String {
    const UNITS: [(&str, u64); 4] =
        [("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    for (unit, scale) in UNITS {
        if bytes >= scale {
            let tenths = u128::from(bytes) * 10 / u128::from(scale);
            return format!("{}.{} {unit}", tenths / 10, tenths % 10);
        }
    }
    format!("{bytes} B")
}

fn status_json(status: &StatusResponse) -> serde_json::Value {
    let nodes: Vec<_> = status
        .nodes
        .iter()
        .map(|node| json!({ "node_id": node.node_id, "peer_address": node.peer_address }))
        .collect();
    let shards: Vec<_> = status
        .shards
        .iter()
        .map(|shard| {
            json!({
                "shard": shard.shard,
                "window": shard.window,
                "state": shard.state,
                "range": shard.range,
                "leader_node": (shard.leader_node != 0).then_some(shard.leader_node),
                "replica_nodes": shard.replica_nodes,
                "rows": shard.rows,
                "disk_bytes": shard.disk_bytes,
                "tail_bytes": shard.tail_bytes,
                "applied_index": shard.applied_index,
                "content_digest": shard.content_digest,
                "segments": shard.segments,
                "problem": (!shard.problem.is_empty()).then_some(&shard.problem),
                "unmerged_segments": shard.unmerged_segments,
                "merging": shard.merging,
                "merge_problem": (!shard.merge_problem.is_empty()).then_some(&shard.merge_problem),
            })
        })
        .collect();
    json!({
        "cluster_id": status.cluster_id,
        "node_id": status.node_id,
        "version": status.version,
        "disk_full": status.disk_full,
        "nodes": nodes,
        "shards": shards,
    })
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use varve_client::v1::{NodeStatus, ShardStatus};

    use super::*;

    #[test]
    fn the_table_lines_up() {
        let shard = |shard, state: &str, rows, leader_node| ShardStatus {
            shard,
            window: 1,
            state: state.to_owned(),
            range: "0/0".to_owned(),
            leader_node,
            replica_nodes: vec![1, 2],
            rows,
            disk_bytes: rows * 100,
            tail_bytes: rows,
            segments: 12,
            unmerged_segments: 3,
            ..ShardStatus::default()
        };
        let status = StatusResponse {
            cluster_id: "c1".to_owned(),
            node_id: 1,
            version: "0.1.0".to_owned(),
            nodes: vec![NodeStatus { node_id: 1, peer_address: "127.0.0.1:9432".to_owned() }],
            shards: vec![
                ShardStatus {
                    merge_problem: "disk full".to_owned(),
                    ..shard(1, "CLOSED", 1_000_000, 0)
                },
                ShardStatus {
                    problem: "segment 7 is damaged at byte 9".to_owned(),
                    ..shard(2, "OPEN", 5, 1)
                },
            ],
            disk_full: true,
        };
        expect![[r#"
            cluster c1, node 1 answers, version 0.1.0
            the disk of this node is FULL: it takes no appends; free some room

            node  peer address
            1     127.0.0.1:9432

            shard  window  state   range  leader  replicas  rows     on disk   in memory  segments  to merge
            1      1       CLOSED  0/0    -       1, 2      1000000  95.3 MiB  976.5 KiB  12        3
            2      1       OPEN    0/0    1       1, 2      5        500 B     5 B        12        3

            shard 2 is NOT SERVED by this node: segment 7 is damaged at byte 9

            shard 1 could not be merged, and is tried again: disk full
        "#]]
        .assert_eq(&table(&status));
    }
}
