//! Tests of the binary from outside.

mod run;
mod usage;
