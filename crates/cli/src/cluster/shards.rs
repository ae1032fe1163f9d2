//! `varve cluster shards`: shards, as a table and as JSON.

use std::io::{self, Write};

use clap::Args;
use serde_json::{Value, json};
use varve_client::v1::ShardStatus;

use super::{ClusterOptions, Output, list};
use crate::endpoint::call_failure;
use crate::failure::Failure;
use crate::table::{Cell, Table};
use crate::terminal::Screen;

#[derive(Debug, Args)]
pub(super) struct ShardsOptions {
    /// Only shards in this state; repeat it for several
    #[arg(long, value_name = "STATE", value_parser = ["preparing", "open", "sealed", "closed"])]
    state: Vec<String>,
    #[command(flatten)]
    cluster: ClusterOptions,
}

pub(super) async fn run(options: &ShardsOptions) -> Result<(), Failure> {
    let client = options.cluster.connect().await?;
    let shards = client.shards(&options.state).await.map_err(call_failure)?;
    let mut out = io::stdout().lock();
    match options.cluster.output {
        Output::Text => table(&shards).write(Screen::stdout(), &mut out)?,
        Output::Json => {
            let shards: Vec<Value> = shards.iter().map(to_json).collect();
            writeln!(out, "{}", json!({ "shards": shards }))?;
        }
    }
    Ok(())
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

/// One line a shard. What is not known of one that is elsewhere is a dash.
fn table(shards: &[ShardStatus]) -> Table<11> {
    let mut table = Table::new(HEADINGS);
    for shard in shards {
        let here = |text: String| Cell::new(if shard.here { text } else { "-".to_owned() });
        let rows_are_known = shard.here || shard.state == "CLOSED";
        table.push([
            Cell::new(shard.shard),
            Cell::new(shard.window),
            Cell::new(&shard.state),
            Cell::new(&shard.range),
            Cell::count(shard.leader_node),
            Cell::new(list(&shard.replica_nodes)),
            Cell::new(if rows_are_known { shard.rows.to_string() } else { "-".to_owned() }),
            here(size(shard.disk_bytes)),
            here(size(shard.tail_bytes)),
            here(shard.segments.to_string()),
            here(shard.unmerged_segments.to_string()),
        ]);
    }
    table
}

/// Bytes for people.
pub(super) fn size(bytes: u64) -> String {
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

pub(super) fn to_json(shard: &ShardStatus) -> Value {
    json!({
        "shard": shard.shard,
        "window": shard.window,
        "state": shard.state,
        "range": shard.range,
        "leader_node": (shard.leader_node != 0).then_some(shard.leader_node),
        "replica_nodes": shard.replica_nodes,
        "holder_nodes": shard.holder_nodes,
        "leaving_nodes": shard.leaving_nodes,
        "final_nodes": shard.final_nodes,
        "here": shard.here,
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
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    #[test]
    fn the_table_lines_up_and_shows_dashes_for_what_is_elsewhere() {
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
            here: true,
            ..ShardStatus::default()
        };
        let shards = [
            shard(1, "CLOSED", 1_000_000, 0),
            ShardStatus { here: false, ..shard(2, "CLOSED", 700, 0) },
            shard(3, "OPEN", 5, 1),
            ShardStatus { here: false, ..shard(4, "OPEN", 0, 2) },
        ];
        let mut out = Vec::new();
        table(&shards).write(Screen::of(false), &mut out).expect("written");
        expect![[r#"
            shard  window  state   range  leader  replicas  rows     on disk   in memory  segments  to merge
            1      1       CLOSED  0/0    -       1, 2      1000000  95.3 MiB  976.5 KiB  12        3
            2      1       CLOSED  0/0    -       1, 2      700      -         -          -         -
            3      1       OPEN    0/0    1       1, 2      5        500 B     5 B        12        3
            4      1       OPEN    0/0    2       1, 2      -        -         -          -         -
        "#]]
        .assert_eq(&String::from_utf8(out).expect("text"));
    }
}
