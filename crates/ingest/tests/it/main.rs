//! What comes in, and what becomes of it.

mod grpc;
mod json_round_trip;
mod limits;
mod scenarios;
