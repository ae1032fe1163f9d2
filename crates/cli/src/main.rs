//! The `varve` binary: a server, and the tools to feed and ask one.
//!
//! It reads arguments, talks to terminals and sets the exit code: 0 done, 1 failed, 2 usage.
//! What the subcommands do is done by `varve-node` and `varve-client`.

mod allocator;
mod cluster;
mod completions;
mod endpoint;
mod failure;
mod query;
mod send;
mod server;
mod table;
mod terminal;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// A log store that loses nothing: one binary, one machine or many.
#[derive(Debug, Parser)]
#[command(name = "varve", version, max_term_width = 100, after_help = EXAMPLES)]
#[command(subcommand_required = true, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Try it:
  varve server                                     # a complete node, data in ./varve-data
  varve send /var/log/syslog                       # in another terminal
  varve query 'connection \"timed out\"' --since 1h
  varve cluster status

`varve COMMAND --help` has more examples.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a node: with no flags a complete one, on loopback
    Server(Box<server::ServerArguments>),
    /// Send the lines of files, or of standard input
    Send(send::SendArguments),
    /// Find records by words, service, level, attributes and time
    Query(query::QueryArguments),
    /// Look at the cluster, and steer it
    Cluster(cluster::ClusterArguments),
    /// Print what makes a shell complete varve's commands
    Completions(completions::CompletionsArguments),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let done = match arguments.command {
        Command::Server(arguments) => server::run(&arguments),
        Command::Send(arguments) => send::run(&arguments),
        Command::Query(arguments) => query::run(&arguments),
        Command::Cluster(arguments) => cluster::run(&arguments),
        Command::Completions(arguments) => completions::run(&arguments),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.tell(),
    }
}
