//! Indexes of a segment: what finds rows without reading their pages.
//!
//! | section | index | answers |
//! |---|---|---|
//! | 3 | [`OwnerIndex`] | the rows of a service of a tenant |
//! | 4 | [`LevelIndex`] | the rows of a level |
//! | 5 | [`ResourceIndex`] | the rows of the resources that a filter wants |
//! | 6 | [`Rollup`] | how many rows a service has by level and hour, often by minute |
//! | 7, 8 | [`WordIndex`] | the row groups that may have a word, and counts of frequent words |
//!
//! A row is its position in the table, from 0. An index that would be out of proportion is left
//! out, and older segments have none: every reader may then answer `None`, and whoever asks reads
//! pages. Sections that a reader does not know are skipped, so that indexes come and go without a
//! new version of the format.

mod builder;
mod levels;
mod owners;
mod positions;
mod resources;
mod rollup;
mod words;

pub use levels::LevelIndex;
pub use owners::OwnerIndex;
pub use resources::ResourceIndex;
pub use rollup::{Rollup, RollupCell};
pub use words::WordIndex;

pub(crate) use builder::IndexBuilder;

use crate::error::{FormatError, Malformed};
use crate::segment::Segment;
use crate::table::Table;

const OWNERS_SECTION: u16 = 3;
const LEVELS_SECTION: u16 = 4;
const RESOURCES_SECTION: u16 = 5;
const ROLLUP_SECTION: u16 = 6;
const WORDS_SECTION: u16 = 7;
const BUCKETS_SECTION: u16 = 8;

impl Segment {
    /// Which rows each service of each tenant has.
    ///
    /// # Errors
    ///
    /// When the source cannot be read or the section is damaged.
    pub fn owner_index(&self) -> Result<Option<OwnerIndex>, FormatError> {
        OwnerIndex::open(self.table())
    }

    /// Which rows each level has.
    ///
    /// # Errors
    ///
    /// When the source cannot be read or the section is damaged.
    pub fn level_index(&self) -> Result<Option<LevelIndex>, FormatError> {
        LevelIndex::open(self.table())
    }

    /// Which rows each resource set has; a segment of too many different sets has no such index.
    ///
    /// # Errors
    ///
    /// When the source cannot be read or the section is damaged.
    pub fn resource_index(&self) -> Result<Option<ResourceIndex>, FormatError> {
        ResourceIndex::open(self.table())
    }

    /// How many rows each service has, by level and time.
    ///
    /// # Errors
    ///
    /// When the source cannot be read or the section is damaged.
    pub fn rollup(&self) -> Result<Option<Rollup>, FormatError> {
        Rollup::open(self.table())
    }

    /// Which row groups may have a word. Reads where its buckets lie, not the buckets.
    ///
    /// # Errors
    ///
    /// When the source cannot be read or the section is damaged.
    pub fn word_index(&self) -> Result<Option<WordIndex>, FormatError> {
        WordIndex::open(self.table())
    }
}

/// What is wrong with an index, with the table it belongs to.
fn damaged(table: &Table, index: &str, what: &Malformed) -> FormatError {
    table.contradiction(format!("the {index} index: {what}"))
}
