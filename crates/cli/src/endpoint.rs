//! The nodes that a subcommand talks to.

use clap::Args;
use tokio::runtime::Runtime;
use varve_client::{CallError, Client};

use crate::failure::Failure;

/// Where the nodes are.
#[derive(Debug, Args)]
pub(crate) struct EndpointArguments {
    /// The gRPC addresses of nodes, with commas or one flag each: the next is used when one fails
    #[arg(
        long,
        value_name = "URL",
        value_delimiter = ',',
        env = "VARVE_ENDPOINT",
        default_value = "http://127.0.0.1:9431"
    )]
    pub(crate) endpoint: Vec<String>,
}

impl EndpointArguments {
    pub(crate) async fn connect(&self) -> Result<Client, Failure> {
        let endpoints: Vec<&str> = self.endpoint.iter().map(|endpoint| endpoint.trim()).collect();
        Client::connect_any(&endpoints).await.map_err(|error| match error {
            varve_client::ConnectError::Endpoint { .. } => {
                Failure::usage(format_args!("--endpoint: {error}"))
            }
            varve_client::ConnectError::Unreachable { .. } => Failure::failed(error),
        })
    }
}

/// A call that was refused because of what was asked is a mistake of usage.
pub(crate) fn call_failure(error: CallError) -> Failure {
    match error {
        CallError::Refused(refusal) if refusal.reason == "INVALID" => {
            Failure::Usage(refusal.message)
        }
        error => Failure::failed(error),
    }
}

/// A runtime for the whole of a subcommand.
pub(crate) fn runtime() -> Result<Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::failed(format_args!("cannot start threads: {error}")))
}
