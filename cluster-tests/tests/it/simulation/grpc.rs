//! Clients of nodes' gRPC, over the simulated network.

use hyper_util::rt::TokioIo;
use tonic::transport::Endpoint;
use varve_client::Client;
use varve_env::Env;

/// Talks to a node, `host:port`, once it is asked to.
pub(super) fn client(env: &Env, host: &str) -> Client {
    let (network, to) = (env.network, host.to_owned());
    let connector = tower::service_fn(move |_| {
        let to = to.clone();
        async move { network.connect(&to).await.map(TokioIo::new) }
    });
    let channel = Endpoint::from_static("http://a.node").connect_with_connector_lazy(connector);
    Client::over(channel, host)
}
