//! Changes and linearizable reads of the catalog, wherever its group is led.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};
use varve_types::{GroupId, LogIndex, NodeId};

use super::{MetadataReply, MetadataRequest};
use crate::catalog::{Catalog, CatalogCommand, CatalogReply, staying};
use crate::driver::NodeReport;
use crate::errors::CatalogError;
use crate::host::Inner;
use crate::network::{MessageKind, PeerMessage};
use crate::raft_types::Reply;

/// How long to wait before everybody was asked in vain is repeated.
const ROUND_PAUSE: Duration = Duration::from_millis(50);
/// How long a change may take to be seen by the node that asked for it.
const SEEN_LIMIT: Duration = Duration::from_secs(1);
/// How often to look whether the catalog has come.
const APPLY_POLL: Duration = Duration::from_millis(2);

impl Inner {
    /// Changes the catalog. Every command may be given again: one that took effect before
    /// changes nothing. What was changed is then seen here, too, unless that takes long.
    pub(crate) async fn change(
        &self,
        command: &CatalogCommand,
    ) -> Result<CatalogReply, CatalogError> {
        let request = MetadataRequest::Change(command.encode());
        match self.ask_catalog_leader(request, self.settings.propose_limit).await? {
            MetadataReply::Changed(_, CatalogReply::Refused(why)) => {
                Err(CatalogError::Refused(why))
            }
            MetadataReply::Changed(index, reply) => {
                // It is so, whether or not this node has heard of it.
                let _ = self.wait_for_catalog(Some(index), Instant::now() + SEEN_LIMIT).await;
                Ok(reply)
            }
            reply => Err(CatalogError::Stopped(format!("a change was answered with {reply:?}"))),
        }
    }

    pub(super) fn changed(index: LogIndex, reply: Reply) -> MetadataReply {
        match reply {
            Reply::Catalog(reply) => MetadataReply::Changed(index, reply),
            Reply::Unreadable(why) => MetadataReply::Changed(index, CatalogReply::Refused(why)),
            Reply::Nothing | Reply::Shard(_) => {
                unreachable!("BUG: the catalog answered {reply:?}")
            }
        }
    }

    /// The catalog, showing all changes that were made before this call.
    pub(in crate::host) async fn catalog_now(&self) -> Result<Arc<Catalog>, CatalogError> {
        let limit = self.settings.read_limit;
        let deadline = Instant::now() + limit;
        let index = match self.ask_catalog_leader(MetadataRequest::Index, limit).await? {
            MetadataReply::Index(index) => index,
            reply => {
                return Err(CatalogError::Stopped(format!("a read was answered with {reply:?}")));
            }
        };
        self.wait_for_catalog(index, deadline).await.ok_or(CatalogError::Timeout(limit))
    }

    /// Waits until the catalog here shows all up to a change.
    async fn wait_for_catalog(
        &self,
        index: Option<LogIndex>,
        deadline: Instant,
    ) -> Option<Arc<Catalog>> {
        while self.catalog().applied < index {
            if Instant::now() >= deadline {
                return None;
            }
            sleep(APPLY_POLL).await;
        }
        Some(self.catalog())
    }

    /// Asks the node that leads the metadata group, and finds it first.
    pub(in crate::host) async fn ask_catalog_leader(
        &self,
        request: MetadataRequest,
        limit: Duration,
    ) -> Result<MetadataReply, CatalogError> {
        let deadline = Instant::now() + limit;
        let mut hint = None;
        // Who was said to lead since the last pause: two that name each other, or one that is down,
        // would otherwise be asked without end.
        let mut followed = BTreeSet::new();
        let mut last = String::from("nobody leads the metadata group now");
        loop {
            for node in self.candidates(hint.take()) {
                let asked = timeout_at(deadline, self.ask_node(node, request.clone())).await;
                match asked.map_err(|_| CatalogError::Timeout(limit))? {
                    Ok(MetadataReply::NotLeader(leader)) => {
                        hint = leader.filter(|leader| *leader != node && followed.insert(*leader));
                        if hint.is_some() {
                            break;
                        }
                    }
                    Ok(MetadataReply::Failed(why)) => last = format!("node {node}: {why}"),
                    Ok(reply) => return Ok(reply),
                    Err(why) => last = why,
                }
            }
            if hint.is_none() {
                followed.clear();
                let pause = timeout_at(deadline, sleep(ROUND_PAUSE)).await;
                pause.map_err(|_| CatalogError::Unavailable(last.clone()))?;
            }
            if Instant::now() >= deadline {
                return Err(CatalogError::Unavailable(last));
            }
        }
    }

    /// Whom to ask, the most promising first.
    fn candidates(&self, hint: Option<NodeId>) -> Vec<NodeId> {
        let catalog = self.catalog();
        let known = hint.or_else(|| self.catalog_group()?.leader());
        let mut nodes: Vec<NodeId> = known.into_iter().collect();
        for (_, node) in staying(&catalog.replicas, &catalog.leaving) {
            if !nodes.contains(&node) {
                nodes.push(node);
            }
        }
        nodes
    }

    /// Asks another node for its report: for the full one first, and then for what nodes of the
    /// version before can say.
    pub(crate) async fn ask_report(&self, node: NodeId) -> Result<NodeReport, String> {
        let mut why = String::new();
        for request in [MetadataRequest::FullReport, MetadataRequest::Report] {
            match self.ask_node(node, request).await {
                Ok(MetadataReply::Report(report)) => return Ok(report),
                Ok(reply) => return Err(format!("it answered {reply:?}")),
                Err(error) => why = error,
            }
        }
        Err(why)
    }

    /// Asks one node about the catalog: this one, too.
    pub(crate) async fn ask_node(
        &self,
        node: NodeId,
        request: MetadataRequest,
    ) -> Result<MetadataReply, String> {
        if node == self.node {
            // Boxed, because what leads may itself ask others.
            return Ok(Box::pin(self.answer_as_leader(request)).await);
        }
        let body = request.encode();
        let message = PeerMessage::to_node(MessageKind::Catalog, GroupId::CATALOG, body);
        let reply = self.transport.send(node, message).await.map_err(|error| error.to_string())?;
        MetadataReply::decode(reply).map_err(|error| format!("node {node}: {error}"))
    }
}
