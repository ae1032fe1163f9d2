//! Runs the binary, and shows what came of it.

use std::io::Write;
use std::process::{Command, Stdio};

/// An address where nobody listens: the port is reserved.
pub(crate) const NOBODY: &str = "http://127.0.0.1:1";

/// The exit code and both outputs, as text.
pub(crate) fn varve(arguments: &[&str], stdin: &str) -> String {
    let mut child = Command::new(env!("CARGO_BIN_EXE_varve"))
        .args(arguments)
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary runs");
    // A command that does not read its input closes it.
    let _ = child.stdin.take().expect("a pipe").write_all(stdin.as_bytes());
    let output = child.wait_with_output().expect("it ends");
    format!(
        "exit {}\n{}{}",
        output.status.code().map_or("by a signal".to_owned(), |code| code.to_string()),
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}
