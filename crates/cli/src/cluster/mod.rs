//! `varve cluster`: looking at a cluster, and steering it.

mod add;
mod confirm;
mod drain;
mod nodes;
mod seal;
mod shards;
mod status;
mod verify;

use std::io::{self, Write};

use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};
use varve_client::Client;
use varve_types::{NodeId, ShardId};

use crate::endpoint::{EndpointArguments, call_failure, runtime};
use crate::failure::Failure;
use crate::terminal::Screen;

/// Look at the cluster, and steer it
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  varve cluster status
  varve cluster status --output json | jq '.shards[] | select(.state == \"OPEN\")'
  varve cluster add                                # the command that starts one more node
  varve cluster drain 3                            # empties node 3, and waits until it is empty
  varve cluster remove 3                           # takes the empty node out
  varve cluster seal                               # waits until segments are merged for good
  varve cluster verify                             # exit code 1 when a copy is not as it should be")]
pub(crate) struct ClusterArguments {
    #[command(subcommand)]
    command: ClusterCommand,
}

#[derive(Debug, Subcommand)]
enum ClusterCommand {
    /// Show on one screen how the cluster is: its nodes, its shards, what needs somebody's care
    Status(ClusterOptions),
    /// Show the nodes, each asked how it is
    Nodes(ClusterOptions),
    /// Show the shards, as one node sees them
    Shards(shards::ShardsOptions),
    /// Print the command that starts one more node
    Add(add::AddOptions),
    /// Empty a node: what it holds is copied to others, so that it can be removed
    Drain(drain::DrainOptions),
    /// Take a node out of the cluster for good: one that is drained, or lost
    Remove(RemoveOptions),
    /// Have another node lead an open shard
    TransferLeader(TransferOptions),
    /// Close the open windows: what they hold is written out, merged for good, and never changes
    /// again
    Seal(seal::SealOptions),
    /// Have all nodes read everything they hold again, and compare their copies
    Verify(ClusterOptions),
}

#[derive(Debug, Args)]
struct RemoveOptions {
    /// The node's number, as `varve cluster nodes` shows it
    node: u64,
    /// Do not ask
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    cluster: ClusterOptions,
}

#[derive(Debug, Args)]
struct TransferOptions {
    /// The shard's number, as `varve cluster shards` shows it
    shard: u64,
    /// The number of the node that is to lead it
    node: u64,
    #[command(flatten)]
    cluster: ClusterOptions,
}

#[derive(Debug, Args)]
struct ClusterOptions {
    #[command(flatten)]
    endpoint: EndpointArguments,
    /// How to print
    #[arg(long, value_enum, default_value_t = Output::Text)]
    output: Output,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Output {
    /// For people
    Text,
    /// One JSON object, stable for scripts
    Json,
}

/// What a command says at its end: to people a text, to scripts an object.
struct Told {
    text: String,
    json: Value,
}

impl ClusterOptions {
    async fn connect(&self) -> Result<Client, Failure> {
        self.endpoint.connect().await
    }

    fn tell(&self, told: &Told) -> Result<(), Failure> {
        let mut out = io::stdout().lock();
        match self.output {
            Output::Text => writeln!(out, "{}", told.text)?,
            Output::Json => writeln!(out, "{}", told.json)?,
        }
        Ok(())
    }
}

pub(crate) fn run(arguments: &ClusterArguments) -> Result<(), Failure> {
    let runtime = runtime()?;
    runtime.block_on(async {
        match &arguments.command {
            ClusterCommand::Status(options) => show_status(options).await,
            ClusterCommand::Nodes(options) => show_nodes(options).await,
            ClusterCommand::Shards(options) => shards::run(options).await,
            ClusterCommand::Add(options) => add::run(options).await,
            ClusterCommand::Drain(options) => drain::run(options).await,
            ClusterCommand::Remove(options) => remove(options).await,
            ClusterCommand::TransferLeader(options) => transfer(options).await,
            ClusterCommand::Seal(options) => seal::run(options).await,
            ClusterCommand::Verify(options) => verify::run(options).await,
        }
    })
}

async fn show_status(options: &ClusterOptions) -> Result<(), Failure> {
    let status = options.connect().await?.status().await.map_err(call_failure)?;
    let mut out = io::stdout().lock();
    match options.output {
        Output::Text => status::write(&status, Screen::stdout(), &mut out)?,
        Output::Json => writeln!(out, "{}", status::to_json(&status))?,
    }
    Ok(())
}

async fn show_nodes(options: &ClusterOptions) -> Result<(), Failure> {
    let nodes = options.connect().await?.nodes().await.map_err(call_failure)?;
    let mut out = io::stdout().lock();
    match options.output {
        Output::Text => nodes::table(&nodes).write(Screen::stdout(), &mut out)?,
        Output::Json => {
            let nodes: Vec<Value> = nodes.iter().map(nodes::to_json).collect();
            writeln!(out, "{}", json!({ "nodes": nodes }))?;
        }
    }
    Ok(())
}

async fn remove(options: &RemoveOptions) -> Result<(), Failure> {
    let client = options.cluster.connect().await?;
    let nodes = client.nodes().await.map_err(call_failure)?;
    let node = nodes::find(&nodes, options.node)?;
    let will = format!(
        "node {} ({}, {}) will be taken out of the cluster for good: its disk is no member any \
         more, and to come back it joins as a new node with a new data directory",
        node.node_id,
        nodes::address(node),
        node.state,
    );
    confirm::confirm(&will, options.yes)?;
    client.remove(NodeId(options.node)).await.map_err(call_failure)?;
    options.cluster.tell(&Told {
        text: format!("removed node {}; stop its process if it runs", options.node),
        json: json!({ "removed": options.node }),
    })
}

async fn transfer(options: &TransferOptions) -> Result<(), Failure> {
    let client = options.cluster.connect().await?;
    let (shard, node) = (ShardId(options.shard), NodeId(options.node));
    client.transfer_leader(shard, node).await.map_err(call_failure)?;
    options.cluster.tell(&Told {
        text: format!("node {node} leads shard {shard}"),
        json: json!({ "shard": shard.get(), "leader_node": node.get() }),
    })
}

fn list(numbers: &[u64]) -> String {
    numbers.iter().map(u64::to_string).collect::<Vec<_>>().join(", ")
}
