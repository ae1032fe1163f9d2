//! Nodes, as a table and as JSON.

use serde_json::{Value, json};
use varve_client::v1::NodeStatus;
use varve_types::Level;

use crate::failure::Failure;
use crate::table::{Cell, Table};
use crate::terminal::Look;

const HEADINGS: [&str; 9] =
    ["node", "state", "address", "zone", "catalog", "leads", "open", "closed", "to copy"];

/// One line a node.
pub(super) fn table(nodes: &[NodeStatus]) -> Table<9> {
    let mut table = Table::new(HEADINGS);
    for node in nodes {
        let severity = match node.state.as_str() {
            "SERVING" => Level::Info,
            "DRAINING" | "DRAINED" => Level::Warn,
            _ => Level::Error,
        };
        table.push([
            Cell::new(node.node_id),
            Cell::looking(&node.state, Look::Level(severity)),
            Cell::new(address(node)),
            Cell::new(if node.zone.is_empty() { "-" } else { &node.zone }),
            Cell::new(node.metadata.to_ascii_lowercase()),
            Cell::count(node.leads),
            Cell::count(node.open_replicas),
            Cell::count(node.closed_replicas),
            Cell::count(node.copies_missing),
        ]);
    }
    table
}

/// Where peers reach a node, in words when they do not.
pub(super) fn address(node: &NodeStatus) -> &str {
    if node.peer_address.is_empty() {
        "its address is another node's now"
    } else {
        &node.peer_address
    }
}

/// The node of a number.
///
/// # Errors
///
/// Names those that there are.
pub(super) fn find(nodes: &[NodeStatus], number: u64) -> Result<&NodeStatus, Failure> {
    nodes.iter().find(|node| node.node_id == number).ok_or_else(|| {
        let known: Vec<u64> = nodes.iter().map(|node| node.node_id).collect();
        Failure::usage(format_args!(
            "there is no node {number}; the nodes are {}",
            super::list(&known)
        ))
    })
}

pub(super) fn to_json(node: &NodeStatus) -> Value {
    let copying = node.copying.as_ref().map(|copying| {
        json!({
            "shards": copying.shards,
            "bytes_per_s": copying.bytes_per_s,
            "seconds_left": copying.seconds_left,
        })
    });
    json!({
        "node_id": node.node_id,
        "peer_address": node.peer_address,
        "zone": node.zone,
        "version": node.version,
        "state": node.state,
        "metadata": node.metadata,
        "leads": node.leads,
        "open_replicas": node.open_replicas,
        "closed_replicas": node.closed_replicas,
        "copies_missing": node.copies_missing,
        "copying": copying,
        "clock_off_ms": node.clock_off_ms,
        "differing_shards": node.differing_shards,
    })
}
