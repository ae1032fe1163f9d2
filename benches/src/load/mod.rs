//! Load: batches made ahead of time, and the two ways to send them. A closed loop keeps a window of
//! batches in flight and shows how fast the server is; an open loop sends by the clock, whatever
//! the server does, and shows how long an acknowledgement takes.

mod batches;
mod grpc;
mod http;
mod meter;

pub use batches::{Batch, Batches, Protocol, ROWS_PER_LONG_BATCH, ROWS_PER_SHORT_BATCH};
pub(crate) use grpc::{closed_loop as grpc_closed_loop, open_loop as grpc_open_loop};
pub(crate) use http::closed_loop as http_closed_loop;
pub(crate) use meter::{Ack, Measured, Meter};

/// Connections that send at once: batches fall to them in turn.
pub const CONNECTIONS: usize = 4;

/// Batches in flight on one connection of a closed loop.
const WINDOW: usize = 4;
