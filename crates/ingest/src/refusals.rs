//! Gathers what is wrong with a request while the rest of it is still being checked.

use crate::{IngestError, Refusal};

/// The first refusals, and how many there were.
#[derive(Debug, Default)]
pub(crate) struct Refusals {
    listed: Vec<Refusal>,
    count: usize,
}

impl Refusals {
    /// Takes note of a refusal; past the number that is listed, only of its existence.
    pub(crate) fn push(&mut self, refusal: impl FnOnce() -> Refusal) {
        if self.listed.len() < IngestError::REFUSALS_MAX {
            self.listed.push(refusal());
        }
        self.count += 1;
    }

    /// Nothing was refused, or the error that says what was.
    pub(crate) fn into_result(self) -> Result<(), IngestError> {
        if self.count == 0 {
            return Ok(());
        }
        Err(IngestError { refusals: self.listed, refused: self.count })
    }
}
