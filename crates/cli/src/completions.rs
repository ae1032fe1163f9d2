//! `varve completions`: what makes a shell complete our commands.

use std::io::Write;

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use crate::Arguments;
use crate::failure::Failure;

/// Print what makes a shell complete varve's commands
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  varve completions bash > ~/.local/share/bash-completion/completions/varve
  varve completions zsh > \"${fpath[1]}/_varve\"
  varve completions fish > ~/.config/fish/completions/varve.fish")]
pub(crate) struct CompletionsArguments {
    /// Which shell
    shell: Shell,
}

pub(crate) fn run(arguments: &CompletionsArguments) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut Arguments::command(), "varve", &mut script);
    std::io::stdout().lock().write_all(&script)?;
    Ok(())
}
