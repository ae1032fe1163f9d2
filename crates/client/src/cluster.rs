//! Looking at a cluster, and steering it.

use tonic::transport::Channel;
use tonic::{Response, Status};
use varve_proto::v1;
use varve_proto::v1::cluster_service_client::ClusterServiceClient;
use varve_types::{NodeId, ShardId};

use crate::client::{Client, MESSAGE_BYTES_MAX};
use crate::error::CallError;

impl Client {
    /// The cluster as the node sees it that is used now.
    ///
    /// # Errors
    ///
    /// As [`Client::query`].
    pub async fn status(&self) -> Result<v1::StatusResponse, CallError> {
        self.steer(async |mut cluster| cluster.status(v1::StatusRequest {}).await).await
    }

    /// All nodes, each asked how it is.
    ///
    /// # Errors
    ///
    /// As [`Client::query`].
    pub async fn nodes(&self) -> Result<Vec<v1::NodeStatus>, CallError> {
        let answer =
            self.steer(async |mut cluster| cluster.nodes(v1::NodesRequest {}).await).await?;
        Ok(answer.nodes)
    }

    /// The shards in one of these states, or all, as the node sees them that is used now.
    ///
    /// # Errors
    ///
    /// As [`Client::query`].
    pub async fn shards(&self, states: &[String]) -> Result<Vec<v1::ShardStatus>, CallError> {
        let request = v1::ShardsRequest { states: states.to_vec() };
        let answer = self.steer(async |mut cluster| cluster.shards(request.clone()).await).await?;
        Ok(answer.shards)
    }

    /// Begins to empty a node. [`Client::nodes`] tells how far that is.
    ///
    /// # Errors
    ///
    /// [`CallError::Refused`] when there is no such node or too few would be left; otherwise as
    /// [`Client::query`].
    pub async fn drain(&self, node: NodeId) -> Result<(), CallError> {
        let request = v1::DrainRequest { node_id: node.get(), undo: false };
        self.steer(async |mut cluster| cluster.drain(request).await).await.map(drop)
    }

    /// Ends the drain of a node.
    ///
    /// # Errors
    ///
    /// As [`Client::drain`].
    pub async fn undo_drain(&self, node: NodeId) -> Result<(), CallError> {
        let request = v1::DrainRequest { node_id: node.get(), undo: true };
        self.steer(async |mut cluster| cluster.drain(request).await).await.map(drop)
    }

    /// Takes a node out of the cluster for good.
    ///
    /// # Errors
    ///
    /// [`CallError::Refused`] while it holds something; otherwise as [`Client::query`].
    pub async fn remove(&self, node: NodeId) -> Result<(), CallError> {
        let request = v1::RemoveRequest { node_id: node.get() };
        self.steer(async |mut cluster| cluster.remove(request).await).await.map(drop)
    }

    /// Has another node lead an open shard, and returns when it does.
    ///
    /// # Errors
    ///
    /// [`CallError::Refused`] when that node has no replica of it; otherwise as [`Client::query`].
    pub async fn transfer_leader(&self, shard: ShardId, to: NodeId) -> Result<(), CallError> {
        let request = v1::TransferLeaderRequest { shard: shard.get(), to_node: to.get() };
        self.steer(async |mut cluster| cluster.transfer_leader(request).await).await.map(drop)
    }

    /// Closes the open windows, and answers the shards that this sealed.
    ///
    /// # Errors
    ///
    /// As [`Client::query`].
    pub async fn seal(&self) -> Result<Vec<ShardId>, CallError> {
        let answer = self.steer(async |mut cluster| cluster.seal(v1::SealRequest {}).await).await?;
        Ok(answer.sealed.into_iter().map(ShardId).collect())
    }

    /// Has all nodes read all shards again, and compares the copies. Each copy is shown to `found`
    /// as soon as it is known.
    ///
    /// # Errors
    ///
    /// As [`Client::query`].
    pub async fn verify(&self, mut found: impl FnMut(v1::VerifyResponse)) -> Result<(), CallError> {
        let call = async |mut cluster: ClusterServiceClient<Channel>| {
            cluster.verify(v1::VerifyRequest {}).await
        };
        let mut copies = self.steer(call).await?;
        let lost = |status| CallError::of_status(self.endpoint(), &status);
        while let Some(copy) = copies.message().await.map_err(lost)? {
            found(copy);
        }
        Ok(())
    }

    /// Every call of the service may be made twice: it says what is to be, not what to change.
    async fn steer<T>(
        &self,
        call: impl AsyncFn(ClusterServiceClient<Channel>) -> Result<Response<T>, Status>,
    ) -> Result<T, CallError> {
        self.ask(async |place| {
            let cluster = ClusterServiceClient::new(place.channel.clone())
                .max_decoding_message_size(MESSAGE_BYTES_MAX);
            match call(cluster).await {
                Ok(answer) => Ok(answer.into_inner()),
                Err(status) => Err(CallError::of_status(&place.name, &status)),
            }
        })
        .await
    }
}
