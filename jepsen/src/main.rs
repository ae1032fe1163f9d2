//! `varve-jepsen`: attacks a cluster of real processes and checks what clients saw.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use varve_jepsen::checker::{Limits, check};
use varve_jepsen::nemesis::{CATALOGUE, Machine};
use varve_jepsen::{Failure, db, history, report, run};

mod arguments;

use arguments::RunArguments;

/// Attack a cluster, and check what its clients saw
#[derive(Debug, Parser)]
#[command(name = "varve-jepsen", version)]
struct Arguments {
    #[command(subcommand)]
    command: Subcommands,
}

#[derive(Debug, Subcommand)]
enum Subcommands {
    /// Have clients work while faults are brought, then check everything
    Run(Box<RunArguments>),
    /// Check a history again
    Check {
        /// A file `history.edn`
        history: PathBuf,
        /// Draw it there, too
        #[arg(long, value_name = "FILE")]
        plot: Option<PathBuf>,
    },
    /// List all kinds of faults, and say why some cannot be brought here
    Nemeses,
    /// Open a connection, and say by the exit code whether that went well
    #[command(hide = true)]
    Reach {
        /// HOST:PORT
        address: String,
    },
}

fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Subcommands::Run(arguments) => begin(&arguments),
        Subcommands::Check { history, plot } => check_again(&history, plot.as_deref()),
        Subcommands::Nemeses => {
            list();
            Ok(true)
        }
        Subcommands::Reach { address } => Ok(db::reach(&address)),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("varve-jepsen: {error}");
            ExitCode::from(2)
        }
    }
}

/// Whether all was well.
fn begin(arguments: &RunArguments) -> Result<bool, Failure> {
    if arguments.wants_own_network() && !db::is_own() && db::why_not().is_none() {
        return Err(db::begin_in_own(&std::env::current_exe()?));
    }
    let folder = arguments.folder()?;
    let options = arguments.options(&folder)?;
    println!("seed {}; everything goes to {}", options.seed, folder.display());
    let ran = run::run(&options)?;
    println!("\n{}", report::write(&folder, &options, &ran)?);
    let is_good = ran.is_good();
    if is_good && !arguments.keep_data {
        db::remove_data(&folder)?;
    }
    println!("{}", if is_good { "GOOD" } else { "NOT GOOD" });
    Ok(is_good)
}

fn check_again(file: &std::path::Path, plot: Option<&std::path::Path>) -> Result<bool, Failure> {
    let history = history::read(&std::fs::read_to_string(file)?)?;
    let verdicts = check(&history, &Limits::default())?;
    if let Some(plot) = plot {
        std::fs::write(plot, report::draw(&history, &history.calls()?))?;
    }
    print!("{}", report::show_verdicts(&verdicts));
    Ok(verdicts.iter().all(run::is_kept))
}

fn list() {
    let machine = Machine::probe(true);
    for entry in CATALOGUE.iter().copied().flatten() {
        let said = entry
            .why_not(&machine)
            .map_or_else(|| "possible here".to_owned(), |why| format!("SKIPPED: {why}"));
        println!("{:<19} {:<62} {said}", entry.name, entry.what);
    }
}
