//! The transport over real sockets, between fakes that do what a message says.

mod carries;
mod joins;
mod pieces;
mod refuses;
mod world;
