//! `ClusterService`: what the cluster looks like, and closing its windows.

use std::sync::Arc;

use tonic::{Request, Response, Status};
use varve_consensus::ShardState;
use varve_proto::v1;
use varve_proto::v1::cluster_service_server::ClusterService;
use varve_types::ShardId;

use crate::server::Services;

/// The service.
pub(super) struct ClusterApi {
    services: Arc<Services>,
}

impl ClusterApi {
    pub(super) const fn new(services: Arc<Services>) -> Self {
        Self { services }
    }
}

#[tonic::async_trait]
impl ClusterService for ClusterApi {
    async fn status(
        &self,
        _request: Request<v1::StatusRequest>,
    ) -> Result<Response<v1::StatusResponse>, Status> {
        Ok(Response::new(self.services.status()))
    }

    async fn seal(
        &self,
        _request: Request<v1::SealRequest>,
    ) -> Result<Response<v1::SealResponse>, Status> {
        let host = &self.services.host;
        let open: Vec<ShardId> = host.catalog().open_shards().map(|(shard, _)| shard).collect();
        host.seal_all().await.map_err(|error| Status::unavailable(error.to_string()))?;
        let catalog = host.catalog();
        let is_closed = |shard: &ShardId| {
            let entry = catalog.shards.get(shard);
            entry.is_some_and(|entry| matches!(entry.state, ShardState::Closed(_)))
        };
        let sealed = open.into_iter().filter(is_closed).map(ShardId::get).collect();
        Ok(Response::new(v1::SealResponse { sealed }))
    }
}
