//! Asking before something is done that cannot be taken back.

use std::io::{self, IsTerminal};

use crate::failure::Failure;

/// Says what is about to be done, and asks whether to go on, unless `yes` has answered that.
///
/// # Errors
///
/// When the answer is no, or there is nobody to ask.
pub(super) fn confirm(will: &str, yes: bool) -> Result<(), Failure> {
    eprintln!("{will}");
    if yes {
        return Ok(());
    }
    if !io::stdin().is_terminal() {
        return Err(Failure::usage("nobody is there to ask: say --yes if that is meant"));
    }
    eprint!("Go on? [y/N] ");
    let mut answer = String::new();
    io::stdin().read_line(&mut answer).map_err(Failure::failed)?;
    match answer.trim().to_ascii_lowercase().as_str() {
        "y" | "yes" => Ok(()),
        _ => Err(Failure::failed("nothing was changed")),
    }
}
