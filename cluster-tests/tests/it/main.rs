//! Tests of whole nodes, of the harness that simulates them, and of the source's own rules.

mod harness;
mod http;
mod processes;
mod register;
mod simulation;
mod style;
