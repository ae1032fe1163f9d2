//! What a table says of all its rows without a page being read.

use std::fmt;
use std::sync::Arc;

use varve_types::{Level, TimestampNs};

/// A set of levels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LevelSet(u8);

impl LevelSet {
    /// No level.
    pub const EMPTY: Self = Self(0);

    /// Adds a level.
    pub const fn insert(&mut self, level: Level) {
        self.0 |= 1 << level.number();
    }

    /// Whether the set has a level.
    #[must_use]
    pub const fn contains(self, level: Level) -> bool {
        self.0 & 1 << level.number() != 0
    }

    /// The levels of either set.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(crate) const fn bits(self) -> u8 {
        self.0
    }

    /// The set with these bits, or `None` when a bit is no level's.
    pub(crate) fn from_bits(bits: u8) -> Option<Self> {
        (u32::from(bits) < 1 << Level::ALL.len()).then_some(Self(bits))
    }
}

impl fmt::Display for LevelSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = Level::ALL.into_iter().filter(|&level| self.contains(level)).map(Level::name);
        f.write_str(&names.collect::<Vec<_>>().join(" "))
    }
}

/// What a table says of all its rows without a page being read.
#[derive(Clone, Debug, PartialEq)]
pub struct ZoneMap {
    /// The earliest and the latest timestamp, or `None` of a table without rows.
    pub times: Option<(TimestampNs, TimestampNs)>,
    /// The levels that occur.
    pub levels: LevelSet,
    /// The services that occur, sorted, or `None` where they are too many to list.
    pub services: Option<Vec<Arc<str>>>,
}

impl ZoneMap {
    /// Whether a row of this service may occur.
    #[must_use]
    pub fn may_have_service(&self, service: &str) -> bool {
        self.services.as_ref().is_none_or(|services| {
            services.binary_search_by(|candidate| (**candidate).cmp(service)).is_ok()
        })
    }
}
