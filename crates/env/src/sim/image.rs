//! The bytes of one simulated file: sparse pages, shared between copies until written.
//!
//! Two images of a file (as it is, and as it was last synced) cost little more than one, and a
//! preallocated log file of zeros costs nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

const PAGE_BYTES: usize = 4096;
const PAGE: u64 = PAGE_BYTES as u64;

/// A file's bytes. What no page holds is zeros; bytes of pages past the end are always zeros.
#[derive(Clone, Debug, Default)]
pub(super) struct Image {
    len: u64,
    pages: BTreeMap<u64, Arc<[u8; PAGE_BYTES]>>,
}

impl Image {
    pub(super) const fn len(&self) -> u64 {
        self.len
    }

    /// Fills the buffer from `offset` on, or answers false when the file ends before.
    /// Nothing can be read anywhere, as on a real disk.
    pub(super) fn read(&self, buffer: &mut [u8], offset: u64) -> bool {
        if buffer.is_empty() {
            return true;
        }
        if offset.checked_add(buffer.len() as u64).is_none_or(|end| end > self.len) {
            return false;
        }
        for (number, in_page, in_bytes) in pieces(offset, buffer.len()) {
            match self.pages.get(&number) {
                Some(page) => buffer[in_bytes].copy_from_slice(&page[in_page]),
                None => buffer[in_bytes].fill(0),
            }
        }
        true
    }

    /// All bytes.
    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut bytes = vec![0; usize::try_from(self.len).unwrap_or(usize::MAX)];
        assert!(self.read(&mut bytes, 0), "BUG: a file is shorter than its length");
        bytes
    }

    /// Writes, growing the file when needed.
    pub(super) fn write(&mut self, bytes: &[u8], offset: u64) {
        for (number, in_page, in_bytes) in pieces(offset, bytes.len()) {
            let bytes = &bytes[in_bytes];
            match self.pages.get_mut(&number) {
                Some(page) => Arc::make_mut(page)[in_page].copy_from_slice(bytes),
                // Zeros written over zeros need no page.
                None if bytes.iter().all(|byte| *byte == 0) => {}
                None => {
                    let mut page = [0; PAGE_BYTES];
                    page[in_page].copy_from_slice(bytes);
                    self.pages.insert(number, Arc::new(page));
                }
            }
        }
        if !bytes.is_empty() {
            self.len = self.len.max(offset + bytes.len() as u64);
        }
    }

    /// Cuts or grows the file.
    pub(super) fn set_len(&mut self, len: u64) {
        if len < self.len {
            drop(self.pages.split_off(&len.div_ceil(PAGE)));
            let within = (len % PAGE) as usize;
            if within > 0
                && let Some(page) = self.pages.get_mut(&(len / PAGE))
            {
                Arc::make_mut(page)[within..].fill(0);
            }
        }
        self.len = len;
    }
}

/// Cuts a range of the file into pages: each one's number, and the range in it and in the bytes.
fn pieces(
    offset: u64,
    bytes: usize,
) -> impl Iterator<Item = (u64, std::ops::Range<usize>, std::ops::Range<usize>)> {
    let mut done = 0;
    std::iter::from_fn(move || {
        if done == bytes {
            return None;
        }
        let position = offset + done as u64;
        let start = (position % PAGE) as usize;
        let take = (PAGE_BYTES - start).min(bytes - done);
        let piece = (position / PAGE, start..start + take, done..done + take);
        done += take;
        Some(piece)
    })
}
