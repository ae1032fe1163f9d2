//! The node that a subcommand talks to.

use clap::Args;
use tokio::runtime::Runtime;
use varve_client::{CallError, Client};

use crate::failure::Failure;

/// Where the node is.
#[derive(Debug, Args)]
pub(crate) struct EndpointArguments {
    /// The gRPC address of a node
    #[arg(
        long,
        value_name = "URL",
        env = "VARVE_ENDPOINT",
        default_value = "http://127.0.0.1:9431"
    )]
    pub(crate) endpoint: String,
}

impl EndpointArguments {
    pub(crate) async fn connect(&self) -> Result<Client, Failure> {
        Client::connect(&self.endpoint).await.map_err(|error| match error {
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
