//! Connecting to the peer port of a node.

use std::io;
use std::time::Duration;

use hyper_util::rt::TokioIo;
use tonic::transport::{Channel, Endpoint, Uri};
use tower::service_fn;
use varve_env::Env;

use super::CONNECT_LIMIT;

/// How often a connection is asked whether the other side still lives: a machine that lost its
/// power says no good-bye.
pub(super) const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(5);
/// How long it has to answer.
pub(super) const KEEP_ALIVE_LIMIT: Duration = Duration::from_secs(5);
/// How many bytes one side sends ahead of the other's reading: enough to fill a fast link.
pub(super) const WINDOW_BYTES: u32 = 4 << 20;

/// Connects to `host:port`; an error says why not.
pub(super) async fn dial(env: &Env, address: &str) -> Result<Channel, String> {
    let uri: Uri = format!("http://{address}")
        .parse()
        .map_err(|error| format!("{address} is no address, host:port: {error}"))?;
    let (network, host) = (env.network, address.to_owned());
    let connector = service_fn(move |_: Uri| {
        let host = host.clone();
        async move { Ok::<_, io::Error>(TokioIo::new(network.connect(&host).await?)) }
    });
    let endpoint = Endpoint::from(uri)
        .connect_timeout(CONNECT_LIMIT)
        .initial_stream_window_size(WINDOW_BYTES)
        .initial_connection_window_size(WINDOW_BYTES)
        .http2_keep_alive_interval(KEEP_ALIVE_INTERVAL)
        .keep_alive_timeout(KEEP_ALIVE_LIMIT)
        .keep_alive_while_idle(true);
    endpoint.connect_with_connector(connector).await.map_err(|error| innermost(&error))
}

/// What is at the bottom of an error: "connection refused", not "transport error".
fn innermost(error: &dyn std::error::Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}
