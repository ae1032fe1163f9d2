//! Looking at a cluster, and steering it.

use tonic::{Response, Status};
use varve_proto::v1;
use varve_proto::v1::cluster_service_client::ClusterServiceClient;
use varve_types::ShardId;

use tonic::transport::Channel;

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

    /// Closes the open windows, and answers the shards that this sealed.
    ///
    /// # Errors
    ///
    /// As [`Client::query`].
    pub async fn seal(&self) -> Result<Vec<ShardId>, CallError> {
        let answer = self.steer(async |mut cluster| cluster.seal(v1::SealRequest {}).await).await?;
        Ok(answer.sealed.into_iter().map(ShardId).collect())
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
