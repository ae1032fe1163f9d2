//! The gRPC API: logs, cluster, health and reflection on one port.

mod cluster_service;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod log_service;
mod questions;
mod status;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use tokio_stream::Stream;
use tonic::server::NamedService;
use tonic::transport::Server;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;
use varve_consensus::Host;
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

/// How often a node that is ready is looked at: nobody who balances load asks more often.
const READY_PERIOD: Duration = Duration::from_secs(1);
/// How often one that is not: somebody waits for it.
const NOT_READY_PERIOD: Duration = Duration::from_millis(100);

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
    report_readiness(&health, &services.host).await;
    let follow = follow_readiness(health, services.host.clone());
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
    let served = Server::builder()
        .add_service(health_service)
        .add_service(reflection_v1)
        .add_service(reflection_v1alpha)
        .add_service(logs)
        .add_service(ClusterServiceServer::new(ClusterApi::new(services)))
        .serve_with_incoming_shutdown(incoming, shutdown);
    tokio::select! {
        served = served => served.map_err(|error| NodeError::Grpc(error.to_string())),
        never = follow => match never {},
    }
}

/// Says for as long as it is polled whether the node has what it is to have.
async fn follow_readiness(health: HealthReporter, host: Host) -> Infallible {
    loop {
        let status = report_readiness(&health, &host).await;
        let ready = status == ServingStatus::Serving;
        tokio::time::sleep(if ready { READY_PERIOD } else { NOT_READY_PERIOD }).await;
    }
}

/// Says it once, of every service and of the node as a whole.
async fn report_readiness(health: &HealthReporter, host: &Host) -> ServingStatus {
    const LOGS: &str = <LogServiceServer<LogApi> as NamedService>::NAME;
    const CLUSTER: &str = <ClusterServiceServer<ClusterApi> as NamedService>::NAME;
    let status = match host.readiness() {
        Ok(()) => ServingStatus::Serving,
        Err(_) => ServingStatus::NotServing,
    };
    for service in ["", LOGS, CLUSTER] {
        health.set_service_status(service, status).await;
    }
    status
}
