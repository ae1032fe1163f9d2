//! Taking in a node that wants to join.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::timeout;
use tracing::info;
use varve_types::NodeId;

use super::{MetadataReply, MetadataRequest};
use crate::catalog::{Catalog, CatalogCommand, CatalogReply, ClusterId, DiskId, NodeCard};
use crate::errors::{CatalogError, StartError};
use crate::host::{Host, Inner};

/// How long the node that has an address is given to show that it is there.
const ALIVE_LIMIT: Duration = Duration::from_secs(2);

/// What a disk without an identity says of itself when it asks to be taken in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinRequest {
    /// The cluster it wants; any, if it does not say.
    pub cluster: Option<ClusterId>,
    /// The number it drew: it may ask again and is the same node.
    pub disk: DiskId,
    /// Where its peers will reach it, as `host:port`.
    pub address: String,
    /// What fails together with it; empty when nobody said.
    pub zone: String,
    /// Which software it runs.
    pub version: String,
}

/// What a new node needs to start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admission {
    /// The cluster that takes it in.
    pub cluster: ClusterId,
    /// The id allotted to it.
    pub node: NodeId,
    /// The disk that the id was allotted to.
    pub disk: DiskId,
    /// The catalog, encoded: who is there, and where.
    pub catalog: Bytes,
}

impl Admission {
    /// Who is in the cluster, and where: the way to them before the node runs.
    ///
    /// # Errors
    ///
    /// When the catalog is of a version unknown here: this software is older than theirs.
    pub fn addresses(&self) -> Result<BTreeMap<NodeId, String>, StartError> {
        let catalog = self.catalog()?;
        Ok(catalog.nodes.into_iter().map(|(id, node)| (id, node.address)).collect())
    }

    pub(in crate::host) fn catalog(&self) -> Result<Catalog, StartError> {
        Catalog::decode(self.catalog.clone())
            .map_err(|error| StartError::Admission(error.to_string()))
    }
}

/// Why a node was not taken in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JoinError {
    /// It will not be, as it asks. The text names the remedy.
    #[error("{0}")]
    Rejected(String),
    /// It may be, when it asks again.
    #[error("{0}")]
    Unavailable(String),
}

impl Host {
    /// Takes a node into the cluster. The same disk again gets the same id.
    ///
    /// # Errors
    ///
    /// [`JoinError`]: whether asking again may help.
    pub async fn admit(&self, joiner: JoinRequest) -> Result<Admission, JoinError> {
        let inner = self.inner();
        let request = MetadataRequest::Admit(joiner);
        match inner.ask_catalog_leader(request, inner.settings.propose_limit).await {
            Ok(MetadataReply::Admitted(admission)) => Ok(admission),
            Ok(MetadataReply::Rejected(why)) => Err(JoinError::Rejected(why)),
            Ok(reply) => Err(JoinError::Unavailable(format!("it was answered with {reply:?}"))),
            Err(error) => Err(JoinError::Unavailable(error.to_string())),
        }
    }
}

impl Inner {
    pub(super) async fn admit_joiner(&self, joiner: JoinRequest) -> MetadataReply {
        if let Some(wanted) = joiner.cluster.filter(|wanted| *wanted != self.cluster) {
            return MetadataReply::Rejected(format!(
                "this is cluster {}, and the node wants to join cluster {wanted}: check the \
                 addresses given to --join",
                self.cluster
            ));
        }
        let JoinRequest { disk, address, zone, version, .. } = joiner;
        let instead_of = self.gone_from(&address, disk).await;
        let node = NodeCard { disk, address, zone, version };
        let shown = node.address.clone();
        match self.change(&CatalogCommand::AddNode { node, instead_of }).await {
            Ok(CatalogReply::Node(node)) => {
                info!(%node, address = shown, "a node joins");
                self.wake();
                let (cluster, catalog) = (self.cluster, self.catalog().encode());
                MetadataReply::Admitted(Admission { cluster, node, disk, catalog })
            }
            Ok(reply) => unreachable!("BUG: adding a node answered {reply:?}"),
            Err(CatalogError::Refused(why)) => MetadataReply::Rejected(why),
            Err(error) => MetadataReply::Failed(error.to_string()),
        }
    }

    /// The node that has an address in the catalog and is no longer found there.
    async fn gone_from(&self, address: &str, disk: DiskId) -> Option<NodeId> {
        let catalog = self.catalog();
        let mut others = catalog.nodes.iter().filter(|(_, node)| node.disk != disk);
        let (other, _) = others.find(|(_, node)| node.address == address)?;
        if *other == self.node {
            return None;
        }
        let asked = timeout(ALIVE_LIMIT, self.ask_node(*other, MetadataRequest::Report)).await;
        matches!(asked, Err(_) | Ok(Err(_))).then_some(*other)
    }
}
