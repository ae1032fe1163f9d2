//! Nodes that are gone for good or came back, and what they report of closed shards.

use super::Move;
use crate::catalog::{Catalog, CatalogCommand, ShardState};
use crate::driver::{ClosedReport, HeldFiles, Observations};

/// Who counts as lost, and who no longer does.
pub(super) fn gone_and_back(catalog: &Catalog, seen: &Observations) -> Vec<Move> {
    let limit = catalog.settings.node_lost_after_ns;
    let change = |(id, node): (&varve_types::NodeId, &crate::catalog::Node)| {
        let silent = seen.silent_ns.get(id).copied().unwrap_or(0);
        let lost = match node.lost {
            false if silent >= limit => true,
            true if silent == 0 && !node.address.is_empty() => false,
            _ => return None,
        };
        Some(Move::Change(CatalogCommand::SetLost { node: *id, lost }))
    };
    catalog.nodes.iter().filter_map(change).collect()
}

/// What nodes hold of closed shards, where the catalog does not say so yet.
pub(super) fn reported(catalog: &Catalog, seen: &Observations) -> Vec<Move> {
    let mut moves = Vec::new();
    for (node, ClosedReport { shard, held, problem }) in &seen.closed {
        let (node, shard) = (*node, *shard);
        let Some(entry) = catalog.shards.get(&shard) else { continue };
        let ShardState::Closed(closed) = &entry.state else { continue };
        if entry.replica_on(node).is_none() {
            continue;
        }
        let is_holder = closed.holders.contains(&node);
        if problem.is_some() && is_holder {
            moves.push(Move::Change(CatalogCommand::Dropped { shard, node }));
            continue;
        }
        let Some(HeldFiles { rows, digest, files, finished }) = *held else { continue };
        if (rows, digest) != (closed.rows, closed.digest) {
            continue;
        }
        match &closed.finished {
            None if finished && is_holder => {
                moves.push(Move::Change(CatalogCommand::Finished { shard, node, files }));
            }
            Some(known) if known.files == files && !known.holders.contains(&node) => {
                let files = Some(files);
                moves.push(Move::Change(CatalogCommand::Held { shard, node, files }));
            }
            _ if !is_holder => {
                moves.push(Move::Change(CatalogCommand::Held { shard, node, files: None }));
            }
            _ => {}
        }
    }
    moves
}
