//! The one bug that this process has.

use std::sync::atomic::{AtomicU8, Ordering};

use crate::Mutant;

/// Its number; 0 while there is none.
static PLANTED: AtomicU8 = AtomicU8::new(0);

impl Mutant {
    /// Gives this process the bug, in place of any other.
    pub fn plant(self) {
        PLANTED.store(self as u8, Ordering::Relaxed);
    }

    /// Whether this process has the bug.
    #[must_use]
    #[inline]
    pub fn is_planted(self) -> bool {
        PLANTED.load(Ordering::Relaxed) == self as u8
    }
}
