//! What `make bench` is made of: a seeded corpus, load for a real server, questions whose answers
//! are known, and a report. It sees the server as any client does: a process, its two ports, its
//! files, and what the operating system says of it.

pub mod corpus;
mod disk;
pub mod load;
pub mod parts;
mod random;
pub mod report;
pub mod scale;
mod server;

/// What goes wrong in a benchmark ends it, with a text for people.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

pub use server::binary;
