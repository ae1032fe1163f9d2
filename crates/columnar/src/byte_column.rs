//! Runs of byte strings in one buffer: read-only as decoded, growing as gathered.

use bytes::Bytes;

/// Byte strings one after another, as decoded from a page. Cloning shares the buffer.
#[derive(Clone, Debug)]
pub struct ByteColumn {
    /// Where each string begins, and where the last ends; ascending, within `data`.
    offsets: Vec<u32>,
    data: Bytes,
}

impl ByteColumn {
    /// `offsets` must be ascending, one more than there are strings, and end within `data`.
    pub(crate) fn new(offsets: Vec<u32>, data: Bytes) -> Self {
        debug_assert!(offsets.is_sorted(), "BUG: offsets of strings descend");
        debug_assert!(offsets.last().is_some_and(|&end| end as usize <= data.len()));
        Self { offsets, data }
    }

    /// How many strings there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.offsets.len() - 1
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The string at `position`.
    ///
    /// # Panics
    ///
    /// When `position` is not below [`Self::len`].
    #[must_use]
    pub fn get(&self, position: usize) -> &[u8] {
        &self.data[self.offsets[position] as usize..self.offsets[position + 1] as usize]
    }

    /// The string at `position`, sharing the buffer.
    ///
    /// # Panics
    ///
    /// When `position` is not below [`Self::len`].
    #[must_use]
    pub fn shared(&self, position: usize) -> Bytes {
        self.data.slice(self.offsets[position] as usize..self.offsets[position + 1] as usize)
    }

    /// All strings in order.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.offsets.windows(2).map(|ends| &self.data[ends[0] as usize..ends[1] as usize])
    }

    /// The whole buffer: all strings one after another, for searching all of them in one pass.
    #[must_use]
    pub fn data(&self) -> &[u8] {
        &self.data
    }

    /// Where each string begins in [`Self::data`], and where the last ends.
    #[must_use]
    pub fn offsets(&self) -> &[u32] {
        &self.offsets
    }
}

/// Byte strings that are still being gathered. The sum of their lengths stays below 4 GiB: row
/// groups are cut long before.
#[derive(Debug, Default)]
pub(crate) struct ByteBuffer {
    ends: Vec<u32>,
    data: Vec<u8>,
}

impl ByteBuffer {
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.data.extend_from_slice(bytes);
        self.ends.push(self.data.len() as u32);
    }

    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(crate) fn get(&self, position: usize) -> &[u8] {
        let start = if position == 0 { 0 } else { self.ends[position - 1] as usize };
        &self.data[start..self.ends[position] as usize]
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.len()).map(|position| self.get(position))
    }

    pub(crate) fn data(&self) -> &[u8] {
        &self.data
    }

    pub(crate) fn clear(&mut self) {
        self.ends.clear();
        self.data.clear();
    }
}
