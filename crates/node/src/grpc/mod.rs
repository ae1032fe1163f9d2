//! The gRPC API: logs, cluster, health and reflection on one port.

mod cluster_service;
mod log_service;
mod questions;
mod status;

use std::sync::Arc;

use tokio_stream::Stream;
use tonic::transport::Server;
use varve_proto::v1::cluster_service_server::ClusterServiceServer;
use varve_proto::v1::log_service_server::LogServiceServer;
use varve_types::limits;

use self::cluster_service::ClusterApi;
use self::log_service::LogApi;
use crate::NodeError;
use crate::listen::Connection;
use crate::server::Services;

/// A message may carry the largest keyed batch, and what its encoding adds.
const MESSAGE_BYTES_MAX: usize = limits::REQUEST_BYTES_MAX;

/// Serves until `shutdown` resolves, and then finishes what is under way.
///
/// # Errors
///
/// When the transport fails as a whole; a broken connection is no error.
pub(crate) async fn serve(
    services: Arc<Services>,
    incoming: impl Stream<Item = std::io::Result<Connection>> + Send + 'static,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<(), NodeError> {
    let (health, health_service) = tonic_health::server::health_reporter();
    health.set_serving::<LogServiceServer<LogApi>>().await;
    health.set_serving::<ClusterServiceServer<ClusterApi>>().await;
    let reflection = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(varve_proto::FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    let refused = |error: tonic_reflection::server::Error| NodeError::Grpc(error.to_string());
    // Tools of today ask for v1, many that are installed for v1alpha.
    let reflection_v1 = reflection().build_v1().map_err(refused)?;
    let reflection_v1alpha = reflection().build_v1alpha().map_err(refused)?;
    let logs = LogServiceServer::new(LogApi::new(Arc::clone(&services)))
        .max_decoding_message_size(MESSAGE_BYTES_MAX)
        .max_encoding_message_size(MESSAGE_BYTES_MAX)
        .accept_compressed(tonic::codec::CompressionEncoding::Gzip)
        .accept_compressed(tonic::codec::CompressionEncoding::Zstd);
    Server::builder()
        .add_service(health_service)
        .add_service(reflection_v1)
        .add_service(reflection_v1alpha)
        .add_service(logs)
        .add_service(ClusterServiceServer::new(ClusterApi::new(services)))
        .serve_with_incoming_shutdown(incoming, shutdown)
        .await
        .map_err(|error| NodeError::Grpc(error.to_string()))
}
