//! What is wrong with a message, and where in its request.

use std::fmt;
use std::sync::Arc;

use varve_types::BatchKeyError;

/// A message that stands for no value of ours.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}{field}: {problem}")]
pub struct DecodeError {
    /// Which part of the request.
    pub place: Place,
    /// The field within that part, for example `attributes[2].value`.
    pub field: String,
    /// What is wrong with it.
    pub problem: Problem,
}

/// A part of a request that repeats, or the request itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// A field of the request itself.
    Request,
    /// An entry of `resources`, from 0.
    Resource(usize),
    /// An entry of `records`, from 0.
    Record(usize),
}

/// Why a field was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// A message that must be there is not.
    #[error("is absent; set it")]
    Absent,
    /// A level that this version has no name for.
    #[error("{0} is not a level; the levels are 0 to 6")]
    Level(i32),
    /// An index past the table of resources.
    #[error(
        "{index} is past the request's {resources} resources; they count from 1, and 0 is none"
    )]
    Resource {
        /// What the record says, from 1.
        index: u32,
        /// How many the request has.
        resources: usize,
    },
    /// Two attributes of one record, or of one resource, share a name.
    #[error("{0:?} occurs twice; names are unique within a record")]
    DuplicateName(Arc<str>),
    /// The batch's key is malformed.
    #[error(transparent)]
    Key(#[from] BatchKeyError),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Request => Ok(()),
            Self::Resource(index) => write!(f, "resources[{index}]."),
            Self::Record(index) => write!(f, "records[{index}]."),
        }
    }
}
