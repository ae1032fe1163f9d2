//! What blocks and segments promise, held to arbitrary records and arbitrary damage.

mod corruption;
mod fixtures;
mod generate;
mod indexes;
mod round_trip;
mod shape;
mod words;
