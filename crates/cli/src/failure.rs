//! How the binary ends when it is not done: what is printed, and the exit code.

use std::fmt::Display;
use std::io;
use std::process::ExitCode;

/// Why a subcommand ended early.
#[derive(Debug)]
pub(crate) enum Failure {
    /// It could not be done.
    Failed(String),
    /// It was asked for in a way that makes no sense.
    Usage(String),
    /// It has been said already what failed.
    Told,
    /// Whoever read our output has gone: there is nobody to tell.
    NoReader,
}

impl Failure {
    pub(crate) fn failed(error: impl Display) -> Self {
        Self::Failed(error.to_string())
    }

    pub(crate) fn usage(error: impl Display) -> Self {
        Self::Usage(error.to_string())
    }

    /// Says on standard error what failed.
    pub(crate) fn tell(self) -> ExitCode {
        match self {
            Self::Failed(text) => {
                eprintln!("varve: {text}");
                ExitCode::FAILURE
            }
            Self::Usage(text) => {
                eprintln!("varve: {text}");
                ExitCode::from(2)
            }
            Self::Told => ExitCode::FAILURE,
            Self::NoReader => ExitCode::SUCCESS,
        }
    }
}

/// A failure to write output: a closed pipe (`varve query … | head`) is none.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::NoReader,
            _ => Self::Failed(format!("cannot write the output: {error}")),
        }
    }
}
