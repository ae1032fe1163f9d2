//! Tests of the SDK from outside.

mod batches;
mod exactly_once;
mod fake_server;
mod json_lines;
mod recognise_lines;
mod recognise_real_logs;
mod several_nodes;
