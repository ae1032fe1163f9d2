//! What a crash leaves of the things that were not synced.

use std::ops::Range;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// Disks write sectors, file systems pages: of one large write any of these may be kept.
const PATCH_BYTES: usize = 4096;

/// How hard a crash hits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Survival {
    /// The process ends, the machine goes on: everything written is kept.
    Everything,
    /// The power fails before anything that was not synced reached the disk.
    Synced,
    /// The power fails, and the seed decides for each unsynced write and name.
    Seeded(u64),
}

/// Decides, one thing after the other. The order of the questions is part of the outcome.
#[derive(Debug)]
pub(super) enum Judge {
    Everything,
    Synced,
    Seeded {
        rng: Box<StdRng>,
        /// How likely it is that a thing of the file in question is kept, in percent.
        kept_percent: u32,
    },
}

impl Judge {
    pub(super) fn new(survival: Survival) -> Self {
        match survival {
            Survival::Everything => Self::Everything,
            Survival::Synced => Self::Synced,
            Survival::Seeded(seed) => {
                Self::Seeded { rng: Box::new(StdRng::seed_from_u64(seed)), kept_percent: 50 }
            }
        }
    }

    /// The questions that follow are about another file. Files differ in their luck, so that
    /// "all of this one and nothing of that one" happens as well.
    pub(super) fn next_file(&mut self) {
        if let Self::Seeded { rng, kept_percent } = self {
            *kept_percent = 25 * rng.random_range(0..=4);
        }
    }

    /// How many of the changes of a directory's names are kept: the first so many.
    pub(super) fn names_kept(&mut self, changes: usize) -> usize {
        match self {
            Self::Everything => changes,
            Self::Synced => 0,
            Self::Seeded { rng, .. } => rng.random_range(0..=changes),
        }
    }

    /// Whether a change of a file's length is kept.
    pub(super) fn keeps_length(&mut self) -> bool {
        match self {
            Self::Everything => true,
            Self::Synced => false,
            Self::Seeded { rng, kept_percent } => rng.random_range(0..100) < *kept_percent,
        }
    }

    /// What is kept of a write of so many bytes: apart, ascending ranges of it.
    #[expect(clippy::single_range_in_vec_init, reason = "a list of ranges is meant")]
    pub(super) fn kept_of_write(&mut self, bytes: usize) -> Vec<Range<usize>> {
        let whole = 0..bytes;
        match self {
            Self::Everything => vec![whole],
            Self::Synced => Vec::new(),
            Self::Seeded { rng, kept_percent } => {
                if rng.random_range(0..100) >= *kept_percent {
                    return Vec::new();
                }
                match rng.random_range(0..4) {
                    0 => vec![0..rng.random_range(0..=bytes)],
                    1 => patches(rng, bytes),
                    _ => vec![whole],
                }
            }
        }
    }
}

/// Some of the pages of a write, in any pattern.
fn patches(rng: &mut StdRng, bytes: usize) -> Vec<Range<usize>> {
    let mut kept: Vec<Range<usize>> = Vec::new();
    for start in (0..bytes).step_by(PATCH_BYTES) {
        if rng.random() {
            let end = (start + PATCH_BYTES).min(bytes);
            match kept.last_mut() {
                Some(last) if last.end == start => last.end = end,
                _ => kept.push(start..end),
            }
        }
    }
    kept
}
