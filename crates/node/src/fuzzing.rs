//! What fuzzers reach of this crate: what peers and clients send, before anything acts on it.
//! Compiled with the feature `fuzzing` alone.
//!
//! Each function takes any bytes and answers nothing: it panics when a promise is broken.

pub use crate::grpc::fuzzing::questions as grpc_questions;
pub use crate::http::fuzzing::parameters as http_parameters;
pub use crate::peer::fuzzing::{frames as peer_frames, introductions as peer_introductions};
pub use crate::read::fuzzing::{fragment, reply};
