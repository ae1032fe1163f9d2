//! The one place that carries out what was decided.

use tracing::debug;
use varve_shard::Command;
use varve_types::{GroupId, NodeId, ShardId};

use crate::catalog::{Catalog, CatalogCommand, CatalogReply};
use crate::host::{Inner, took_effect};
use crate::membership::Move;
use crate::network::{MessageKind, PeerMessage};
use crate::rollover::{ControlReply, ControlRequest, Step};

/// Asks a shard's replica, here or elsewhere.
pub(crate) async fn ask_shard(
    host: &Inner,
    catalog: &Catalog,
    shard: ShardId,
    node: NodeId,
    request: ControlRequest,
) -> Result<ControlReply, String> {
    if node == host.node() {
        let replica = host.replica(shard).ok_or_else(|| format!("shard {shard} is not here"))?;
        return host.control(&replica.group, request).await.map_err(|error| error.to_string());
    }
    let entry = catalog.shards.get(&shard);
    let to = entry.and_then(|entry| entry.replica_on(node));
    let to = to.ok_or_else(|| format!("shard {shard} has no replica on node {node}"))?;
    let (group, kind) = (GroupId::shard(shard), MessageKind::Control);
    let message = PeerMessage { group, to, kind, body: request.encode() };
    let reply = host.transport().send(node, message).await.map_err(|error| error.to_string())?;
    ControlReply::decode(reply).map_err(|error| error.to_string())
}

/// Takes one step of a rollover.
pub(super) async fn step(host: &Inner, catalog: &Catalog, step: &Step) -> Result<(), String> {
    match step {
        Step::Prepare { predecessors, successors } => {
            let (predecessors, successors) =
                (predecessors.clone(), successors.iter().map(Into::into).collect());
            change(host, &CatalogCommand::Prepare { predecessors, successors }).await
        }
        Step::Seal { shard, leader, successors } => {
            let command = Command::Seal { successors: successors.clone() };
            propose(host, catalog, *shard, *leader, &command).await
        }
        Step::Inherit { shard, leader, from } => {
            let mut tables = Vec::with_capacity(from.len());
            for (before, node) in from {
                let request = ControlRequest::ExportDedup;
                match ask_shard(host, catalog, *before, *node, request).await? {
                    ControlReply::Dedup(table) => tables.push(table),
                    reply => return Err(format!("shard {before} answered {reply:?}")),
                }
            }
            propose(host, catalog, *shard, *leader, &Command::Inherit { tables }).await
        }
        Step::RecordSealed(shard) => change(host, &CatalogCommand::Sealed { shard: *shard }).await,
        Step::RecordOpened(shard) => change(host, &CatalogCommand::Opened { shard: *shard }).await,
        Step::RecordClosed { shard, closed } => {
            change(host, &CatalogCommand::Closed { shard: *shard, closed: closed.clone() }).await
        }
    }
}

/// Makes one change of who holds or leads what.
pub(super) async fn change_membership(
    host: &Inner,
    catalog: &Catalog,
    step: &Move,
) -> Result<(), String> {
    match step {
        Move::Change(command) => change(host, command).await,
        Move::Lead { shard, leader, to } => {
            let request = ControlRequest::HandOver(*to);
            match ask_shard(host, catalog, *shard, *leader, request).await? {
                ControlReply::Done => Ok(()),
                reply => Err(format!("shard {shard} answered {reply:?}")),
            }
        }
        Move::LeadCatalog { to } => {
            let group = host.catalog_group().ok_or("this node left the metadata group")?;
            group.hand_over(*to).await
        }
    }
}

async fn change(host: &Inner, command: &CatalogCommand) -> Result<(), String> {
    match host.change(command).await {
        Ok(CatalogReply::Done | CatalogReply::Node(_)) => Ok(()),
        Ok(CatalogReply::Refused(why)) => Err(why),
        Err(error) => Err(error.to_string()),
    }
}

async fn propose(
    host: &Inner,
    catalog: &Catalog,
    shard: ShardId,
    leader: NodeId,
    command: &Command,
) -> Result<(), String> {
    let request = ControlRequest::Propose(command.encode());
    match ask_shard(host, catalog, shard, leader, request).await? {
        ControlReply::Proposed(outcome) if took_effect(&outcome) => Ok(()),
        reply => {
            debug!(?reply, "a command of the driver did not take effect");
            Err(format!("shard {shard} did not take it"))
        }
    }
}
