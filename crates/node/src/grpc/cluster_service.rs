//! `ClusterService`: what the cluster looks like, and steering it.

use std::sync::Arc;

use tokio::sync::mpsc;
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::{Request, Response, Status};
use varve_consensus::{Catalog, CatalogError, ShardState, VerifyRow};
use varve_proto::v1;
use varve_proto::v1::cluster_service_server::ClusterService;
use varve_types::{LogIndex, NodeId, ShardId};

use crate::server::Services;

/// The service.
pub(super) struct ClusterApi {
    services: Arc<Services>,
}

impl ClusterApi {
    pub(super) const fn new(services: Arc<Services>) -> Self {
        Self { services }
    }

    /// The catalog as it is now, wherever it is kept.
    async fn catalog(&self) -> Result<Arc<Catalog>, Status> {
        let catalog = self.services.host.catalog_now().await;
        catalog.map_err(|error| Status::unavailable(error.to_string()))
    }
}

#[tonic::async_trait]
impl ClusterService for ClusterApi {
    async fn status(
        &self,
        _request: Request<v1::StatusRequest>,
    ) -> Result<Response<v1::StatusResponse>, Status> {
        Ok(Response::new(self.services.status().await))
    }

    async fn nodes(
        &self,
        _request: Request<v1::NodesRequest>,
    ) -> Result<Response<v1::NodesResponse>, Status> {
        Ok(Response::new(v1::NodesResponse { nodes: self.services.nodes().await }))
    }

    async fn shards(
        &self,
        request: Request<v1::ShardsRequest>,
    ) -> Result<Response<v1::ShardsResponse>, Status> {
        let states = request.into_inner().states;
        let wanted = |shard: &v1::ShardStatus| {
            states.is_empty() || states.iter().any(|state| state.eq_ignore_ascii_case(&shard.state))
        };
        let shards = self.services.shards().into_iter().filter(wanted).collect();
        Ok(Response::new(v1::ShardsResponse { shards }))
    }

    async fn drain(
        &self,
        request: Request<v1::DrainRequest>,
    ) -> Result<Response<v1::DrainResponse>, Status> {
        let v1::DrainRequest { node_id, undo } = request.into_inner();
        let drained = self.services.host.set_draining(NodeId(node_id), !undo).await;
        drained.map_err(refused)?;
        Ok(Response::new(v1::DrainResponse {}))
    }

    async fn remove(
        &self,
        request: Request<v1::RemoveRequest>,
    ) -> Result<Response<v1::RemoveResponse>, Status> {
        let removed = self.services.host.remove(NodeId(request.into_inner().node_id)).await;
        removed.map_err(refused)?;
        Ok(Response::new(v1::RemoveResponse {}))
    }

    async fn transfer_leader(
        &self,
        request: Request<v1::TransferLeaderRequest>,
    ) -> Result<Response<v1::TransferLeaderResponse>, Status> {
        let v1::TransferLeaderRequest { shard, to_node } = request.into_inner();
        let moved = self.services.host.transfer_leader(ShardId(shard), NodeId(to_node)).await;
        moved.map_err(refused)?;
        Ok(Response::new(v1::TransferLeaderResponse {}))
    }

    async fn seal(
        &self,
        _request: Request<v1::SealRequest>,
    ) -> Result<Response<v1::SealResponse>, Status> {
        let catalog = self.catalog().await?;
        let open: Vec<ShardId> = catalog.open_shards().map(|(shard, _)| shard).collect();
        let sealed = self.services.host.seal_all().await;
        sealed.map_err(|error| Status::unavailable(error.to_string()))?;
        let catalog = self.catalog().await?;
        let is_closed = |shard: &ShardId| {
            let entry = catalog.shards.get(shard);
            entry.is_some_and(|entry| matches!(entry.state, ShardState::Closed(_)))
        };
        let sealed = open.into_iter().filter(is_closed).map(ShardId::get).collect();
        Ok(Response::new(v1::SealResponse { sealed }))
    }

    type VerifyStream = UnboundedReceiverStream<Result<v1::VerifyResponse, Status>>;

    async fn verify(
        &self,
        _request: Request<v1::VerifyRequest>,
    ) -> Result<Response<Self::VerifyStream>, Status> {
        // No more than there are copies, each of them small.
        let (rows, receiver) = mpsc::unbounded_channel();
        let host = self.services.host.clone();
        tokio::spawn(async move {
            let send = |row: &VerifyRow| {
                // Who asked has gone: the other branch sees it too.
                let _ = rows.send(Ok(verified(row)));
            };
            tokio::select! {
                _ = host.verify(send) => {}
                () = rows.closed() => {}
            }
        });
        Ok(Response::new(UnboundedReceiverStream::new(receiver)))
    }
}

fn verified(row: &VerifyRow) -> v1::VerifyResponse {
    v1::VerifyResponse {
        shard: row.shard.get(),
        node_id: row.node.get(),
        applied_index: row.applied.map(LogIndex::get),
        rows: row.rows,
        content_digest: row.digest.to_string(),
        files_digest: row.files.to_string(),
        ok: row.ok,
        problem: row.problem.clone().unwrap_or_default(),
    }
}

/// What is refused stays refused until somebody does something about it; anything else may pass.
fn refused(error: CatalogError) -> Status {
    match error {
        CatalogError::Refused(why) => Status::failed_precondition(why),
        error => Status::unavailable(error.to_string()),
    }
}
