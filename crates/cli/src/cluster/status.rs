//! `varve cluster status`: the cluster on one screen, and as JSON.

use std::collections::BTreeMap;
use std::io::{self, Write};

use serde_json::{Value, json};
use varve_client::v1::{NodeStatus, Replication, StatusResponse};
use varve_types::Level;
use varve_types::limits::CLOCK_DIFFERENCE_MAX;

use super::{nodes, shards};
use crate::terminal::{Look, Screen};

/// How many characters the bar has.
const BAR_CHARACTERS: u64 = 24;
/// More problems than this do not fit on the screen.
const PROBLEMS_SHOWN: usize = 10;

pub(super) fn write(
    status: &StatusResponse,
    screen: Screen,
    out: &mut impl Write,
) -> io::Result<()> {
    let StatusResponse { cluster_id, node_id, version, .. } = status;
    writeln!(out, "cluster {cluster_id}, node {node_id} answers, version {version}\n")?;
    nodes::table(&status.nodes).write(screen, out)?;
    writeln!(out, "\nshards       {}", states(status))?;
    if let Some(replication) = &status.replication {
        writeln!(out, "replication  {}", held(replication, &status.nodes))?;
    }
    if let Some(copying) = copying(&status.nodes) {
        writeln!(out, "copying      {copying}")?;
    }
    let problems = problems(status);
    if !problems.is_empty() {
        writeln!(out)?;
    }
    for problem in problems.iter().take(PROBLEMS_SHOWN) {
        screen.paint(out, Look::Level(Level::Error), "!")?;
        writeln!(out, " {problem}")?;
    }
    if problems.len() > PROBLEMS_SHOWN {
        let more = problems.len() - PROBLEMS_SHOWN;
        writeln!(out, "  and {more} more; --output json has all")?;
    }
    Ok(())
}

pub(super) fn to_json(status: &StatusResponse) -> Value {
    let replication = status.replication.as_ref().map(|replication| {
        json!({
            "wanted": replication.wanted,
            "possible": replication.possible,
            "copies_wanted": replication.copies_wanted,
            "copies": replication.copies,
        })
    });
    json!({
        "cluster_id": status.cluster_id,
        "node_id": status.node_id,
        "version": status.version,
        "disk_full": status.disk_full,
        "nodes": status.nodes.iter().map(nodes::to_json).collect::<Vec<_>>(),
        "shards": status.shards.iter().map(shards::to_json).collect::<Vec<_>>(),
        "replication": replication,
        "problems": problems(status),
    })
}

/// How many shards there are, by state, in the order of their lives.
fn states(status: &StatusResponse) -> String {
    let mut counts = BTreeMap::new();
    for shard in &status.shards {
        *counts.entry(shard.state.as_str()).or_insert(0_u64) += 1;
    }
    let text = |state: &str| {
        let count = counts.get(state)?;
        Some(format!("{count} {}", state.to_ascii_lowercase()))
    };
    let texts: Vec<String> =
        ["PREPARING", "OPEN", "SEALED", "CLOSED"].into_iter().filter_map(text).collect();
    if texts.is_empty() { "none".to_owned() } else { texts.join(", ") }
}

/// Whether everything is held as often as it is to be, with a bar while it is not, and which nodes
/// that hold some of it do not answer now.
fn held(replication: &Replication, nodes: &[NodeStatus]) -> String {
    let Replication { wanted, possible, copies_wanted, copies } = *replication;
    let mut text = if copies < copies_wanted {
        let share = |of: u64| copies * of / copies_wanted;
        let (done, percent) = (share(BAR_CHARACTERS), share(100));
        let bar: String = (0..BAR_CHARACTERS).map(|at| if at < done { '#' } else { '.' }).collect();
        format!("[{bar}] {percent} %: {copies} of {copies_wanted} copies are where they are to be")
    } else {
        let times = if possible == 1 { "once".to_owned() } else { format!("{possible} times") };
        format!("everything is held {times}")
    };
    let silent = nodes.iter().filter(|node| node.state == "UNREACHABLE");
    let silent: Vec<String> = silent.map(|node| node.node_id.to_string()).collect();
    match silent.as_slice() {
        [] => {}
        [node] => text += &format!("; node {node}, which holds some of it, does not answer"),
        nodes => {
            let nodes = nodes.join(", ");
            text += &format!("; nodes {nodes}, which hold some of it, do not answer");
        }
    }
    if possible < wanted {
        text += &format!(
            "; it is to be {wanted} times, and there are too few nodes (`varve cluster add`)"
        );
    }
    text
}

/// What is copied to all nodes together. They copy at the same time: the last one ends it.
fn copying(nodes: &[NodeStatus]) -> Option<String> {
    let copying: Vec<_> = nodes.iter().filter_map(|node| node.copying.as_ref()).collect();
    let seconds_left = copying.iter().map(|copying| copying.seconds_left).max()?;
    let shards: u64 = copying.iter().map(|copying| copying.shards).sum();
    let bytes_per_s = copying.iter().map(|copying| copying.bytes_per_s).sum();
    let copies = if shards == 1 { "1 copy".to_owned() } else { format!("{shards} copies") };
    let mut text = format!("{copies} to come, {}/s now", shards::size(bytes_per_s));
    match seconds_left {
        0 => {}
        1..90 => text += &format!("; about {seconds_left} s left"),
        90..5_400 => text += &format!("; about {} min left", seconds_left.div_ceil(60)),
        _ => text += &format!("; about {} h left", seconds_left.div_ceil(3_600)),
    }
    Some(text)
}

/// What needs somebody's care, worst first.
fn problems(status: &StatusResponse) -> Vec<String> {
    let mut problems = Vec::new();
    if status.disk_full {
        let node = status.node_id;
        problems
            .push(format!("the disk of node {node} is FULL: it takes no appends; free some room"));
    }
    for shard in status.shards.iter().filter(|shard| !shard.problem.is_empty()) {
        let how = if shard.here { "HURT on" } else { "NOT SERVED by" };
        problems.push(format!(
            "shard {} is {how} node {}: {}",
            shard.shard, status.node_id, shard.problem
        ));
    }
    problems.extend(status.nodes.iter().filter_map(difference));
    problems.extend(status.nodes.iter().filter_map(node_problem));
    problems.extend(status.nodes.iter().filter_map(|node| clock_problem(node, status.node_id)));
    for shard in status.shards.iter().filter(|shard| !shard.merge_problem.is_empty()) {
        problems.push(format!(
            "shard {} could not be merged, and is tried again: {}",
            shard.shard, shard.merge_problem
        ));
    }
    problems
}

fn node_problem(node: &NodeStatus) -> Option<String> {
    let NodeStatus { node_id, state, .. } = node;
    let address = nodes::address(node);
    match state.as_str() {
        "UNREACHABLE" => Some(format!(
            "node {node_id} ({address}) does not answer: start its process again, or look at the \
             network; when it stays away, what it holds is copied to others"
        )),
        "LOST" => Some(format!(
            "node {node_id} ({address}) has been away for so long that what it held is being \
             copied to others: start it again, or take it out with `varve cluster remove {node_id}`"
        )),
        "DRAINED" => Some(format!(
            "node {node_id} ({address}) is empty: take it out with `varve cluster remove {node_id}`"
        )),
        _ => None,
    }
}

/// Replicas of open shards that do not hold the same, as the node found that leads them.
fn difference(node: &NodeStatus) -> Option<String> {
    let NodeStatus { node_id, differing_shards, .. } = node;
    let which = match differing_shards.as_slice() {
        [] => return None,
        [shard] => format!("shard {shard}"),
        shards => format!("shards {}", super::list(shards)),
    };
    Some(format!(
        "replicas of {which} hold DIFFERENT rows, as the log of node {node_id} says: one that a \
         majority contradicts is being replaced; otherwise keep the data directories of all nodes, \
         and see `varve cluster verify`"
    ))
}

/// A clock that went off while the nodes were connected.
fn clock_problem(node: &NodeStatus, answers: u64) -> Option<String> {
    let off_ms = node.clock_off_ms?;
    let (seconds, which) =
        (off_ms.unsigned_abs() / 1000, if off_ms < 0 { "behind" } else { "ahead of" });
    Some(format!(
        "the clock of node {} is {seconds} s {which} that of node {answers}, and at most {} s are \
         allowed: let both follow a time server; until then they refuse each other's new connections",
        node.node_id,
        CLOCK_DIFFERENCE_MAX.as_secs()
    ))
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use varve_client::v1::{Copying, ShardStatus};

    use super::*;

    fn node(node_id: u64, state: &str, metadata: &str) -> NodeStatus {
        NodeStatus {
            node_id,
            peer_address: format!("10.0.0.{node_id}:9432"),
            state: state.to_owned(),
            metadata: metadata.to_owned(),
            leads: u64::from(node_id == 1),
            open_replicas: 1,
            closed_replicas: 12,
            ..NodeStatus::default()
        }
    }

    fn status() -> StatusResponse {
        let shard = |shard, state: &str| ShardStatus {
            shard,
            state: state.to_owned(),
            ..ShardStatus::default()
        };
        StatusResponse {
            cluster_id: "c1".to_owned(),
            node_id: 1,
            version: "0.1.0".to_owned(),
            nodes: vec![
                node(1, "SERVING", "LEADER"),
                node(2, "SERVING", "MEMBER"),
                node(3, "SERVING", "MEMBER"),
            ],
            shards: vec![shard(1, "CLOSED"), shard(2, "CLOSED"), shard(3, "OPEN")],
            disk_full: false,
            replication: Some(Replication { wanted: 3, possible: 3, copies_wanted: 9, copies: 9 }),
        }
    }

    fn screen(status: &StatusResponse) -> String {
        let mut out = Vec::new();
        write(status, Screen::of(false), &mut out).expect("written");
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn a_cluster_that_is_well_says_so_in_few_lines() {
        expect![[r"
            cluster c1, node 1 answers, version 0.1.0

            node  state    address        zone  catalog  leads  open  closed  to copy
            1     SERVING  10.0.0.1:9432  -     leader   1      1     12      -
            2     SERVING  10.0.0.2:9432  -     member   -      1     12      -
            3     SERVING  10.0.0.3:9432  -     member   -      1     12      -

            shards       1 open, 2 closed
            replication  everything is held 3 times
        "]]
        .assert_eq(&screen(&status()));
    }

    #[test]
    fn what_needs_care_is_named_with_what_to_do() {
        let mut status = status();
        status.disk_full = true;
        status.nodes[1] = node(2, "UNREACHABLE", "MEMBER");
        status.nodes[0].copying =
            Some(Copying { shards: 6, bytes_per_s: 12 << 20, seconds_left: 170 });
        status.nodes[2] = NodeStatus {
            zone: "cellar".to_owned(),
            copies_missing: 7,
            copying: Some(Copying { shards: 7, bytes_per_s: 1 << 20, seconds_left: 0 }),
            ..node(3, "LOST", "WATCHER")
        };
        status.nodes.push(NodeStatus {
            peer_address: String::new(),
            clock_off_ms: Some(-3_600_000),
            ..node(4, "DRAINED", "WATCHER")
        });
        status.nodes[0].differing_shards = vec![3, 7];
        status.shards[0].merge_problem = "disk full".to_owned();
        status.shards[2].problem = "segment 7 is damaged at byte 9".to_owned();
        status.replication =
            Some(Replication { wanted: 3, possible: 2, copies_wanted: 300, copies: 187 });
        expect![[r#"
            cluster c1, node 1 answers, version 0.1.0

            node  state        address                            zone    catalog  leads  open  closed  to copy
            1     SERVING      10.0.0.1:9432                      -       leader   1      1     12      -
            2     UNREACHABLE  10.0.0.2:9432                      -       member   -      1     12      -
            3     LOST         10.0.0.3:9432                      cellar  watcher  -      1     12      7
            4     DRAINED      its address is another node's now  -       watcher  -      1     12      -

            shards       1 open, 2 closed
            replication  [##############..........] 62 %: 187 of 300 copies are where they are to be; node 2, which holds some of it, does not answer; it is to be 3 times, and there are too few nodes (`varve cluster add`)
            copying      13 copies to come, 13.0 MiB/s now; about 3 min left

            ! the disk of node 1 is FULL: it takes no appends; free some room
            ! shard 3 is NOT SERVED by node 1: segment 7 is damaged at byte 9
            ! replicas of shards 3, 7 hold DIFFERENT rows, as the log of node 1 says: one that a majority contradicts is being replaced; otherwise keep the data directories of all nodes, and see `varve cluster verify`
            ! node 2 (10.0.0.2:9432) does not answer: start its process again, or look at the network; when it stays away, what it holds is copied to others
            ! node 3 (10.0.0.3:9432) has been away for so long that what it held is being copied to others: start it again, or take it out with `varve cluster remove 3`
            ! node 4 (its address is another node's now) is empty: take it out with `varve cluster remove 4`
            ! the clock of node 4 is 3600 s behind that of node 1, and at most 300 s are allowed: let both follow a time server; until then they refuse each other's new connections
            ! shard 1 could not be merged, and is tried again: disk full
        "#]].assert_eq(&screen(&status));
    }

    #[test]
    fn how_often_everything_is_held_comes_with_what_is_not_as_it_should_be() {
        let alone = Replication { wanted: 3, possible: 1, copies_wanted: 4, copies: 4 };
        expect!["everything is held once; it is to be 3 times, and there are too few nodes (`varve cluster add`)"].assert_eq(&held(&alone, &[]));
        let nothing = Replication { wanted: 3, possible: 3, copies_wanted: 0, copies: 0 };
        assert_eq!(held(&nothing, &[]), "everything is held 3 times");
        let nodes = [node(1, "UNREACHABLE", "MEMBER"), node(2, "SERVING", "LEADER")];
        let held = held(&nothing, &nodes);
        assert_eq!(
            held,
            "everything is held 3 times; node 1, which holds some of it, does not answer"
        );
    }

    #[test]
    fn scripts_get_everything_under_stable_keys() {
        let value = to_json(&status());
        assert_eq!(value["nodes"][0]["peer_address"], "10.0.0.1:9432");
        assert_eq!(value["shards"][2]["state"], "OPEN");
        assert_eq!(value["replication"]["copies"], 9);
        assert_eq!(value["problems"], json!([]));
    }
}
