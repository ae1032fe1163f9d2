//! Which of its starts a node's process is.
//!
//! A data directory that was copied is a second node with the number of the first, and votes twice.
//! Nothing in the copy says so, but no two starts have the same number: a process says its own, and
//! the one that its disk had before. Whoever knows of a start between these two knows that this disk
//! is not where the node has been since.

use crate::codec::{CodecError, Reader, Writer};

/// A start of a node's process: no two of one node have the same number, and later ones have larger
/// ones. 0 is that of a node that never said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Incarnation(pub u64);

impl Incarnation {
    /// Whether it is the number of a start, and not that of a node that never said.
    #[must_use]
    pub const fn is_said(self) -> bool {
        self.0 != 0
    }
}

/// A start, and the one before it on the same disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Starts {
    /// This one.
    pub this: Incarnation,
    /// The one before; `None` at the first, or when the disk has lost it.
    pub before: Option<Incarnation>,
}

impl Starts {
    /// Whether the node may have gone on from a start that somebody knows of to this one. A node
    /// that does not say which start it is may.
    #[must_use]
    pub fn continues(&self, known: Incarnation) -> bool {
        !self.this.is_said() || known == self.this || known <= self.before.unwrap_or(self.this)
    }

    pub(super) fn write(&self, writer: &mut Writer) {
        writer.u64(self.this.0);
        writer.option(self.before, |writer, before| writer.u64(before.0));
    }

    pub(super) fn read(reader: &mut Reader) -> Result<Self, CodecError> {
        let this = Incarnation(reader.u64()?);
        Ok(Self { this, before: reader.option(|reader| reader.u64().map(Incarnation))? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_that_missed_a_start_is_known_by_it() {
        for (this, before, known, continues) in [
            (7, Some(5), 0, true),
            (7, Some(5), 5, true),
            (7, Some(5), 7, true),
            // Its last start was never told to anybody.
            (7, Some(5), 4, true),
            (7, Some(5), 6, false),
            (7, Some(5), 8, false),
            (7, None, 6, true),
            (7, None, 8, false),
            (0, None, 8, true),
        ] {
            let before = before.map(Incarnation);
            let starts = Starts { this: Incarnation(this), before };
            assert_eq!(starts.continues(Incarnation(known)), continues, "{starts:?} {known}");
        }
    }
}
