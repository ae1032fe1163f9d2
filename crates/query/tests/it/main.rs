//! Searches over real tables, from outside the crate.

mod aggregates;
mod damage;
mod model;
mod parts;
mod pruning;
mod real_logs;
mod scenarios;
mod world;
