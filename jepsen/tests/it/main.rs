//! Checkers and the histories that they are tried on, and the harness on real processes.

mod histories;
mod processes;
mod text;
