//! Why stored bytes could not be read: always with the name of their source and the offset.

use std::borrow::Cow;
use std::io;

/// Bytes that are not a table this program reads.
#[derive(Debug, thiserror::Error)]
pub enum FormatError {
    /// The bytes are damaged, or were never a table.
    #[error("{name}: at byte {offset}: {what}")]
    Corrupt {
        /// The source, usually a path.
        name: String,
        /// Where the damaged structure begins, in bytes from the start.
        offset: u64,
        /// What is wrong with it.
        what: Cow<'static, str>,
    },
    /// Written by a newer program, in a format that this one does not know.
    #[error(
        "{name}: table format version {found} is unknown: this program reads versions 1 to {known}, a newer one wrote it; upgrade this node"
    )]
    Version {
        /// The source, usually a path.
        name: String,
        /// The version that the header names.
        found: u16,
        /// The newest version that this program reads.
        known: u16,
    },
    /// The source could not be read.
    #[error("{name}: reading {len} bytes at byte {offset} failed: {error}")]
    Read {
        /// The source, usually a path.
        name: String,
        /// Where the read began, in bytes from the start.
        offset: u64,
        /// How many bytes were wanted.
        len: usize,
        /// What the source said.
        #[source]
        error: io::Error,
    },
}

/// What is wrong with some bytes, before it is known where they lie.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Malformed(pub(crate) Cow<'static, str>);

impl From<&'static str> for Malformed {
    fn from(what: &'static str) -> Self {
        Self(Cow::Borrowed(what))
    }
}

impl Malformed {
    /// The same, with the structure's place filled in.
    pub(crate) fn at(self, name: &str, offset: u64) -> FormatError {
        FormatError::Corrupt { name: name.to_owned(), offset, what: self.0 }
    }
}
