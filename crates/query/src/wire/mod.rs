//! Bytes of questions and of partial answers, as nodes send them to each other.
//!
//! Little-endian integers, LEB128 varints, byte strings behind their length. Who sends them puts
//! a version before them. Reading checks every bound: whatever the bytes, it answers an error and
//! allocates no more than they justify.

mod answer;
mod cursor;
mod question;
#[cfg(test)]
mod tests;

pub use cursor::{Reader, Writer};
pub(crate) use question::read_level;

/// Bytes that are no message of this version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("at byte {at} of a message about a search: {what}")]
pub struct WireError {
    /// Where reading stood.
    pub at: usize,
    /// What is wrong there.
    pub what: &'static str,
}
